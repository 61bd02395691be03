"""Refresh tokens at two worker processes: docs/contract.md, 5.2, rules 3 to 6."""

import asyncio
import json
import socket
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.server import Answer, Line, Server, until
from tests.e2e.sessions import NO_LIMITS, Families, me, refresh, said, sign_in
from tests.e2e.test_races_over_http import ROUNDS, open_lines

REFRESHES = 50

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, and no limits."""
    with Server(tmp_path_factory.mktemp("sessions"), WORKERS="2", **NO_LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def families(server: Server) -> Families:
    """The families of that server."""
    return Families(server.folder)


async def refresh_all(lines: list[Line], tokens: list[str]) -> list[Answer]:
    """Present *tokens* at the same instant, each over a connection of its own."""
    return await asyncio.gather(
        *(
            line.post("/token/refresh/", {"refresh_token": token}, "")
            for line, token in zip(lines, tokens, strict=False)
        )
    )


def hang_up(server: Server, token: str) -> int:
    """Present *token*, and be gone before there is an answer; the port that it came from."""
    body = json.dumps({"refresh_token": token}).encode()
    head = (
        "POST /token/refresh/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        port: int = connection.getsockname()[1]
        return port


def test_fifty_refreshes_of_one_token_leave_one_branch(server: Server, families: Families) -> None:
    """Of the tokens that fifty refreshes of one token at the same instant give, one is alive."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for _ in range(ROUNDS):
                first = (await asyncio.to_thread(sign_in, server))["refresh_token"]
                given = await refresh_all(lines, [first] * REFRESHES)
                # Each of them may be the one whose answer was lost: rule 5.
                assert Counter(map(said, given)) == {(200, "granted"): REFRESHES}
                tokens = [answer["refresh_token"] for answer in given]
                assert len({first, *tokens}) == REFRESHES + 1
                second = await refresh_all(lines, tokens)
                assert Counter(map(said, second)) == {
                    (200, "granted"): 1,
                    (401, "invalid_token"): REFRESHES - 1,
                }
                (child,) = (answer for answer in second if answer.status == 200)
                assert (await refresh_all(lines, [child["refresh_token"]]))[0].status == 200
                assert families.find(first)["ended_at"] is None

    asyncio.run(race())


def test_fifty_refreshes_of_a_used_token_end_the_family(server: Server, families: Families) -> None:
    """A used token that fifty present at the same instant after its 30 s is a reuse, once."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for _ in range(ROUNDS):
                first = (await asyncio.to_thread(sign_in, server))["refresh_token"]
                child = (await refresh_all(lines, [first]))[0]["refresh_token"]
                families.put_back(first, 31)
                answers = await refresh_all(lines, [first] * REFRESHES)
                assert Counter(map(said, answers)) == {
                    (401, "token_reused"): 1,
                    (401, "invalid_token"): REFRESHES - 1,
                }
                assert said((await refresh_all(lines, [child]))[0]) == (401, "invalid_token")

    asyncio.run(race())


def test_within_30_s_a_lost_answer_is_made_up_for(server: Server, families: Families) -> None:
    """The parent of an unused token gets another child for 30 s; the replaced one is invalid."""
    first = sign_in(server)["refresh_token"]
    lost = refresh(server, first)["refresh_token"]
    families.put_back(first, 20)
    child = refresh(server, first)["refresh_token"]
    assert said(refresh(server, lost)) == (401, "invalid_token")
    assert refresh(server, child).status == 200


def test_after_30_s_a_used_token_ends_its_family(server: Server, families: Families) -> None:
    """A used token after its 30 s is a reuse: the newest token and the access tokens die too."""
    signed_in = sign_in(server)
    first = signed_in["refresh_token"]
    newest = refresh(server, first)
    families.put_back(first, 31)
    assert me(server, newest["access_token"]).status == 200
    answer = refresh(server, first)
    assert said(answer) == (401, "token_reused")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert said(refresh(server, newest["refresh_token"])) == (401, "invalid_token")
    for access_token in (signed_in["access_token"], newest["access_token"]):
        assert said(me(server, access_token)) == (401, "invalid_token")


def test_a_replaced_token_is_a_reuse_after_30_s(server: Server, families: Families) -> None:
    """A token that another child took the place of is a reuse once the 30 s are over."""
    first = sign_in(server)["refresh_token"]
    replaced = refresh(server, first)["refresh_token"]
    live = refresh(server, first)["refresh_token"]
    families.put_back(first, 31)
    assert said(refresh(server, replaced)) == (401, "token_reused")
    assert said(refresh(server, live)) == (401, "invalid_token")


def test_a_grandparent_is_a_reuse_at_once(server: Server) -> None:
    """A used token whose child has been used is a reuse, however soon it comes."""
    first = sign_in(server)["refresh_token"]
    second = refresh(server, first)["refresh_token"]
    third = refresh(server, second)["refresh_token"]
    assert said(refresh(server, first)) == (401, "token_reused")
    assert said(refresh(server, third)) == (401, "invalid_token")


def test_a_reuse_counts_whoever_hears_of_it(server: Server, families: Families) -> None:
    """A reuse ends the family also where its client hangs up right after asking."""
    for _ in range(ROUNDS):
        first = sign_in(server)["refresh_token"]
        newest = refresh(server, first)["refresh_token"]
        families.put_back(first, 31)
        hang_up(server, first)
        until(families.ended(first))
        assert said(refresh(server, newest)) == (401, "invalid_token")


def test_a_reuse_counts_when_its_client_is_gone_first(server: Server, families: Families) -> None:
    """A reuse ends the family also where its client is gone before it could be written down."""
    first = sign_in(server)["refresh_token"]
    newest = refresh(server, first)["refresh_token"]
    families.put_back(first, 31)
    with closing(sqlite3.connect(server.folder / "hsp-otp.db", isolation_level=None)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        port = hang_up(server, first)
        until(lambda: server.has_read(port))
    until(families.ended(first))
    assert said(refresh(server, newest)) == (401, "invalid_token")

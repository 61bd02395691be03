"""What many verifications cost, and what they leave: docs/contract.md, 13.9."""

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import httpx2
import pytest

from hsp_otp.adapters.sql.tables import metadata
from tests.e2e.production import by
from tests.e2e.server import PATIENCE_SECONDS, Server, command
from tests.gateway import Gateway
from tests.integration import behind
from tests.integration.postgres_server import DATABASES

PAIRS = int(os.environ.get("VERIFY_PAIRS", "100"))
"""Starts with their checks over each database; 10 000 in script/soak."""

CPU_SECONDS_A_PAIR: Final = 0.06
"""Of a worker: a thousand take less than a minute of one core."""

AT_ONCE: Final = 8
VERIFICATIONS: Final = "/v1/verifications"

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
proof_audience = "acme-shop"
[shop.limits]
sends_per_minute = 0
sends_per_day = 0
[shop.named_limits]
user = ["5 in 600 s"]
"""

NUMBERS: Final = [f"+9197{number:08d}" for number in range(PAIRS)]

pytestmark = pytest.mark.timeout(180 + PAIRS // 5)


@attrs.define(kw_only=True)
class Run:
    """
    Many verifications, and what they have left.

    Attributes:
        tables: The text of each table, or of each kind of records, by column.
        cpu_seconds: Of the worker.
    """

    key: str = attrs.field(repr=False)
    codes: set[str] = attrs.field(factory=set[str], repr=False)
    proofs: list[str] = attrs.field(factory=list[str], repr=False)
    log: str = ""
    tables: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    cpu_seconds: float = 0

    def verify(self, http: httpx2.Client, gateway: Gateway, to: str, number: int) -> None:
        """Start and check a verification; every fourth time, with a wrong code first."""
        body = {"to": to, "limits": {"user": f"named-value-{number}"}}
        began = http.post("", json=body, headers={"Idempotency-Key": f"start-key-{number}"})
        assert began.status_code == 200, began.text
        code = next(one.code for one in reversed(gateway.taken) if one.to == to)
        self.codes.add(code)
        path, once = f"/{began.json()['id']}/check", {"Idempotency-Key": f"check-key-{number}"}
        if number % 4 == 0:
            http.post(path, json={"code": code[::-1]}, headers=once)
        checked = http.post(path, json={"code": code}, headers=once)
        assert checked.status_code == 200, checked.text
        self.proofs.append(checked.json()["proof"])


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far; only on Linux."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def words(text: str) -> set[str]:
    """The words of a text, in which ten digits within a longer word are no code and no number."""
    return set(re.findall(r"\w+", text))


def read_tables(database: Path) -> dict[str, str]:
    """The text of each column of each table; records by their kind."""
    found: dict[str, list[str]] = {}
    for table in metadata.sorted_tables:
        names = [column.name for column in table.columns]
        for row in behind.execute(database, f"SELECT {', '.join(names)} FROM {table.name}"):  # noqa: S608
            place = row[0].partition(":")[0] if table.name == "records" else table.name
            for name, value in zip(names, row, strict=True):
                found.setdefault(f"{place}.{name}", []).append(str(value))
    return {place: "\n".join(values) for place, values in found.items()}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker has verified many numbers for an app, each by an idempotency key."""
    folder = tmp_path_factory.mktemp("many")
    settings, database = {"MODE": "development", "CODE_DIGITS": "10"}, folder / "hsp-otp.db"
    # Thousands of messages would reach the caps of a day.
    settings |= {"SPEND_PER_DAY": "0", "SPEND_PER_REGION_DAY": "0"}
    with ExitStack() as stack:
        if request.param == "postgres":
            url = asyncio.run(DATABASES.empty())
            stack.callback(lambda: asyncio.run(DATABASES.drop([url])))
            settings["DATABASE_URL"] = url
            database = folder / "postgres-url"
            database.write_text(url)
        gateway = stack.enter_context(Gateway())
        settings |= by(twilio=gateway)
        (folder / "apps.toml").write_text(APP)
        for line in ("db upgrade", "apps import apps.toml"):
            assert command(folder, *line.split(), **settings).returncode == 0
        new = "api-keys new --name checkout --app shop"
        found = Run(key=command(folder, *new.split(), **settings).stdout.strip())
        server = stack.enter_context(Server(folder, "serve", **settings))
        http = stack.enter_context(
            httpx2.Client(
                base_url=f"http://127.0.0.1:{server.port}{VERIFICATIONS}",
                headers={"Authorization": f"Bearer {found.key}"},
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
        )
        before = cpu_seconds(server.process.pid)
        with ThreadPoolExecutor(AT_ONCE) as callers:
            list(callers.map(partial(found.verify, http, gateway), NUMBERS, range(PAIRS)))
        found.cpu_seconds = cpu_seconds(server.process.pid) - before
        found.tables = read_tables(database)
        assert server.stop() == 0
        found.log = server.errors + server.output
        yield found


def test_what_they_cost(run: Run) -> None:
    """A thousand starts with their checks take less than a minute of one core."""
    assert 0 < run.cpu_seconds / PAIRS < CPU_SECONDS_A_PAIR


def test_what_they_leave_has_no_secret(run: Run) -> None:
    """Neither log nor database has a code, a key of any kind, a value of a limit or a proof."""
    assert len(run.codes) > PAIRS * 0.99
    assert len(run.log.splitlines()) > PAIRS
    headers = {proof.partition(".")[0] for proof in run.proofs}
    secrets = ("-key-", "named-value", run.key[40:83], *headers)
    for place, text in {**run.tables, "log": run.log}.items():
        assert [secret for secret in secrets if secret in text] == [], place
        assert not run.codes & words(text), place


def test_where_full_numbers_are(run: Run) -> None:
    """Full numbers are with sends, slots and limits on contacts, and not in logs."""
    assert not words(run.log) & {digits + one[-10:] for one in NUMBERS for digits in ("", "91")}
    assert {place for place, text in run.tables.items() if re.search(r"\+9197\d{8}", text)} == {
        "sends.contact",
        "sends.slot",
        "slot.key",
        "slot.body",
        "usage.key",
    }

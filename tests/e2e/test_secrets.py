"""One full run at debug level, and what it leaves: docs/contract.md, 2.2, 5.4, 7 and 8.3."""

import base64
import copy
import io
import logging
import os
import pickle
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import httpx2
import pytest
import structlog

from hsp_otp.adapters.jwt import parse_signing_keys
from hsp_otp.adapters.operator_accounts import new_account, text_of
from hsp_otp.adapters.secret_keys import CODES, ring
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.refresh_tokens import RefreshToken
from hsp_otp.entrypoints import logs
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.ports.sender import Sms
from tests.collector import Collector
from tests.e2e.server import PATIENCE_SECONDS, Answer, NewServer, Server, command
from tests.e2e.sessions import csrf, csrf_token, generated_keys, prove, sign_up
from tests.world import Outbox, World

DEMO = "HSP-1234-5678"
NUMBER = "+919876543210"

# Everything that the libraries say, too: the service's own caps are all that holds them.
LOUD = """
import asyncio, logging, os, socket, sys
from hsp_otp.entrypoints import logs
from hsp_otp.entrypoints.server import metrics_listener as metrics
from hsp_otp.entrypoints.server import run as serving
from hsp_otp.entrypoints.settings.load import load
import uvicorn

settings = load()
listening = serving.bind(settings.host, settings.port)
logs.configure(for_people=True)
with metrics.kept(serving.bind(settings.host, settings.metrics_port), keep_alive=75):
    app = serving.app()
    logging.getLogger().setLevel(logging.DEBUG)
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False)
    print("listening port", listening.getsockname()[1], file=sys.stderr, flush=True)
    server = uvicorn.Server(config)
    asyncio.run(server.serve(sockets=[listening]), debug=True)
"""


class LoudServer(NewServer):
    """The application under a server that says everything it knows."""

    def line(self, name: str) -> list[str | Path]:
        """The command line."""
        del name
        return [sys.executable, "-X", "dev", "-W", "ignore", "-c", LOUD]


@attrs.frozen
class Run:
    """
    What a run dealt in, and what it left.

    Attributes:
        secrets: Codes, tokens, sessions and keys.
        shown: Standard output without the boxes of messages.
        pages: What a browser was shown.
        seen: What an operator was shown at /ops/.
        metrics: The text of the other listener.
        spans: What a collector of traces was sent, as it came.
        names: Of the spans.
        settings: What the commands need as well.
    """

    secrets: dict[str, str]
    shown: str
    errors: str
    database: Path
    answers: list[str]
    pages: list[str]
    seen: list[str]
    metrics: str
    spans: str
    names: set[str]
    settings: dict[str, str]


def key_texts(folder: Path) -> dict[str, str]:
    """The generated keys, as they are written and as they are."""
    keys = folder / "hsp-otp.db.keys"
    secret = (keys / "secret").read_text()
    lines = (keys / "ES256.pem").read_text().splitlines()
    return {"secret key": secret, **{f"line {n} of the PEM": lines[n] for n in (1, 2)}}


def signup(server: Server, database: Path) -> tuple[dict[str, str], list[Answer]]:
    """A signup with failures of all kinds: its secrets, and the answers that are none of them."""
    token = csrf_token(generated_keys(server.folder))
    session_id = sign_up(server, NUMBER, token)["session_id"]
    first = server.message_to(NUMBER).code
    answers = [prove(server, session_id, "0123456789", token)]
    assert sign_up(server, "98765 43210", token, session_id).status == 200
    code = server.message_to(NUMBER).code
    send, verify = "/users/api/send-otp/", "/users/api/verify-otp/"
    whole = {"phone": NUMBER, "session_id": session_id, "otp_code": code}
    answers += [
        prove(server, session_id, first, token),
        server.post(verify, whole),
        server.post(verify, whole, Cookie=f"csrftoken={token}"),
        server.post(verify, f'{{"session_id": "{session_id}", "{code}', **csrf(token)),
        server.post(send, {"phone": [NUMBER], "session_id": session_id}, **csrf(token)),
        server.post(send, {"phone": f"{NUMBER}x", "session_id": session_id}, **csrf(token)),
        server.post(f"{send}{session_id}/{NUMBER}?otp_code={code}", whole, **csrf(token)),
        prove(server, code, session_id, token),
    ]
    with closing(sqlite3.connect(database, isolation_level=None)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        answers.append(prove(server, session_id, code, token))
        answers.append(sign_up(server, NUMBER, token))
    proved = prove(server, session_id, code, token)
    assert proved.status == 200
    answers.append(prove(server, session_id, code, token))
    answers.append(sign_up(server, NUMBER, token, session_id))
    answers.append(server.post("/customer/me/", {}, Authorization=f"Bearer {proved['proof']}"))
    secrets = {
        "first code of signup": first,
        "code of signup": code,
        "session": session_id,
        "proof": proved["proof"],
        "token of a page": token,
    }
    return secrets, answers


def browse(server: Server) -> tuple[dict[str, str], list[str]]:
    """A sign-in and the begin of a signup in a browser: secrets, and all the pages on the way."""
    pages: list[str] = []

    def submit(path: str, do: str, **fields: str) -> None:
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', pages[-1]))
        answer = browser.post(path, data={**hidden, **fields, "do": do})
        assert answer.status_code == 200
        pages.append(answer.text)

    with httpx2.Client(
        base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True, trust_env=False
    ) as browser:
        pages += [browser.get(path).text for path in ("/", "/nothing/", "/users/signup/")]
        submit("/users/signup/", "send", phone=NUMBER)
        submit("/users/signup/", "verify", otp_code="0123456789")
        begun = server.message_to(NUMBER).code
        pages.append(browser.get("/customer/login/").text)
        submit("/customer/login/", "find", pass_code=DEMO)
        submit("/customer/login/", "verify", otp="0123456789")
        code = server.message_to(NUMBER).code
        submit("/customer/login/", "verify", otp=code)
        assert "sign_out" in pages[-1]
        tokens = {f"cookie {name}": value for name, value in browser.cookies.items()}
        assert len(tokens) >= 3
        submit("/customer/login/", "sign_out")
    return {"code on a page": code, "code of a page's signup": begun, **tokens}, pages


def call(server: Server, settings: dict[str, str]) -> tuple[dict[str, str], list[Answer]]:
    """Another backend presents API keys, good and bad: their secrets, and the refusals."""
    path, database = "/token/exchange/", server.folder / "hsp-otp.db"
    new = ("api-keys", "new", "--name", "shop", "--scopes")
    made = [command(server.folder, *new, scope, **settings) for scope in SCOPES]
    good, revoked, other = keys = [one.stdout.strip() for one in made]
    command(server.folder, "api-keys", "revoke", revoked.split("_")[1], **settings)
    presented = (good, revoked, other, good[:-1], f"{good}x", good.replace("_", "-"))
    answers = [server.post(path, {"code": "x"}, Authorization=f"Bearer {key}") for key in presented]
    assert [answer.status for answer in answers] == [400, 401, 403, 401, 401, 401]
    answers += [
        server.post(path, {"code": good}, Authorization=f"Bearer {good}"),
        server.post(path, {"code": "x", "api_key": good}, Authorization=good),
        server.post(f"{path}?api_key={good}", {"code": "x"}),
        server.post(f"/token/{good}/", {"code": "x"}, Authorization=f"Bearer {good}"),
        server.post(path, f'{{"code": "{good}', Authorization=f"Bearer {good}"),
        server.post("/customer/me/", {}, Authorization=f"Bearer {good}"),
    ]
    last = command(server.folder, *new, "exchange", **settings).stdout.strip()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE api_keys RENAME TO away")
    answers.append(server.post(path, {"code": "x"}, Authorization=f"Bearer {last}"))
    assert answers[-1].status == 503
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE away RENAME TO api_keys")
    secrets = [key.split("_", 2)[2][:43] for key in (*keys, last)]
    return {f"API key {number}": secret for number, secret in enumerate(secrets)}, answers


SCOPES = ("exchange", "exchange", "passes")
"""Of the keys; the second one is revoked."""

OPS_PASSWORD = "0a1b2c3d4e5f6a7b8c9d"
ASHAS = "d9c8b7a6f5e4d3c2b1a0d9"
ASHA = new_account("asha", ASHAS)


def operate(server: Server) -> tuple[dict[str, str], list[str]]:
    """An operator looks at everything there is at /ops/: their secrets, and what they saw."""
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True, trust_env=False
    ) as browser:

        def submit(path: str, **fields: str) -> str:
            token = re.findall(r'name="csrftoken" value="([^"]+)"', pages[-1])[0]
            return browser.post(path, data={"csrftoken": token, **fields}).text

        pages = [browser.get("/ops/").text]
        pages += [submit("/ops/", username=ASHAS, password=ASHAS)]
        pages += [submit("/ops/", username="asha", password=ASHAS)]
        assert "<p>asha</p>" in pages[-1]
        pages += [submit("/ops/story/", contact=NUMBER)]
        named = browser.cookies["hsp_otp_ops"]
        pages += [submit("/ops/sign-out/")]
        pages += [submit("/ops/", password=OPS_PASSWORD[::-1])]
        pages += [submit("/ops/", password=OPS_PASSWORD)]
        pages += [browser.get(f"/ops/live/?range={name}").text for name in ("hour", "day", "week")]
        pages += [browser.get("/ops/").text]
        pages += [submit("/ops/story/", contact=NUMBER)]
        pages += [submit("/ops/story/", contact=f"{NUMBER}x")]
        session = browser.cookies["hsp_otp_ops"]
        submit("/ops/sign-out/")
    secrets = {"password of operators": OPS_PASSWORD, "a wrong one": OPS_PASSWORD[::-1]}
    secrets |= {"password of an operator": ASHAS, "its hash": ASHA.hashed}
    return secrets | {"operator's session": session, "session by name": named}, pages


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector of traces."""
    with Collector() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Sign-ins and failures of all kinds, with codes of ten digits that nothing else looks like."""
    folder = tmp_path_factory.mktemp("loud")
    database = folder / "hsp-otp.db"
    settings = {
        "MODE": "development",
        "CODE_DIGITS": "10",
        "RESEND_COOLDOWN_SECONDS": "0",
        "PHONE_SENDS_PER_DAY": "0",
        "LOGIN_SENDS_PER_CLIENT_HOUR": "0",
    }
    told = {
        "METRICS_PORT": "0",
        "TRACES_URL": collector.url,
        "OPS_PASSWORD": OPS_PASSWORD,
        "OPS_USERS": "operators",
    }
    (folder / "operators").write_text(text_of({"asha": ASHA}))
    with Server(folder, **settings) as prepared:
        assert prepared.get("/healthz").status == 200
    with LoudServer(folder, **(settings | told)) as server:
        server.validate(DEMO)
        server.send(DEMO)
        first = server.message_to(NUMBER).code
        answers = [server.verify(DEMO, "0123456789")]
        server.send(DEMO)
        code = server.message_to(NUMBER).code
        answers.append(server.verify(DEMO, first))
        with closing(sqlite3.connect(database, isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            answers.append(server.verify(DEMO, code))
        answers += [
            server.post("/customer/verify-otp/", f'{{"pass_code": "{DEMO}", "{code}'),
            server.post("/customer/verify-otp/", {"pass_code": DEMO, "otp": [code]}),
            server.post(f"/customer/{code}/{DEMO}?otp={code}", {"otp": code}),
            server.verify(NUMBER, code),
        ]
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("ALTER TABLE users RENAME TO away")
        answers.append(server.verify(DEMO, code))
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("ALTER TABLE away RENAME TO users")
        signed_in = server.verify(DEMO, code)
        assert signed_in.status == 200
        answers.append(server.verify(DEMO, code))
        used = {"refresh_token": signed_in["refresh_token"]}
        refreshed = server.post("/token/refresh/", used)
        with closing(sqlite3.connect(database, isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            answers.append(server.post("/token/refresh/", used))
        answers.append(
            server.post("/customer/me/", {}, Authorization=f"Bearer {refreshed['access_token']}")
        )
        again = server.post("/token/refresh/", {"refresh_token": refreshed["refresh_token"]})
        answers.append(server.post("/token/refresh/", used))
        assert answers[-1]["error"] == "token_reused"
        answers.append(server.post("/token/refresh/", {"refresh_token": again["refresh_token"]}))
        server.post("/token/revoke/", {"refresh_token": again["refresh_token"]})
        secrets, refused = signup(server, database)
        answers += refused
        on_keys, refused = call(server, settings)
        answers += refused
        on_pages, pages = browse(server)
        of_operators, seen = operate(server)
        counted = httpx2.get(f"http://127.0.0.1:{server.metrics_port}/metrics", trust_env=False)
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(PATIENCE_SECONDS)
        shown = re.sub(r"^[|+].*[|+]\n", "", server.output, flags=re.MULTILINE)
        yield Run(
            {
                "first code": first,
                "code": code,
                "wrong code": "0123456789",
                "access token": signed_in["access_token"],
                "refresh token": signed_in["refresh_token"],
                "second access token": refreshed["access_token"],
                "second refresh token": refreshed["refresh_token"],
                "third refresh token": again["refresh_token"],
                **key_texts(folder),
                **secrets,
                **on_keys,
                **on_pages,
                **of_operators,
            },
            shown,
            server.errors,
            database,
            [str(answer.body) for answer in answers],
            pages,
            seen,
            counted.text,
            b"".join(collector.bodies).decode("latin-1"),
            {span.name for span in collector.spans},
            settings | {"OPS_USERS": "operators"},
        )


def found_in(text: str, secrets: dict[str, str]) -> list[str]:
    """The names of the secrets that *text* holds, or their last parts."""
    return [name for name, secret in secrets.items() if secret in text or secret[-20:] in text]


def test_the_run_was_loud(run: Run) -> None:
    """The run says much: otherwise its silence about secrets would mean nothing."""
    assert len(run.errors.splitlines()) > 15
    assert "unavailable" in run.errors
    assert "verify-otp" in run.errors
    assert run.answers[2].count("unavailable") == 1


def test_no_output_holds_a_secret(run: Run) -> None:
    """Neither log nor output holds a code, a token or a key, whoever writes it."""
    assert found_in(run.errors, run.secrets) == []
    assert found_in(run.shown, run.secrets) == []


def test_no_output_holds_a_number_or_a_pass_code(run: Run) -> None:
    """Neither log nor output holds a full number or pass code, but for the demo's own banner."""
    for told in (run.errors, re.sub(r"(?s)\nhsp-otp is running at .*?FILE\.csv\n", "", run.shown)):
        assert "9876543210" not in told
        assert "1234-5678" not in told


COMMANDS = (
    "audit list",
    "audit list --json",
    "audit list --csv",
    f"audit timeline --phone {NUMBER}",
    f"audit range --phone {NUMBER}",
    "audit top",
    "audit suspicious",
    "audit list --outcome unauthorized",
    "api-keys list",
    "api-keys list --json",
    "doctor",
    "settings",
    f"passes show {DEMO}",
    f"unlock --pass-code {DEMO} --reason asked",
    f"unlock --phone {NUMBER} --reason asked",
    f"unlock --phone {NUMBER} --reason asked --devices",
    f"let --pass-code {DEMO} --address 203.0.113.7 --reason asked",
    f"let --phone {NUMBER} --address 203.0.113.7 --reason asked",
    "purge",
    f"erase {NUMBER} --yes --reason asked",
    "audit list --outcome erased",
    "ops list",
)
"""In that order."""


def test_nothing_that_is_told_holds_a_secret(run: Run, tmp_path: Path) -> None:
    """
    Neither metrics, traces, logs, pages nor what commands show has a secret in it.

    All that a run and whoever operates it get to see is read here.
    """
    folder = tmp_path / "operated"
    shutil.copytree(run.database.parent, folder)
    shown: dict[str, str] = {
        "log": run.errors,
        "output": re.sub(r"(?s)\nhsp-otp is running at .*?FILE\.csv\n", "", run.shown),
        "metrics": run.metrics,
        "traces": run.spans,
        **{f"page {number}": page for number, page in enumerate(run.pages)},
        **{f"operator's page {number}": page for number, page in enumerate(run.seen)},
    }
    for line in COMMANDS:
        done = command(folder, *line.split(), **run.settings)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        shown[line] = done.stdout + done.stderr
    # There is something to be silent about.
    assert (
        'hsp_otp_checks_total{flow="pass_login",outcome="verified",region="IN"} 2.0' in run.metrics
    )
    assert {"pass_login.verify", "signup.verify", "sender", "POST /customer/verify-otp"} < run.names
    assert "***-***-3210" in shown["audit list"]
    assert "***-***-3210" in run.pages[-4]
    assert "***-***-3210" in run.seen[-2]
    assert sum("Outcomes of requests for a code" in page for page in run.seen) == 6
    assert "trace_id" in run.errors

    found: dict[str, list[str]] = {}
    for name, text in shown.items():
        held = found_in(text, run.secrets | {"number": "9876543210", "pass code": "1234-5678"})
        if name.startswith("page "):
            held = [secret for secret in held if secret not in ON_PAGES]
        if held:
            found[name] = held
    assert found == {}


ON_PAGES = ("pass code", "cookie signup_session", "cookie csrftoken")
"""What a page shows to whom it belongs: its forms name them, and every pass looks like this one."""


def test_no_refusal_repeats_a_secret(run: Run) -> None:
    """No answer but a success holds a code, a number or a pass code."""
    for answer in run.answers:
        assert found_in(answer, run.secrets) == []
        assert "9876543210" not in answer
        assert "1234-5678" not in answer


def test_no_file_of_the_database_holds_a_secret(run: Run) -> None:
    """
    The bytes of the database hold no code, token or key, the write-ahead log included.

    A signup session's id is what it is found by; without the code it proves nothing.
    """
    kept = b"".join(
        path.read_bytes() for path in run.database.parent.glob("hsp-otp.db*") if path.is_file()
    )
    assert DEMO.encode() in kept
    sessions = ["session", "cookie signup_session"]
    assert found_in(kept.decode("latin-1"), run.secrets) == sessions
    raw = base64.b64decode(run.secrets["secret key"])
    assert raw not in kept


def test_full_numbers_and_pass_codes_stand_where_they_must(run: Run) -> None:
    """A full number stands with users, sends and records, a pass code with passes and families."""
    numbers: set[tuple[str, str]] = set()
    pass_codes: set[tuple[str, str]] = set()
    with closing(sqlite3.connect(run.database)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in names.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                for column in row.keys():  # noqa: SIM118 - a row is no mapping
                    if "9876543210" in str(row[column]):
                        numbers.add((table, column))
                    if "1234-5678" in str(row[column]):
                        pass_codes.add((table, f"{column} of {_kind(table, row)}"))
    assert numbers == {
        ("users", "phone_number"),
        ("sends", "contact"),
        ("sends", "slot"),
        ("records", "key"),
        ("records", "body"),
    }
    assert pass_codes == {("passes", "code of passes"), ("records", "body of family")}


def _kind(table: str, row: sqlite3.Row) -> str:
    return row["key"].partition(":")[0] if table == "records" else table


SECRET_KEY = base64.b64encode(bytes(range(100, 132))).decode()


def test_no_repr_shows_a_secret() -> None:
    """Settings, keys, codes, challenges, tokens and messages keep their secrets to themselves."""
    settings = load(
        {
            "HSP_OTP_SECRET_KEYS": f"k1:{SECRET_KEY}",
            "HSP_OTP_JWT_ALGORITHM": "HS256",
            "HSP_OTP_JWT_KEYS": f"k1:{SECRET_KEY}",
        }
    )
    codes = ring(settings.secret_keys, CODES)
    token = RefreshToken.mint(codes.first, "c1", bytes(32))
    world = World()
    world.add()
    sent = world.send()
    signed_in = world.verify(world.outbox.codes[0])
    things = [
        settings,
        codes,
        *parse_signing_keys("HS256", settings.jwt_keys),
        token,
        sent,
        signed_in,
        world.record(),
        Code("0123456789"),
        PassCode(DEMO),
        PhoneNumber(NUMBER),
        Sms(to=Contact(ContactKind.PHONE, NUMBER), text="0123456789 is your code", useful_for=1),
        Outbox(sent=world.outbox.sent),
    ]
    secrets = {
        "key": SECRET_KEY,
        "key bytes": repr(bytes(range(100, 132)))[2:-1],
        "derived key": repr(codes.first.secret)[2:-1],
        "token": token.value,
        "digest": repr(token.digest)[2:-1],
        "code": "0123456789",
        "sent code": f"{world.outbox.codes[0]} is",
        "number": NUMBER,
        "pass code": DEMO,
        "access token": "'access-1'",
    }
    for thing in things:
        for text in (repr(thing), str(thing), f"{thing}", repr([thing])):
            assert [name for name, secret in secrets.items() if secret in text] == []


def test_a_code_is_not_pickled_or_copied_into_text() -> None:
    """A code refuses to be pickled or copied, and formats as stars."""
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(Code("0123456789"))
    assert f"{Code('0123456789')}" == "Code(******)"


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[None]:
    """Logs as the service configures them, at debug level, and everything put back after it."""
    root = logging.getLogger()
    before = (root.handlers, root.level, sys.stderr)
    sys.stderr = stream
    try:
        logs.configure(for_people=False)
        root.setLevel(logging.DEBUG)
        yield
    finally:
        root.handlers, sys.stderr = before[0], before[2]
        root.setLevel(before[1])
        structlog.reset_defaults()


def test_an_exception_is_logged_without_what_it_says() -> None:
    """Exceptions with codes in their texts and locals are logged by kind and place alone."""
    stream = io.StringIO()
    digits = "0123456789"

    def stumble(code: Code) -> None:
        revealed = code.reveal()
        try:
            int(f"no room for {revealed}")
        except ValueError as error:
            raise RuntimeError(revealed) from error

    with logging_to(stream):
        try:
            stumble(Code(digits))
        except RuntimeError as error:
            structlog.get_logger().error("bug", exc_info=error)
            structlog.get_logger().exception("bug")
            logging.getLogger("some.library").exception("it failed")
            logging.getLogger("aiosqlite").debug("executing %s", digits)
            logging.getLogger("sqlalchemy.engine.Engine").info("[raw sql] %s", digits)
            logging.getLogger("asyncio").debug("%s", digits)
            logging.getLogger("aiohttp.client").info("%s", digits)
            logging.getLogger("twilio").info("%s", digits)
    told = stream.getvalue()
    assert told.count("RuntimeError at ") == 3
    assert told.count("ValueError at ") == 3
    assert "stumble" in told
    assert digits not in told

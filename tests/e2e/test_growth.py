"""
What adding something touches: docs/architecture.md has a row for each of these additions.

Each addition is made for real, in a copy of the source, and used; a provider of messages is added
in tests/integration/test_adding_a_sender.py.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from hsp_otp.adapters.sql.schema import known
from hsp_otp.entrypoints.settings.load import described
from tests.e2e.server import COMMAND, NewServer, environment
from tests.e2e.sessions import DEMO, NUMBER
from tests.e2e.test_ops import PASSWORD, Browser

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path("src", "hsp_otp")
PHONE: Final = "+919812345678"

pytestmark = pytest.mark.timeout(300)


@attrs.frozen(kw_only=True)
class Addition:
    """
    Something new.

    Attributes:
        row: What the table in docs/architecture.md calls it.
        files: New files, by their paths in the package.
        edits: Anchors with what stands in their place, by the paths of files; each anchor occurs
            once.
    """

    row: str
    files: Mapping[str, str] = attrs.field(factory=dict[str, str])
    edits: Mapping[str, Mapping[str, str]]

    @property
    def touched(self) -> set[str]:
        """The paths of all its files."""
        return {*self.files, *self.edits}

    def apply(self, folder: Path, only: str = "") -> None:
        """
        Make it in the copy in *folder*.

        Args:
            only: The one file to touch.
        """
        for name, text in self.files.items():
            path = folder / PACKAGE / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        for name, edits in self.edits.items():
            path = folder / PACKAGE / name
            text = path.read_text("utf-8")
            for anchor, becomes in edits.items() if only in {"", name} else ():
                assert text.count(anchor) == 1, f"{name} has {anchor!r} {text.count(anchor)} times"
                text = text.replace(anchor, becomes)
            path.write_text(text, "utf-8")


def before(anchor: str, new: str) -> dict[str, str]:
    """The edit that puts *new* in front of *anchor*."""
    return {anchor: new + anchor}


def after(anchor: str, new: str) -> dict[str, str]:
    """The edit that puts *new* behind *anchor*."""
    return {anchor: anchor + new}


PURPOSE: Final = Addition(
    row="purpose",
    edits={
        "domain/purposes.py": {
            **after(
                '    PHONE_VERIFICATION = "phone_verification"\n',
                '    PHONE_CHANGE = "phone_change"\n',
            ),
            **before(
                "    Purpose.PHONE_VERIFICATION: PurposeRow(",
                """\
    Purpose.PHONE_CHANGE: PurposeRow(
        title="phone change",
        subject_kind=SubjectKind.USER,
        flow=Flow.PASS_LOGIN,
        settings="change",
        code_seconds=240,
        client_sends={"sends_per_client_hour": Quota(3, HOUR)},
    ),
""",
            ),
        }
    },
)

FLOW: Final = Addition(
    row="flow",
    files={
        "flows/phone_check.py": '''\
"""Phone check: a number, a code by SMS, and whether the code was right."""

import attrs

from hsp_otp.domain.audit import Action, AuditFacts
from hsp_otp.domain.challenge import subject_of
from hsp_otp.domain.challenge_outcomes import CheckOutcome, Verified
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow, Purpose, Slot
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.slot_record import Presented, Request
from hsp_otp.flows.caller import Caller, about, audited_failures, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import AskedOutcome, Otp


@attrs.frozen(kw_only=True)
class PhoneCheck:
    """Starts a code for a number, and checks it."""

    otp: Otp
    limiter: Limiter
    fingerprints: KeyRing

    async def send(self, phone: PhoneNumber, caller: Caller) -> AskedOutcome:
        """Send a code to a number."""
        request, facts = self._asked(phone, Action.SEND, caller)
        async with audited_failures(self.otp.audit, facts):
            return await self.otp.ask(request, facts, caller.language)

    async def verify(
        self, phone: PhoneNumber, guess: Code, caller: Caller
    ) -> CheckOutcome | Refusal:
        """Check a code."""
        request, facts = self._asked(phone, Action.CHECK, caller)
        async with audited_failures(self.otp.audit, facts):
            refusal = await self.limiter.admit(Counted.CHECKS, caller.client, facts)
            if refusal is not None:
                return refusal
            facts = attrs.evolve(facts, charged=(Counted.CHECKS.value,))
            outcome = await self.otp.check(request, Presented(guess), facts)
            if isinstance(outcome, Verified):
                await self.otp.audit.write(with_outcome(facts, outcome, changed=True))
            return outcome

    def _asked(
        self, phone: PhoneNumber, action: Action, caller: Caller
    ) -> tuple[Request, AuditFacts]:
        contact = Contact.of_phone(phone)
        request = Request(
            slot=Slot(subject_of(contact), Purpose.PHONE_CHECK),
            flow=Flow.PHONE_CHECK,
            contact=contact,
            client=caller.client,
        )
        facts = AuditFacts(
            at=self.otp.clock.now(),
            flow=Flow.PHONE_CHECK,
            purpose=Purpose.PHONE_CHECK,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
        )
        return request, about(facts, contact, self.fingerprints)
''',
        "entrypoints/http/phone_check/__init__.py": '"""The routes of the phone check."""\n',
        "entrypoints/http/phone_check/bodies.py": '''\
"""What requests and answers of the phone check carry."""

import msgspec


class StartRequest(msgspec.Struct):
    """A phone number."""

    phone: str | None = None


class FinishRequest(msgspec.Struct):
    """A phone number with the code that was sent."""

    phone: str | None = None
    otp: str | None = None


class DoneBody(msgspec.Struct):
    """It is done."""

    done: bool = True
''',
        "entrypoints/http/phone_check/problems.py": '''\
"""The answers of the phone check that are no success."""

from typing import Final

from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.quota import Refusal
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check
from hsp_otp.flows.otp import NotSent

INVALID_PHONE: Final = Problem(400, "invalid_phone")


def of_start(outcome: NotSent) -> Problem:
    """Why no code was sent."""
    return of_ask(outcome)


def of_finish(outcome: WrongCode | NoLiveCode | Exhausted | Locked | Refusal) -> Problem:
    """Why a presented code proved nothing."""
    return of_check(outcome)
''',
        "entrypoints/http/phone_check/routes.py": '''\
"""The routes of the phone check."""

from litestar import Response
from litestar.params import JSONBody

from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.code import Code, MalformedCodeError
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.quota import Limit
from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.http.phone_check.bodies import DoneBody, FinishRequest, StartRequest
from hsp_otp.entrypoints.http.phone_check.problems import INVALID_PHONE, of_finish, of_start
from hsp_otp.entrypoints.http.problems import MALFORMED_OTP, answer, answers_of
from hsp_otp.entrypoints.http.requests import AnyRequest, caller_of, post_json, services_of


@post_json(
    "/phone/start",
    operation_id="phoneStart",
    tags=["phone check"],
    **described(
        INVALID_PHONE,
        *answers_of(of_start, Limit.CONTACT_SENDS, Limit.CLIENT, Limit.COOLDOWN),
        request={"phone": "+91 98765 43210"},
        success={"done": True},
        member="done",
    ),
)
async def phone_start(request: AnyRequest, data: JSONBody[StartRequest]) -> Response[DoneBody]:
    """Send a code to a phone number."""
    services = services_of(request)
    try:
        phone = PhoneNumber.parse(data.phone or "", services.settings.default_region)
    except InvalidPhoneError:
        return answer(request, INVALID_PHONE)
    outcome = await services.journeys.phone_check.send(phone, caller_of(request))
    if not isinstance(outcome, Issued):
        return answer(request, of_start(outcome))
    return Response(DoneBody())


@post_json(
    "/phone/finish",
    operation_id="phoneFinish",
    tags=["phone check"],
    **described(
        INVALID_PHONE,
        MALFORMED_OTP,
        *answers_of(of_finish, Limit.CLIENT),
        request={"phone": "+91 98765 43210", "otp": "758239"},
        success={"done": True},
        member="done",
    ),
)
async def phone_finish(request: AnyRequest, data: JSONBody[FinishRequest]) -> Response[DoneBody]:
    """Check a code."""
    services = services_of(request)
    try:
        phone = PhoneNumber.parse(data.phone or "", services.settings.default_region)
        guess = Code.parse(data.otp or "", services.settings.code_digits)
    except InvalidPhoneError:
        return answer(request, INVALID_PHONE)
    except MalformedCodeError:
        return answer(request, MALFORMED_OTP)
    outcome = await services.journeys.phone_check.verify(phone, guess, caller_of(request))
    if not isinstance(outcome, Verified):
        return answer(request, of_finish(outcome))
    return Response(DoneBody())
''',
    },
    edits={
        "domain/purposes.py": {
            **before('    PASS_LOGIN = "pass_login"', '    PHONE_CHECK = "phone_check"\n'),
            **before(
                "    Flow.PASS_LOGIN: FlowRow(",
                '    Flow.PHONE_CHECK: FlowRow(title="Phone check"),\n',
            ),
            **before(
                '    PHONE_VERIFICATION = "phone_verification"\n',
                '    PHONE_CHECK = "phone_check"\n',
            ),
            **before(
                "    Purpose.SIGNUP: PurposeRow(",
                """\
    Purpose.PHONE_CHECK: PurposeRow(
        title="the phone check",
        subject_kind=SubjectKind.PHONE,
        flow=Flow.PHONE_CHECK,
        settings="phone_check",
        code_seconds=120,
        client_sends={"sends_per_client_hour": Quota(5, HOUR)},
    ),
""",
            ),
        },
        "flows/assembly.py": {
            **after(
                "from hsp_otp.flows.pass_login import PassLogin\n",
                "from hsp_otp.flows.phone_check import PhoneCheck\n",
            ),
            **after("    pass_login: PassLogin\n", "    phone_check: PhoneCheck\n"),
            **before(
                "        pass_login=PassLogin(",
                "        phone_check=PhoneCheck(\n"
                "            otp=otp, limiter=limiter, fingerprints=rings.fingerprints\n"
                "        ),\n",
            ),
        },
        "entrypoints/app.py": {
            **before(
                "from hsp_otp.entrypoints.http.problems import",
                "from hsp_otp.entrypoints.http.phone_check.routes import (\n"
                "    phone_finish,\n"
                "    phone_start,\n"
                ")\n",
            ),
            **before("    *RECEIPTS,\n", "    phone_start,\n    phone_finish,\n"),
        },
    },
)

OUTCOME: Final = Addition(
    row="outcome",
    edits={
        "domain/passes.py": {
            **after('    CANCELLED = "cancelled"\n', '    SUSPENDED = "suspended"\n'),
            **before(
                "@attrs.frozen\nclass NoPhone:",
                '''\
@attrs.frozen
class PassSuspended:
    """The pass is suspended."""

    word: ClassVar[str] = "pass_suspended"


''',
            ),
            **after("UnusablePass = PassNotFound | PassNotPaid | NoPhone", " | PassSuspended"),
            **before(
                "    if found.payment_status is not PaymentStatus.PAID:\n",
                "    if found.payment_status is PaymentStatus.SUSPENDED:\n"
                "        return PassSuspended()\n",
            ),
        },
        "entrypoints/http/pass_login/problems.py": {
            **after(
                "from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, ",
                "PassSuspended, ",
            ),
            **before(
                "        case NoPhone():\n",
                "        case PassSuspended():\n            return Problem(403, outcome.word)\n",
            ),
        },
        **{
            f"locale/{language}/LC_MESSAGES/hsp_otp.po": before(
                'msgid "no_phone"\n', f'msgid "pass_suspended"\nmsgstr "{text}"\n\n'
            )
            for language, text in {
                "en": "This pass is suspended.",
                "es": "Este pase está suspendido.",
                "hi": "यह पास निलंबित है।",
            }.items()
        },
    },
)

_LAST: Final = max(known())
_NEXT: Final = f"{int(_LAST) + 1:04d}"

COLUMN: Final = Addition(
    row="column of the audit",
    files={
        f"adapters/sql/migrations/versions/{_NEXT}_language.py": f'''\
"""The language that a caller reads."""

import sqlalchemy as sa
from alembic import op

revision = "{_NEXT}"
down_revision = "{_LAST}"


def upgrade() -> None:
    """Add the column."""
    op.add_column("audit", sa.Column("language", sa.Text))
''',
    },
    edits={
        "domain/audit.py": after(
            "    reason: str | None = None\n", "    language: str | None = None\n"
        ),
        "ports/audit_queries.py": after("    reason: str | None\n", "    language: str | None\n"),
        "adapters/sql/tables.py": after(
            '    Column("reason", Text),\n', '    Column("language", Text),\n'
        ),
        "entrypoints/audit_timeline.py": after('"client": "from {}"', ', "language": "in {}"'),
        "flows/pass_login.py": after(
            "            pass_code=code.masked,\n", "            language=caller.language,\n"
        ),
    },
)

VARIABLES: Final = {row[0] for row in described()}

ADDITIONS: Final = (PURPOSE, FLOW, OUTCOME, COLUMN)


def copied(folder: Path) -> Path:
    """A copy of the source in *folder*."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def run(copy: Path, folder: Path, *line: str | Path, **settings: str) -> str:
    """Run a command line in *folder*, the copy being the program; return what it prints."""
    path = os.pathsep.join((f"{copy}/src", str(ROOT)))
    done = subprocess.run(  # noqa: S603
        line,
        cwd=folder,
        env=environment(settings) | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def types(folder: Path) -> list[str]:
    """What mypy says of the copy in *folder*, a line for each error."""
    done = subprocess.run(
        (sys.executable, "-m", "mypy", "--no-error-summary", "src"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with all additions."""
    folder = copied(tmp_path_factory.mktemp("grown"))
    for addition in ADDITIONS:
        addition.apply(folder)
    return folder


class Grown(NewServer):
    """A server of a copy, and the commands beside it."""

    def __init__(self, folder: Path, copy: Path) -> None:
        self.copy = copy
        super().__init__(folder, OPS_PASSWORD=PASSWORD)

    def start(self, name: str, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start the command of that name."""
        return super().start(name, {**environ, "PYTHONPATH": f"{self.copy}/src"})

    def run(self, *arguments: str) -> str:
        """Run a command, and return what it prints."""
        return run(self.copy, self.folder, COMMAND, *arguments, MODE="development")

    def audit(self, *arguments: str) -> list[dict[str, Any]]:
        """Ask the audit."""
        listed = self.run("audit", *arguments, "--json")
        return [json.loads(line) for line in listed.splitlines()]


@pytest.fixture(scope="module")
def served(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    """A server of the copy."""
    with Grown(tmp_path_factory.mktemp("served"), grown) as server:
        yield server


def named(row: str) -> set[str]:
    """The files and folders of the package that the table names for *row*."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page.partition("\n## What adding something touches\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^\| {row} \| (.*) \|$", table, re.MULTILINE)
    return {path for path in re.findall("`([^`]+)`", found) if "/" in path}


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.row)
def test_the_table_names_what_is_touched(addition: Addition) -> None:
    """Each file that an addition touches is named, or its folder is, and nothing else."""
    paths = named(addition.row)
    for touched in addition.touched:
        assert any(touched == path or touched.startswith(path) for path in paths), touched
    for path in paths:
        assert any(touched.startswith(path) for touched in addition.touched), path


def test_how_many_files() -> None:
    """Of what is there already a purpose touches one file, a flow three, an outcome two."""
    texts = {path for path in OUTCOME.touched if path.startswith("locale/")}
    assert len(texts) == 3
    assert PURPOSE.touched == {"domain/purposes.py"}
    assert set(FLOW.edits) == {"domain/purposes.py", "flows/assembly.py", "entrypoints/app.py"}
    assert {Path(path).parent.as_posix() for path in FLOW.files} == {
        "flows",
        "entrypoints/http/phone_check",
    }
    assert OUTCOME.touched - texts == {
        "domain/passes.py",
        "entrypoints/http/pass_login/problems.py",
    }
    assert len(COLUMN.touched) == 6


def test_a_forgotten_place_is_named(tmp_path: Path) -> None:
    """With an outcome's class alone mypy names the mapping that lacks it, and nothing else."""
    folder = copied(tmp_path)
    if (ROOT / ".mypy_cache").is_dir():  # what is known already need not be found out again
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    OUTCOME.apply(folder, only="domain/passes.py")
    place = PACKAGE / "entrypoints" / "http" / "pass_login" / "problems.py"
    (line,) = (
        number
        for number, text in enumerate((folder / place).read_text("utf-8").splitlines(), 1)
        if "assert_never(outcome)" in text
    )
    says = 'Argument 1 to "assert_never" has incompatible type "PassSuspended"; expected "Never"'
    assert types(folder) == [f"{place}:{line}: error: {says}  [arg-type]"]
    shutil.rmtree(folder / "src")
    shutil.copytree(ROOT / "src", folder / "src")
    for addition in ADDITIONS:
        addition.apply(folder)
    assert types(folder) == []


def test_the_rooms_stand(grown: Path) -> None:
    """What is added needs no exception from the order of imports."""
    run(grown, grown, COMMAND.with_name("lint-imports"), "--no-logo", "--no-cache")


def test_a_purpose(grown: Path, served: Grown, tmp_path: Path) -> None:
    """Settings, policies, slots and the engine follow from its row."""
    listed = served.run("settings")
    assert set(re.findall("^HSP_OTP_\\w+", listed, re.MULTILINE)) - VARIABLES == {
        *("HSP_OTP_CHANGE_CODE_SECONDS", "HSP_OTP_CHANGE_SENDS_PER_CLIENT_HOUR"),
        *("HSP_OTP_PHONE_CHECK_CODE_SECONDS", "HSP_OTP_PHONE_CHECK_SENDS_PER_CLIENT_HOUR"),
    }
    reason = ("--reason", "called back")
    unlocked = served.run("unlock", "--pass-code", DEMO, "--purpose", "phone_change", *reason)
    assert unlocked.startswith("unlocked 1 user")
    program = """
import attrs
from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.slot_record import Presented, Request
from hsp_otp.domain.challenge import slots_about
from hsp_otp.domain.audit import Action, AuditFacts
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.names import ENGLISH, ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow, Purpose, Slot
from hsp_otp.entrypoints.settings.load import load
from tests.world import CLIENT, PHONE, World, run

purpose = Purpose.PHONE_CHANGE
settings = load()
policy = settings.policies[purpose]
assert policy.lifetime == 90_000_000, policy
assert [quota.limit for quota in policy.client_sends] == [3]
contact = Contact.of_phone(PhoneNumber(PHONE))
(slot,) = slots_about(["u1"], contact, [purpose])
assert str(slot) == "phone_change:user:u1"
assert slot in slots_about(["u1"], contact)
text = settings.texts.sms(purpose, Code("123456"), policy.lifetime, ENGLISH).text
assert text.startswith("123456 is your House Service Pass code."), text

world = World(policy=policy)
request = Request(
    slot=slot, flow=Flow.PASS_LOGIN, contact=contact, client=ClientAddress(CLIENT)
)
facts = AuditFacts(
    at=world.clock.now(), flow=Flow.PASS_LOGIN, purpose=purpose, action=Action.SEND,
    client=request.client, request_id="r1",
)
assert isinstance(run(world.otp.ask(request, facts, ENGLISH)), Issued)
presented = Presented(Code(world.outbox.codes[-1]))
other = attrs.evolve(request, slot=Slot(slot.subject, Purpose.PHONE_VERIFICATION))
assert not isinstance(run(world.otp.check(other, presented, facts)), Verified)
assert isinstance(run(world.otp.check(request, presented, facts)), Verified)
"""
    run(grown, tmp_path, sys.executable, "-c", program, CHANGE_CODE_SECONDS="90")


def test_a_flow(served: Grown) -> None:
    """It proves a number over HTTP, is described, and its rows are in the audit."""
    assert served.post("/phone/start/", {"phone": "12"}).body["done"] is False
    assert served.post("/phone/start/", {"phone": PHONE}).body == {"done": True}
    refused = served.post("/phone/start/", {"phone": PHONE})
    assert (refused.status, refused["error"]) == (429, "resend_too_soon")
    code = served.message_to(PHONE).code
    other = f"{(int(code) + 1) % 1_000_000:06d}"
    wrong = served.post("/phone/finish/", {"phone": PHONE, "otp": other})
    assert (wrong.status, wrong["error"], wrong["done"]) == (400, "invalid_otp", False)
    assert served.post("/phone/finish/", {"phone": PHONE, "otp": code}).body == {"done": True}
    again = served.post("/phone/finish/", {"phone": PHONE, "otp": code})
    assert (again.status, again["error"]) == (400, "otp_expired")
    operations = served.get("/docs/openapi.json")["paths"]
    answers = operations["/phone/finish"]["post"]["responses"]
    assert set(answers["429"]["content"]["application/problem+json"]["examples"]) == {
        "rate_limited",
        "locked_out",
    }
    rows = served.audit("list", "--phone", PHONE)
    assert [(row["flow"], row["purpose"], row["outcome"]) for row in rows] == [
        ("phone_check", "phone_check", word)
        for word in ("sent", "resend_too_soon", "invalid_otp", "verified", "otp_expired")
    ]


def test_an_outcome(served: Grown) -> None:
    """It goes over HTTP with its status and text, and stands in the document."""
    (served.folder / "passes.csv").write_text(
        "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"
        "HSP-2000-0001,suspended,Silver,,ravi@example.com,Ravi,Kumar,98123 45679\n",
        "utf-8",
    )
    served.run("passes", "import", "passes.csv")
    found = served.validate("HSP-2000-0001")
    assert (found.status, found["error"], found["valid"]) == (403, "pass_suspended", False)
    assert found["message"] == "This pass is suspended."
    assert served.send("HSP-2000-0001")["error"] == "invalid_pass"
    operations = served.get("/docs/openapi.json")["paths"]
    answers = operations["/customer/validate-pass/"]["post"]["responses"]
    assert answers["403"]["description"] == "Forbidden: pass_suspended"


def test_a_column_of_the_audit(served: Grown) -> None:
    """It is kept, listed by the commands, and told by the timeline and the operators' page."""
    sent = served.post("/customer/send-otp/", {"pass_code": DEMO}, **{"Accept-Language": "es"})
    assert sent.status == 200
    rows = served.audit("list", "--phone", NUMBER, "--outcome", "sent")
    assert [(row["outcome"], row["language"]) for row in rows] == [("sent", "es")]
    told = served.audit("timeline", "--phone", NUMBER)
    assert [row["says"].partition(", from ")[2] for row in told if row["outcome"] == "sent"] == [
        "127.0.0.1, in es"
    ]
    browser = Browser(served)
    assert browser.sign_in() == 303
    browser.ask("GET", "/ops/")
    assert ", from 127.0.0.1, in es" in browser.post("/ops/story/", contact=NUMBER)[1]

"""How many visitors reach each step of a flow, and where the others are lost: docs/funnel.md."""

from typing import Any, Final

import attrs
import pytest

from hsp_otp.domain.audit import Action, Entered, Step, StepRow, Visit
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.funnel import FIGURES, Funnel, Loss, counted, figure_of
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, Instant, after
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language, SessionId
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Quota, Refusal
from hsp_otp.domain.signup import SessionNotFound
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.signup import Proved, SignupCodeSent
from tests.audit_rows import evolved, row_of
from tests.world import CLIENT, PHONE, START, World

OTHER_PHONE: Final = "+919812345678"
SPANISH: Final = Language("es")

ROW: Final = row_of(
    at=after(START, DAY - 1),
    flow=Flow.SIGNUP,
    purpose=Purpose.SIGNUP,
    action=Action.SEND,
    outcome="sent",
    client=ClientAddress(CLIENT),
    request_id="r1",
    region="IN",
    visit=Visit(language=SPANISH, entered=Entered.NEW),
)


def step(kind: Step, word: str = "", **more: Any) -> StepRow:  # noqa: ANN401
    """A step of a visitor in India who reads Spanish."""
    facts: dict[str, Any] = {"flow": Flow.SIGNUP, "region": "IN", "language": SPANISH, **more}
    return StepRow(day=START, step=kind, word=word, **facts)


def of(world: World, flow: Flow) -> Funnel:
    """The figures of everything that was counted."""
    rows = [*world.audit.steps, *(one for row in world.audit.rows for one in counted(row))]
    return Funnel.of((row.step, row.word, row.count) for row in rows if row.flow is flow)


def figures(world: World, flow: Flow = Flow.SIGNUP) -> dict[str, int]:
    """Those that are not 0."""
    found = of(world, flow)
    told = {name: int(getattr(found, name)) for name in FIGURES}
    return {name: count for name, count in told.items() if count}


def wrong_code(world: World) -> str:
    """A code that the latest message does not hold."""
    return f"{(int(world.outbox.codes[-1]) + 1) % 1_000_000:06d}"


def signed_up(world: World, phone: str = PHONE, session: SessionId | None = None) -> SessionId:
    """The session of a code that was sent."""
    outcome = world.sign_up(phone, session)
    assert isinstance(outcome, SignupCodeSent)
    return outcome.session_id


# --- What a row counts


def test_an_ask_for_a_new_number() -> None:
    """It is a number entered and a request with its outcome, on its day, without who asked."""
    assert counted(ROW) == (step(Step.SEND, "sent"), step(Step.NUMBER_ENTERED))


@pytest.mark.parametrize(
    ("entered", "outcome", "steps"),
    [
        (Entered.CORRECTED, "sent", (Step.NUMBER_ENTERED, Step.CORRECTED)),
        (Entered.CORRECTED, "rate_limited", (Step.NUMBER_ENTERED, Step.CORRECTED)),
        (Entered.AGAIN, "sent", (Step.RESENT,)),
        (Entered.AGAIN, "resend_too_soon", ()),
        (None, "pass_not_found", (Step.NUMBER_ENTERED,)),
    ],
)
def test_other_asks(entered: Entered | None, outcome: str, steps: tuple[Step, ...]) -> None:
    """Another number is entered too, the same one is not; a resend is one that was sent."""
    row = evolved(ROW, outcome=outcome, visit=Visit(language=SPANISH, entered=entered))
    assert counted(row) == (step(Step.SEND, outcome), *map(step, steps))


def test_an_ask_with_its_work() -> None:
    """It was counted as entered when it was first made; sent again, it is a resend all the same."""
    visit = Visit(language=SPANISH, entered=Entered.NEW, retried=True)
    assert counted(evolved(ROW, visit=visit)) == (step(Step.SEND, "sent"),)
    visit = attrs.evolve(visit, entered=Entered.AGAIN)
    assert counted(evolved(ROW, visit=visit)) == (step(Step.SEND, "sent"), step(Step.RESENT))


def test_guesses() -> None:
    """A code is entered with the first guess that is judged for it."""
    row = evolved(ROW, action=Action.CHECK, outcome="invalid_otp", region=None)
    first = evolved(row, visit=Visit(language=SPANISH, first_guess=True))
    judged = step(Step.CHECK, "invalid_otp", region=None)
    assert counted(row) == (judged,)
    assert counted(first) == (judged, step(Step.CODE_ENTERED, region=None))


def test_a_look_up() -> None:
    """It counts with its outcome alone."""
    row = evolved(ROW, action=Action.LOOK_UP, outcome="valid")
    assert counted(row) == (step(Step.LOOK_UP, "valid"),)


@pytest.mark.parametrize(
    "change",
    [
        {"action": Action.WITHDRAW},
        {"action": Action.REFRESH},
        {"action": Action.OPS_SEARCH},
        {"flow": None},
        {"visit": None},
    ],
)
def test_rows_of_no_visitor(change: dict[str, Any]) -> None:
    """Neither what operators do nor what follows a sign-in is a step."""
    assert counted(evolved(ROW, **change)) == ()


# --- What the figures are


def test_the_figures() -> None:
    """Each is the sum of its step; codes sent and verified are requests with that outcome."""
    assert figure_of(Step.SEND, "sent") == "sent"
    assert figure_of(Step.CHECK, "verified") == "verified"
    assert figure_of(Step.CHECK, "sent") is None
    assert figure_of(Step.LOOK_UP, "valid") is None
    assert figure_of(Step.OPENED, "") == "opened"
    found = Funnel.of(
        [
            (Step.OPENED, "", 2),
            (Step.OPENED, "", 3),
            (Step.SEND, "sent", 4),
            (Step.CHECK, "verified", 1),
            (Step.HANDED_OVER, "", 1),
        ]
    )
    assert found == Funnel(opened=5, sent=4, verified=1, handed_over=1)
    assert Funnel.of(()) == Funnel()


def test_the_losses() -> None:
    """Each error word has its share of all requests of its kind; success is no loss."""
    found = Funnel.of(
        [
            (Step.CHECK, "verified", 4),
            (Step.CHECK, "verified_again", 1),
            (Step.CHECK, "rate_limited", 2),
            (Step.CHECK, "invalid_otp", 3),
            (Step.SEND, "rate_limited", 1),
            (Step.SEND, "sent", 3),
            (Step.LOOK_UP, "valid", 9),
            (Step.LOOK_UP, "invalid_format", 1),
        ]
    )
    assert found.losses == (
        Loss(step=Step.LOOK_UP, word="invalid_format", times=1, share=0.1),
        Loss(step=Step.SEND, word="rate_limited", times=1, share=0.25),
        Loss(step=Step.CHECK, word="invalid_otp", times=3, share=0.3),
        Loss(step=Step.CHECK, word="rate_limited", times=2, share=0.2),
    )


# --- Signup


def test_a_signup() -> None:
    """A visitor who types wrong once enters one code, and has one success."""
    world = World()
    session = signed_up(world)
    world.prove(wrong_code(world), session)
    assert isinstance(world.prove(world.outbox.codes[-1], session), Proved)
    assert figures(world) == {"number_entered": 1, "sent": 1, "code_entered": 1, "verified": 1}
    assert [(one.word, one.share) for one in of(world, Flow.SIGNUP).losses] == [
        ("invalid_otp", 0.5)
    ]


def test_again_and_another_number() -> None:
    """In one session the same number is a resend, and another one a correction."""
    world = World()
    session = signed_up(world)
    world.sign_up(PHONE, session)
    world.clock.advance(30 * SECOND)
    signed_up(world, session=session)
    world.clock.advance(30 * SECOND)
    signed_up(world, OTHER_PHONE, session)
    assert figures(world) == {"number_entered": 2, "sent": 3, "resends": 1, "corrections": 1}
    assert [one.word for one in of(world, Flow.SIGNUP).losses] == ["resend_too_soon"]


def test_a_code_is_entered_once() -> None:
    """Each code counts with its first guess; one that is not judged does not."""
    world = World()
    session = signed_up(world)
    outcomes = [type(world.prove(wrong_code(world), session)) for _ in range(4)]
    assert outcomes == [WrongCode, WrongCode, WrongCode, Exhausted]
    world.clock.advance(30 * SECOND)
    signed_up(world, session=session)
    assert figures(world)["code_entered"] == 1
    assert isinstance(world.prove(world.outbox.codes[-1], session), Proved)
    assert figures(world)["code_entered"] == 2
    assert isinstance(world.prove("123456", SessionId("s" * 22)), SessionNotFound)
    assert figures(world)["code_entered"] == 2


def test_an_ended_session_enters_its_number_anew() -> None:
    """Who comes too late starts again."""
    world = World()
    session = signed_up(world)
    world.clock.advance(31 * MINUTE)
    assert isinstance(world.sign_up(PHONE, session), SessionNotFound)
    assert figures(world) == {"number_entered": 2, "sent": 1}


def test_refusals_are_losses() -> None:
    """A number that is refused was entered, and is lost at the word of the refusal."""
    limits = Policy(lifetime=300 * SECOND, client_sends=(Quota(1, MINUTE),))
    world = World(signup_policy=limits)
    signed_up(world)
    assert isinstance(world.sign_up(OTHER_PHONE), Refusal)
    assert figures(world) == {"number_entered": 2, "sent": 1}
    (loss,) = of(world, Flow.SIGNUP).losses
    assert (loss.word, loss.times, loss.share) == ("rate_limited", 1, 0.5)


# --- Pass login


def test_a_sign_in() -> None:
    """A pass that is not known is lost; a send while a code is live is a resend."""
    world = World(policy=Policy(asks_for_work=False))
    world.add()
    world.validate("HSP-0000-0000")
    world.validate()
    assert isinstance(world.send(), Issued)
    assert isinstance(world.send(), Refusal)
    world.clock.advance(30 * SECOND)
    assert isinstance(world.send(), Issued)
    assert isinstance(world.verify(world.outbox.codes[-1], browser="b"), SignedIn)
    assert isinstance(world.verify(world.outbox.codes[-1], browser="b"), SignedIn)
    assert figures(world, Flow.PASS_LOGIN) == {
        "number_entered": 1,
        "sent": 2,
        "resends": 1,
        "code_entered": 1,
        "verified": 1,
    }
    assert [(one.step, one.word) for one in of(world, Flow.PASS_LOGIN).losses] == [
        (Step.LOOK_UP, "pass_not_found"),
        (Step.SEND, "resend_too_soon"),
    ]
    world.clock.advance(30 * SECOND)
    assert isinstance(world.send(), Issued)
    assert figures(world, Flow.PASS_LOGIN)["number_entered"] == 2


def test_a_code_that_ended_is_asked_for_anew() -> None:
    """After its life, a send is not a resend, and neither is a refused one."""
    world = World(limits=ClientLimits())
    world.add()
    world.send()
    world.clock.advance(10 * MINUTE)
    assert isinstance(world.verify("123456"), NoLiveCode)
    world.send()
    assert figures(world, Flow.PASS_LOGIN) == {"number_entered": 2, "sent": 2}


def test_a_lock_is_a_loss() -> None:
    """Who is locked out is lost at that word, and enters no code by it."""
    world = World(policy=Policy(failures=(Quota(1, DAY),)))
    world.add()
    world.send()
    assert isinstance(world.verify(wrong_code(world)), WrongCode)
    assert isinstance(world.verify(wrong_code(world)), Locked)
    assert figures(world, Flow.PASS_LOGIN)["code_entered"] == 1
    losses = of(world, Flow.PASS_LOGIN).losses
    assert {one.word: one.share for one in losses} == {"invalid_otp": 0.5, "locked_out": 0.5}


# --- What leaves no audit row


def test_visits() -> None:
    """A page, a proof that left and a malformed number count on the day of the clock."""
    world = World()
    world.clock.instant = Instant(START + DAY - 1)
    visits, contact = world.journeys.visits, Contact.stored(PHONE)
    visits.opened(Flow.SIGNUP, SPANISH)
    visits.handed_over(Flow.SIGNUP, contact, SPANISH)
    visits.malformed(Flow.SIGNUP, Step.SEND, "invalid_phone", ENGLISH)
    assert world.audit.steps == [
        step(Step.OPENED, region=None),
        step(Step.HANDED_OVER),
        step(Step.SEND, "invalid_phone", region=None, language=ENGLISH),
    ]
    assert world.audit.rows == []


def test_a_send_knows_its_language() -> None:
    """Its delivery is counted by it."""
    world = World()
    signed_up(world)
    assert [send.language for send in world.audit.sends] == [ENGLISH]

"""A request that a store does not answer for leaves its row too: `docs/contract.md`, audit."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from hsp_otp.domain.audit import Action
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.refresh_tokens import ExchangeCode
from hsp_otp.flows.signup import SignupCodeSent
from hsp_otp.ports.failures import Unavailable
from tests.world import PHONE, World, open_world, ring


@attrs.define
class Away:
    """
    Any port, until it stops answering.

    Attributes:
        answers: Calls until then.
    """

    port: Any
    failure: Exception
    answers: int = 0

    async def _call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - any port's
        if not self.answers:
            raise self.failure
        self.answers -= 1
        return await getattr(self.port, name)(*arguments)

    async def transition(self, *arguments: object) -> Any:  # noqa: ANN401
        """Of a store."""
        return await self._call("transition", *arguments)

    async def find(self, *arguments: object) -> Any:  # noqa: ANN401
        """Of passes."""
        return await self._call("find", *arguments)


@attrs.frozen(kw_only=True)
class Scene:
    """A code on its way in either flow, and somebody who is signed in."""

    world: World
    code: str
    session: SessionId
    signup_code: str
    refresh_token: str
    exchange_code: str


REQUESTS: dict[str, tuple[Action, Callable[[Scene], object]]] = {
    "validate": (Action.LOOK_UP, lambda scene: scene.world.validate()),
    "send": (Action.SEND, lambda scene: scene.world.send()),
    "verify": (Action.CHECK, lambda scene: scene.world.verify(scene.code)),
    "sign up": (Action.SEND, lambda scene: scene.world.sign_up("+919812345678")),
    "prove": (Action.CHECK, lambda scene: scene.world.prove(scene.signup_code, scene.session)),
    "refresh": (Action.REFRESH, lambda scene: scene.world.refresh(scene.refresh_token)),
    "revoke": (Action.REVOKE, lambda scene: scene.world.revoke(scene.refresh_token)),
    "exchange": (Action.EXCHANGE, lambda scene: scene.world.exchange(scene.exchange_code)),
}

FAILS = [
    ("validate", "passes", 0),
    ("validate", "usage", 0),
    ("send", "passes", 0),
    ("send", "usage", 0),
    ("send", "slots", 0),
    ("verify", "passes", 0),
    ("verify", "usage", 0),
    ("verify", "slots", 0),
    ("verify", "families", 0),
    ("sign up", "slots", 0),
    ("sign up", "signup_sessions", 0),
    ("prove", "usage", 0),
    ("prove", "signup_sessions", 0),
    ("prove", "slots", 0),
    ("prove", "signup_steps", 0),
    ("prove", "signup_sessions", 1),
    ("refresh", "families", 0),
    ("refresh", "passes", 0),
    ("refresh", "families", 1),
    ("revoke", "families", 0),
    ("exchange", "families", 0),
    ("exchange", "passes", 0),
    ("exchange", "families", 1),
]
"""A request, the port that does not answer, and after how many calls."""


@pytest.fixture
def scene() -> Scene:
    """With no row so far."""
    world = open_world()
    world.add()
    world.add("HSP-2222-2222", user="u2", phone="+919812345670")
    world.send()
    begun = world.sign_up(PHONE)
    assert isinstance(begun, SignupCodeSent)
    code, signup_code = world.outbox.codes
    refresh_token = world.sign_in("HSP-2222-2222").refresh_token
    family_id = refresh_token.split(".")[1]
    world.audit.rows.clear()
    return Scene(
        world=world,
        code=code,
        session=begun.session_id,
        signup_code=signup_code,
        refresh_token=refresh_token,
        exchange_code=ExchangeCode.mint(ring("exchange").first, family_id, bytes(32)).value,
    )


@pytest.mark.parametrize(("name", "port", "answers"), FAILS)
@pytest.mark.parametrize(
    "failure",
    [(Unavailable("away"), "unavailable"), (RuntimeError("a bug"), "internal_error")],
    ids=lambda failure: failure[1],
)
def test_a_failed_request_leaves_one_row(
    scene: Scene, name: str, port: str, answers: int, failure: tuple[Exception, str]
) -> None:
    """Whatever a port fails at, the request has one row that says so, and the failure goes on."""
    raised, word = failure
    setattr(scene.world, port, Away(getattr(scene.world, port), raised, answers))
    action, request = REQUESTS[name]
    with pytest.raises(type(raised)) as caught:
        request(scene)
    assert caught.value is raised
    (row,) = scene.world.audit.rows
    assert (row.facts.action, row.outcome) == (action, word)
    knows_the_number = name == "sign up" or port in {"slots", "families", "signup_steps"}
    if knows_the_number and row.facts.action in {Action.SEND, Action.CHECK}:
        assert row.facts.contact_fingerprint is not None


def test_a_send_whose_withdrawal_fails_leaves_one_row(scene: Scene) -> None:
    """A withdrawal that gets no answer is told once, with the number."""
    world = scene.world
    world.clock.advance(30 * SECOND)
    slots: Any = Away(world.slots, Unavailable("away"), answers=1)
    world.slots = slots
    world.outbox.failure = RuntimeError("a bug of a sender")
    with pytest.raises(Unavailable):
        world.send()
    assert [(row.outcome, row.facts.contact) for row in world.audit.rows] == [
        ("unavailable", "***-***-3210")
    ]


def test_a_success_leaves_no_row_of_a_failure(scene: Scene) -> None:
    """What went well is told once."""
    scene.world.verify(scene.code)
    assert [row.outcome for row in scene.world.audit.rows] == ["verified"]

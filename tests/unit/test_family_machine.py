"""
The whole life of a family of refresh tokens, beside a model: `docs/contract.md`, section 5.2.

The model is the tree of tokens: who is whose child, and when each was first used. The clock jumps
to the edges, each a microsecond before, at, and after it.
"""

from typing import Final

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hsp_otp.domain.instant import DAY, Duration, Instant
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.refresh_tokens import InvalidToken, PassLapsed, TokenReused
from hsp_otp.flows.sessions import Grant, Me
from tests.strategies import MACHINE_ROUNDS, nudges
from tests.world import World, ring

LOST: Final = 30_000_000
LIFE: Final = 2_592_000_000_000
ACCESS: Final = 900_000_000
SKEW: Final = 5_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 120 * MACHINE_ROUNDS)]


@attrs.define
class Model:
    """What the contract says, as a tree of tokens."""

    expires_at: int
    parent_of: dict[str, str | None]
    children: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    used_at: dict[str, int] = attrs.field(factory=dict[str, int])
    ended: bool = False

    def alive(self, now: int) -> bool:
        """Whether the family grants anything."""
        return not self.ended and now < self.expires_at

    def present(self, now: int, token: str, *, usable: bool) -> str:
        """The word of presenting *token*, and what it does to the family."""
        if not self.alive(now):
            return "invalid_token"
        parent = self.parent_of[token]
        if parent is not None and self.children[parent][-1] != token:
            if now <= self.used_at[parent] + LOST:
                return "invalid_token"
            self.ended = True
            return "token_reused"
        if token in self.used_at:
            child_used = self.children[token][-1] in self.used_at
            if child_used or now > self.used_at[token] + LOST:
                self.ended = True
                return "token_reused"
        self.ended = not usable
        return "refreshed" if usable else "invalid_token"

    def grant(self, now: int, token: str, child: str) -> None:
        """Note that *token* was exchanged for *child*."""
        self.used_at.setdefault(token, now)
        self.children.setdefault(token, []).append(child)
        self.parent_of[child] = token


class FamilyMachine(RuleBasedStateMachine):
    """Refreshes, sign-outs, rotations and jumps, the flows and the model side by side."""

    @initialize()
    def begin(self) -> None:
        """A customer with a pass, who signs in."""
        self.world = World()
        self.latest = self.world.clock.now()
        self.keys = ["k1"]
        self.rotations = 0
        self.sign_in()

    @precondition(lambda self: not self.model.alive(self.world.clock.now()))
    @rule()
    def sign_in_again(self) -> None:
        """A family has ended: another day, another family."""
        self.world.clock.advance(DAY)
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in by a pass that is usable."""
        self.change_the_pass("nothing")
        grant = self.world.sign_in()
        now = self.world.clock.now()
        self.model = Model(expires_at=now + LIFE, parent_of={grant.refresh_token: None})
        self.tokens = [grant.refresh_token]
        self.access = [(grant.access_token, now)]
        self.rows = len(self.world.audit.rows)

    def told(self, word: str) -> None:
        """Every request leaves one row, with its outcome."""
        self.rows += 1
        assert len(self.world.audit.rows) == self.rows
        assert self.world.audit.rows[-1].outcome == word

    def readable(self, token: str) -> bool:
        """Whether the key that sealed *token* is still there."""
        return token.split(".", maxsplit=1)[0] in self.keys

    def present(self, token: str) -> None:
        """Present *token*, and compare the answers."""
        now = self.world.clock.now()
        word = "invalid_token"
        if self.readable(token):
            word = self.model.present(now, token, usable=self.usable)
        outcome = self.world.refresh(token)
        if word == "refreshed":
            assert isinstance(outcome, Grant)
            assert outcome.expires_in == ACCESS
            assert outcome.refresh_token not in self.tokens
            assert outcome.refresh_token.split(".")[0] == self.keys[0]
            self.model.grant(now, token, outcome.refresh_token)
            self.tokens.append(outcome.refresh_token)
            self.access.append((outcome.access_token, now))
        elif word == "token_reused":
            assert outcome == TokenReused()
        else:
            assert isinstance(outcome, InvalidToken | PassLapsed)
        self.told(word)

    @rule(times=st.integers(1, 3))
    def refresh_the_newest(self, times: int) -> None:
        """Exchange the latest token, and the one that comes of it."""
        for _ in range(times):
            self.present(self.tokens[-1])

    @rule(times=st.integers(1, 3))
    def lose_the_answer(self, times: int) -> None:
        """Exchange what the latest token came from, once more."""
        for _ in range(times):
            self.present(self.model.parent_of[self.tokens[-1]] or self.tokens[-1])

    @rule(losses=st.integers(1, 3), used=st.booleans(), nudge=nudges(), data=st.data())
    def lose_answers_to_the_edge(
        self, losses: int, nudge: Duration, data: st.DataObject, *, used: bool
    ) -> None:
        """Lose some answers within the window, and present what is left of it at its end."""
        parent = self.tokens[-1]
        for _ in range(losses):
            self.present(parent)
            self.world.clock.advance(data.draw(st.sampled_from((0, 1, LOST // 4))))
        if used:
            self.present(self.tokens[-1])
        if parent in self.model.used_at:
            self.world.clock.instant = Instant(self.model.used_at[parent] + LOST + nudge)
        self.present(data.draw(st.sampled_from(self.tokens[-losses - 2 :])))

    @precondition(lambda self: len(self.tokens) > 2)
    @rule(data=st.data())
    def present_any(self, data: st.DataObject) -> None:
        """Present any token there has been."""
        self.present(data.draw(st.sampled_from(self.tokens[-6:])))

    @rule(end=st.sampled_from(("", "x", ".x", "=")), front=st.sampled_from(("", "k1.", "x")))
    def forge(self, end: str, front: str) -> None:
        """Present, and revoke, what was not made here: nothing changes."""
        forged = f"{front}{self.tokens[0]}{end}" if front or end else self.tokens[0][:-1]
        assert self.world.refresh(forged) == InvalidToken()
        self.told("invalid_token")
        self.world.revoke(forged)
        self.told("invalid_token")

    @rule(data=st.data(), really=st.sampled_from((True, False, False, False)))
    def sign_out(self, data: st.DataObject, *, really: bool) -> None:
        """Revoke by any token there has been; more seldom while the family lives."""
        now = self.world.clock.now()
        if self.model.alive(now) and not really:
            return
        token = data.draw(st.sampled_from(self.tokens))
        ends = self.readable(token) and self.model.alive(now)
        self.world.revoke(token)
        self.model.ended = self.model.ended or ends
        self.told("revoked" if ends else "invalid_token")

    @rule(what=st.sampled_from(("refunded", "no number", "another user", "nothing")))
    def change_the_pass(self, what: str) -> None:
        """The pass is refunded, or loses its number or its user; or it is as it was."""
        self.usable, self.holder = what == "nothing", "u1"
        match what:
            case "refunded":
                self.world.add(payment=PaymentStatus.REFUNDED)
            case "no number":
                self.world.add(phone=None)
            case "another user":
                self.holder = "u2"
                self.world.add(user="u2")
            case _:
                self.world.add()

    @precondition(lambda self: not self.usable)
    @rule()
    def restore_the_pass(self) -> None:
        """The pass is as it was."""
        self.change_the_pass("nothing")

    @rule(drop=st.sampled_from((False, False, False, True)))
    def rotate(self, *, drop: bool) -> None:
        """A new key seals; the old ones verify, unless they are dropped."""
        self.rotations += 1
        self.keys = [f"r{self.rotations}", *([] if drop else self.keys)]
        self.world.refresh_keys = ring("refresh", *self.keys)

    @rule(data=st.data(), nudge=nudges())
    def jump(self, data: st.DataObject, nudge: Duration) -> None:
        """Go to the end of a window, of an access token or, last of all, of the family."""
        now = self.world.clock.now()
        near = {used + LOST for used in self.model.used_at.values()}
        far = {self.access[-1][1] + ACCESS}
        if len(self.tokens) > 6:
            far.add(self.model.expires_at)
        ahead = [edge for edge in sorted(near) + sorted(far) if edge + nudge > now]
        if ahead:
            self.world.clock.instant = Instant(data.draw(st.sampled_from(ahead)) + nudge)

    @rule(skew=st.integers(0, 5_000_000))
    def another_machine(self, skew: int) -> None:
        """The next request meets a machine whose clock is behind, by five seconds at most."""
        self.latest = max(self.latest, self.world.clock.now())
        self.world.clock.instant = Instant(max(self.world.clock.now() - skew, self.latest - SKEW))

    @invariant()
    def who_is_signed_in(self) -> None:
        """An access token shows its holder while it and its family live."""
        now = self.world.clock.now()
        for access, issued_at in self.access[-3:]:
            shown = isinstance(self.world.me(access), Me)
            alive = self.model.alive(now) and now < issued_at + ACCESS
            assert shown == (alive and self.holder == "u1")

    @invariant()
    def what_is_stored(self) -> None:
        """The store knows the live token by its key and a digest, and nothing of it in clear."""
        family = self.world.family(self.tokens[0].split(".")[1])
        assert family is not None
        assert family.key_id == self.tokens[-1].split(".")[0]
        assert family.expires_at == self.model.expires_at
        assert self.tokens[-1].split(".")[3] not in repr(attrs.astuple(family))

    def teardown(self) -> None:
        """No row holds a token."""
        rows = repr([attrs.astuple(row) for row in self.world.audit.rows])
        for token in (*self.tokens, *(access for access, _ in self.access)):
            assert token not in rows
            assert token.split(".")[-1] not in rows


TestFamily = FamilyMachine.TestCase
TestFamily.settings = settings(max_examples=120 * MACHINE_ROUNDS, stateful_step_count=40)

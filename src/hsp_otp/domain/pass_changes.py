"""Changes of passes and their holders, as the house lists them."""

import enum
from typing import ClassVar

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.passes import Pass, User


class Change(enum.Enum):
    """What a request has made of a pass or a user."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ENDED = "ended"


@attrs.frozen(kw_only=True)
class HeldPass:
    """
    What is stored about a pass, and about the users who may hold it from now on.

    Attributes:
        stored: The pass with its holder; None if there is none.
        by_id: The user who is known as the listed id.
        by_email: The user with the listed e-mail address.
    """

    stored: Pass | None
    by_id: User | None = None
    by_email: User | None = None


@attrs.frozen(kw_only=True)
class PassPut:
    """
    The pass and its holder are stored as listed.

    Attributes:
        of_pass: The change of the pass alone.
        of_user: The change of its holder.
    """

    of_pass: Change
    of_user: Change

    @property
    def change(self) -> Change:
        """The change of both together."""
        if self.of_pass is Change.UNCHANGED and self.of_user is not Change.UNCHANGED:
            return Change.CHANGED
        return self.of_pass


@attrs.frozen
class UserIdTaken:
    """The listed id belongs to another user, or the e-mail address to one with another id."""

    word: ClassVar[str] = "user_id_taken"


PutOutcome = PassPut | UserIdTaken


def put(held: HeldPass, listed: ListedPass, new_id: str) -> Decision[HeldPass, PutOutcome]:
    """
    Store a pass and its holder as *listed*.

    A user is found by the house's id, then by the e-mail address. An id that is not listed stays.

    Args:
        new_id: The id of a user who is not known yet.
    """
    before = held.by_id or held.by_email
    if _contradicts(held, listed.user):
        return Decision(UserIdTaken(), held)
    user = User(
        id=new_id if before is None else before.id,
        house_id=listed.user.house_id or (None if before is None else before.house_id),
        email=listed.user.email,
        first_name=listed.user.first_name,
        last_name=listed.user.last_name,
        phone=listed.user.phone,
    )
    becomes = Pass(
        code=listed.code,
        user=user,
        payment_status=listed.payment_status,
        plan_name=listed.plan_name,
        expires_at=listed.expires_at,
    )
    outcome = PassPut(
        of_pass=_change_of_pass(held.stored, becomes), of_user=_change_of_user(before, user)
    )
    if outcome.change is Change.UNCHANGED:
        return Decision(outcome, held)
    return Decision(outcome, attrs.evolve(held, stored=becomes))


def end(held: HeldPass) -> Decision[HeldPass, Change]:
    """End a pass; its holder stays."""
    if held.stored is None:
        return Decision(Change.UNCHANGED, held)
    return Decision(Change.ENDED, attrs.evolve(held, stored=None))


def _contradicts(held: HeldPass, listed: ListedUser) -> bool:
    if listed.house_id is None:
        return False
    if held.by_id is None:
        return held.by_email is not None and held.by_email.house_id is not None
    is_known_otherwise = held.by_id.known_as != listed.house_id
    return is_known_otherwise or (held.by_email is not None and held.by_email.id != held.by_id.id)


def _change_of_pass(before: Pass | None, after: Pass) -> Change:
    if before is None:
        return Change.ADDED
    is_same = before.user.id == after.user.id and attrs.evolve(before, user=after.user) == after
    return Change.UNCHANGED if is_same else Change.CHANGED


def _change_of_user(before: User | None, after: User) -> Change:
    if before is None:
        return Change.ADDED
    return Change.UNCHANGED if before == after else Change.CHANGED

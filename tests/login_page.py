"""What tests of the page of pass login share."""

from tests.visitor import LOGIN, Page, Visitor
from tests.world import PASS_CODE, World

HIDDEN = "***-***-3210"
SENT = f"We sent a code to {HIDDEN}."
OTHER_END = "The last code can no longer be used."
TOO_SOON = "A code is on its way. Please wait a moment before you ask for another."


def asked(visitor: Visitor, pass_code: str = PASS_CODE) -> Page:
    """The page after a pass code was entered; a code is sent at once."""
    return visitor.submit(visitor.get(LOGIN), "find", pass_code=pass_code)


def code(world: World) -> str:
    """The latest code."""
    return world.outbox.codes[-1]


def told(page: Page, field: str) -> str:
    """What stands at a field."""
    return page.texts.get(f"{field}-error", "")


def signed_in(visitor: Visitor) -> Page:
    """The page of somebody who is in."""
    return visitor.submit(asked(visitor), "verify", otp=code(visitor.client.world))

"""What a provider declares for the table of senders, including its settings."""

import enum
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Receipts
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import Sender

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen(kw_only=True)
class Means:
    """
    What a provider works with.

    Attributes:
        callback: Where it is to report what becomes of messages; None where nobody is to.
    """

    clock: Clock
    randomness: Randomness
    callback: str | None


def no_receipts(_: Any, __: Means) -> None:  # noqa: ANN401 - of any account
    """A provider that reports nothing."""


@attrs.frozen
class Probed:
    """
    What a provider says of an account when nothing is sent.

    Attributes:
        wrong: In one line, with what to do; None where nothing is wrong.
        told: What could be found out, where nothing is wrong.
    """

    wrong: str | None = None
    told: str = ""


async def nothing_to_probe(_: Any, __: Means) -> Probed:  # noqa: ANN401 - of any account
    """A provider that cannot be asked anything without sending."""
    return Probed(told="there is nothing to check without sending")


def complete(_: Any, __: str | None) -> None:  # noqa: ANN401 - of any account
    """Settings that need nothing but what is required of each."""


@attrs.frozen(kw_only=True)
class Provider(Generic[A]):
    """
    A line of the table of senders.

    Attributes:
        channel: The way that its messages take.
        name: In `HSP_OTP_SENDERS`, in the address of its callbacks, and in the audit.
        account: Its settings, an attrs class whose fields `setting` makes. The variable of a
            field is named after the provider and the field.
        open: A sender, for as long as the block lasts.
        receipts: What reads the provider's reports; None where these settings do not let them
            be verified. Called only where there is an address for them.
        check: Raises a `ValueError` of one line that begins with the variable, where settings
            do not go together, or with the address of the callbacks.
        probe: Asks the provider about the account, and sends nothing. What goes wrong is told in
            what it returns, without anything that is secret.
        development_only: Production refuses it.
    """

    channel: Channel = Channel.SMS
    name: str
    account: type[A]
    open: Callable[[A, Means], AbstractAsyncContextManager[Sender]]
    receipts: Callable[[A, Means], Receipts | None] = no_receipts
    check: Callable[[A, str | None], None] = complete
    probe: Callable[[A, Means], Awaitable[Probed]] = nothing_to_probe
    development_only: bool = False


class ReasonError(ValueError):
    """Says why a value is refused, and repeats nothing of it: it is shown of secrets too."""


class Shape(enum.Enum):
    """What a setting is in a TOML file."""

    ONE = "a text or a whole number"
    FLAG = "true or false"
    LIST = "a list, or a text with commas"


def setting(
    read: Callable[[str], T],
    default: U,
    meaning: str,
    *,
    takes: str,
    shown_default: str | None = None,
    secret: bool = False,
    required: bool = False,
    shape: Shape = Shape.ONE,
) -> T | U:
    """
    One setting.

    Args:
        read: From text to the value. Of a secret the reason is shown where it is a `ReasonError`.
        meaning: What it does, with its unit.
        takes: What may be given.
        shown_default: What to call the default where its own text would not do.
        secret: What was given is never shown.
        required: A provider does not send without it.
        shape: What it is in a file.
    """
    shown = str(default) if shown_default is None else shown_default
    metadata = {
        "read": read,
        "meaning": meaning,
        "takes": takes,
        "default": shown.lower() if isinstance(default, bool) else shown,
        "secret": secret,
        "required": required,
        "shape": shape,
    }
    field: T | U = attrs.field(default=default, metadata=metadata, repr=not secret)
    return field


def text(given: str) -> str:
    """A line of text."""
    if not given.isprintable():
        raise ReasonError("it has a character that cannot be printed")
    return given


def url(given: str) -> str:
    """An address without a slash at its end."""
    # Neither who signs in nor anything that a client would read in another way.
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", given):
        raise ValueError
    parts = urlsplit(given)
    if not parts.hostname or parts.port == 0:  # the port of some texts raises, too
        raise ValueError
    return given.rstrip("/")


URL_TAKES: Final = "http:// or https:// and a host, and perhaps a port and a path"

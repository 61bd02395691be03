"""The declaration of a provider for the table of senders, including its settings."""

import enum
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.ports.calls import CallControl, CallTexts
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Receipts
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import Sender

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen(kw_only=True)
class CallMeans:
    """
    The resources of a sender of calls.

    Attributes:
        ends: The URL for reports of how calls go on and end.
        keys: The URL for reports of pressed keys, without the id of the send.
        texts: What calls say.
    """

    ends: str
    keys: str
    texts: CallTexts

    def keys_of(self, send_id: str) -> str:
        """The URL for reports of a key pressed in the call for that send."""
        return f"{self.keys}{send_id}/"


@attrs.frozen(kw_only=True)
class Means:
    """
    A sender's resources.

    Attributes:
        callback: The URL for delivery reports, if any are wanted.
        calls: The resources of calls, if there are URLs for their reports.
        place: Which of its provider's senders it is, from 0.
        name: Of the sender: that of its provider, and a number from the second on.
    """

    clock: Clock
    randomness: Randomness
    callback: str | None
    calls: CallMeans | None = None
    place: int = 0
    name: str = ""


def no_public_url(provider: str) -> ValueError:
    """The error that *provider*, which makes calls, has no URL for its reports."""
    return ValueError(f"HSP_OTP_PUBLIC_URL: missing; {provider} reports pressed keys there")


def no_calls(_: Any, __: Means) -> None:  # noqa: ANN401 - any account
    """For a provider that makes no calls."""


def no_receipts(_: Any, __: Means) -> None:  # noqa: ANN401 - any account
    """For a provider that reports nothing."""


@attrs.frozen
class Probed:
    """
    The result of checking an account without sending.

    Attributes:
        wrong: The problem and its remedy, in one line; None if there is no problem.
        told: The findings, if there is no problem.
    """

    wrong: str | None = None
    told: str = ""


async def nothing_to_probe(_: Any, __: Means) -> Probed:  # noqa: ANN401 - any account
    """For a provider that can only be checked by sending."""
    return Probed(told="it can only be checked by sending a message")


def one(_: Any) -> int:  # noqa: ANN401 - any account
    """For a provider whose settings describe one sender."""
    return 1


def complete(_: Any, __: str | None) -> None:  # noqa: ANN401 - any account
    """For settings that need no check beyond the required ones."""


@attrs.frozen(kw_only=True)
class Provider(Generic[A]):
    """
    A row of the table of senders.

    Attributes:
        channel: The channel of its messages.
        name: Used in `HSP_OTP_SENDERS`, in the URL of its callbacks, and in the audit.
        account: Its settings, an attrs class with fields made by `setting`. The variable of a field
            is named after the provider and the field, unless the setting names another.
        open: Opens a sender for the duration of the block.
        receipts: Makes the reader of the provider's reports; None if these settings do not allow
            their verification. Called only if there is a callback URL.
        most_report_bytes: The size up to which a report is read.
        handshake: Answers a request by which the provider confirms the callback URL, from its
            query; None refuses it. Called only if there is a reader of reports.
        calls: Makes what controls its calls; None if there is no URL for it.
        check: Raises a `ValueError` if settings conflict with each other or with the callback URL.
            The message is one line and begins with the variable.
        probe: Checks the account at the provider without sending anything. Problems are in its
            result, which contains no secrets.
        count: How many senders these settings describe, which are tried in turn.
        development_only: Refused in production.
    """

    channel: Channel = Channel.SMS
    name: str
    account: type[A]
    open: Callable[[A, Means], AbstractAsyncContextManager[Sender[Any]]]
    receipts: Callable[[A, Means], Receipts | None] = no_receipts
    most_report_bytes: int = 16 * 1024
    handshake: Callable[[A, Mapping[str, str]], str | None] | None = None
    calls: Callable[[A, Means], CallControl | None] = no_calls
    check: Callable[[A, str | None], None] = complete
    probe: Callable[[A, Means], Awaitable[Probed]] = nothing_to_probe
    count: Callable[[A], int] = one
    development_only: bool = False


class ReasonError(ValueError):
    """The reason why a value is refused. It is shown even for secrets, so it omits the value."""


class Shape(enum.Enum):
    """The form of a setting in a TOML file."""

    ONE = "a text or a whole number"
    FLAG = "true or false"
    LIST = "a list, or a text with commas"
    AMOUNTS = "a number, a text with commas, or a list of both"


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
    variable: str = "",
) -> T | U:
    """
    Declare one setting.

    Args:
        read: Converts text to the value. For a secret, the reason for a refusal is shown only if it
            is a `ReasonError`.
        meaning: What the setting does, with its unit.
        takes: The permitted values.
        shown_default: The default as shown, if neither its own text nor, for an empty one, "none"
            is suitable.
        secret: The value is never shown.
        required: The provider cannot send without it.
        shape: Its form in a file.
        variable: Its variable without the prefix, if providers share it or the provider's name does
            not suit it.
    """
    shown = shown_default or ("none" if default in ("", b"") else str(default))
    metadata = {
        "read": read,
        "meaning": meaning,
        "takes": takes,
        "default": shown.lower() if isinstance(default, bool) else shown,
        "secret": secret,
        "required": required,
        "shape": shape,
        "variable": variable,
    }
    field: T | U = attrs.field(default=default, metadata=metadata, repr=not secret)
    return field


def text(given: str) -> str:
    """One line of printable text."""
    if not given.isprintable():
        raise ReasonError("it has an unprintable character")
    return given


def url(given: str) -> str:
    """A URL without a trailing slash."""
    # No user name or password, and nothing that clients could read differently.
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", given):
        raise ValueError
    parts = urlsplit(given)
    if not parts.hostname or parts.port == 0:  # reading some ports raises too
        raise ValueError
    return given.rstrip("/")


URL_TAKES: Final = "http:// or https:// and a host, optionally with a port and a path"

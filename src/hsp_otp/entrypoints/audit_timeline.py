"""Describes audit rows in plain words."""

from collections.abc import Mapping
from typing import Final

from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge import Issued, Locked
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.ports.audit_queries import Entry

_DID: Final[Mapping[str, str]] = {
    Action.LOOK_UP.value: "looked up the pass",
    Action.SEND.value: "asked for a code",
    Action.CHECK.value: "presented a code",
    Action.WITHDRAW.value: "the code was withdrawn",
    Action.REFRESH.value: "wanted to stay signed in",
    Action.REVOKE.value: "signed out",
    Action.UNLOCK.value: "an operator unlocked it",
    Action.ERASE.value: "an operator erased it",
    Action.OPS_SIGN_IN.value: "somebody wanted to sign in as an operator",
    Action.OPS_SEARCH.value: "an operator looked at its story",
}

_CAME_TO: Final[Mapping[str, str]] = {
    "valid": "it is good",
    "sent": "sent",
    "verified": "it was right",
    "verified_again": "it had been right a moment before, in the same browser",
    "invalid_otp": "a wrong guess",
    "otp_expired": "no code was live",
    "too_many_attempts": "all guesses of that code were used up",
    "phone_rate_limited": "refused, too many to this number",
    "rate_limited": "refused, too many from this address",
    "resend_too_soon": "refused, too soon after the last one",
    "lookup_rate_limited": "refused, too many look-ups",
    "locked_out": "refused, locked by wrong guesses",
    "withdrawn": "",
    "sms_failed": "no sender took the message",
    "internal_error": "it failed on our side",
    "session_not_found": "the signup had ended",
    "already_verified": "the number was proved already",
    "refreshed": "new tokens",
    "invalid_token": "the token was of no use",
    "token_reused": "a used token came back, and the sign-in was ended",
    "revoked": "the sign-in was ended",
    "unlocked": "",
    "erased": "",
    "searched": "",
    "signed_in": "it was right",
    "wrong_password": "a wrong password",
}

_ENDS: Final[Mapping[str, str]] = {
    DeliveryState.QUEUED.value: "nothing heard of it since",
    DeliveryState.SENT.value: "on its way",
    DeliveryState.DELIVERED.value: "delivered",
    DeliveryState.UNDELIVERED.value: "not delivered",
    DeliveryState.FAILED.value: "failed at the provider",
}

_MORE: Final[Mapping[str, str]] = {"reason": "because: {}", "client": "from {}"}
"""What columns say at the end of a sentence."""


def in_words(entry: Entry) -> str:
    """What one row tells, as a sentence without its beginning and its end."""
    did = _DID.get(entry.action, entry.action)
    if entry.action == Action.LOOK_UP.value and entry.pass_code:
        did = f"{did} {entry.pass_code}"
    elif entry.flow == Flow.SIGNUP.value:
        did = f"{did} in signup"
    came_to = _CAME_TO.get(entry.outcome, entry.outcome.replace("_", " "))
    parts = [f"{did}: {came_to}" if came_to else did]
    if entry.outcome == Issued.word:
        parts += _delivery(entry)
    if entry.retry_at is not None:
        parts.append(f"until {in_short(entry.retry_at)}")
    elif entry.outcome == Locked.word:
        parts.append("until an operator unlocks it")
    if entry.count > 1:
        parts.append(f"{entry.count} times within a minute")
    for name, words in _MORE.items():
        value = getattr(entry, name)
        if value:
            parts.append(words.format(value))
    return ", ".join(parts)


def _delivery(entry: Entry) -> list[str]:
    through = [f"through {entry.sender}"] if entry.sender else []
    if entry.provider_message_id is None:
        return through
    if entry.state is None:
        return [*through, "what became of it is not kept any more"]
    told = _ENDS.get(entry.state, entry.state)
    when = "" if entry.state_at is None else f" {in_short(entry.state_at)}"
    return [*through, told + when]

"""Describes audit rows in plain English."""

from collections.abc import Mapping
from typing import Final

from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Issued, Locked
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.guard import CAPS, Group, Reason, read_reasons
from hsp_otp.domain.instant import DAY, HOUR
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.prices import in_dollars
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.ports.audit_queries import Entry

_DID: Final[Mapping[str, str]] = {
    Action.LOOK_UP.value: "looked up the pass",
    Action.SEND.value: "asked for a code",
    Action.FALL_BACK.value: "the message did not arrive, so the code was sent again",
    Action.CHECK.value: "presented a code",
    Action.CANCEL.value: "canceled the verification",
    Action.READ.value: "asked about the verification",
    Action.WITHDRAW.value: "the code was withdrawn",
    Action.REFRESH.value: "asked for new tokens",
    Action.REVOKE.value: "signed out",
    Action.EXCHANGE.value: "presented the code of a sign-in for tokens",
    Action.AUTHENTICATE.value: "presented an API key",
    Action.PUT_PASS.value: "the house's backend stored the pass",
    Action.END_PASS.value: "the house's backend ended the pass",
    Action.UNLOCK.value: "an operator unlocked it",
    Action.ERASE.value: "an operator erased it",
    Action.TEST_CONTACT.value: "a test contact",
    Action.OPS_SIGN_IN.value: "somebody tried to sign in as an operator",
    Action.OPS_SEARCH.value: "an operator viewed its history",
}

_CAME_TO: Final[Mapping[str, str]] = {
    "valid": "it is usable",
    "sent": "sent",
    "not_sent": "nothing was sent, since it is a test contact",
    "send": "used to start a verification",
    "check": "used to present a code",
    "removed": "it is an ordinary contact again",
    "verified": "it was right",
    "test_verified": "it was right, for a test contact",
    "verified_again": "it was accepted a moment earlier in the same browser",
    "invalid_otp": "it was wrong",
    "otp_expired": "there was no live code",
    "too_many_attempts": "all guesses for that code were used up",
    "phone_rate_limited": "refused, too many codes sent to this number",
    "email_rate_limited": "refused, too many codes sent to this mailbox",
    "rate_limited": "refused, too many requests from this address",
    "resend_too_soon": "refused, too soon after the last one",
    "lookup_rate_limited": "refused, too many look-ups",
    "app_rate_limited": "refused, too many codes sent for this app",
    "named_limit": "refused by a limit that the app has named",
    "range_rate_limited": "refused, too many unverified codes sent to numbers like this one",
    "region_rate_limited": "refused, too much spent on codes to its country",
    "spend_limited": "refused, too much spent on codes",
    "replayed": "a repeated request, which sent nothing",
    "idempotency_in_progress": "the same request was still under way",
    "idempotency_mismatch": "its key belongs to another request",
    "delivery_failed": "no sender accepted the message",
    "verification_not_found": "there is no such verification",
    "canceled": "",
    "found": "",
    "withdrawn": "",
    "locked_out": "refused, locked after wrong guesses",
    "sms_failed": "no sender accepted the message",
    "internal_error": "internal error",
    "session_not_found": "the signup session had ended",
    "already_verified": "the number was already verified",
    "refreshed": "granted",
    "invalid_token": "the token was invalid",
    "token_reused": "a used token was presented again, so the sign-in was ended",
    "revoked": "the sign-in was ended",
    "exchanged": "tokens were granted",
    "invalid_code": "it was invalid",
    "code_reused": "it had been used before, so the sign-in was ended",
    "unauthorized": "it was missing or not valid",
    "forbidden": "it does not have the scope",
    "added": "it is new",
    "changed": "it has changed",
    "ended": "",
    "work_required": "refused until its work is done",
    "malformed_request": "refused, what came as work was malformed",
    "unlocked": "",
    "devices_forgotten": "no device is known any more",
    "let_in": "",
    "erased": "",
    "searched": "",
    "signed_in": "succeeded",
    "wrong_password": "wrong password",
}

_ENDS: Final[Mapping[str, str]] = {
    DeliveryState.QUEUED.value: "no report since",
    DeliveryState.SENT.value: "on its way",
    DeliveryState.DELIVERED.value: "delivered",
    DeliveryState.UNDELIVERED.value: "not delivered",
    DeliveryState.FAILED.value: "failed at the provider",
    DeliveryState.BLOCKED.value: "blocked, by the person or as fraud",
}

_ON: Final[Mapping[str, str]] = {
    Lane.KNOWN.value: "on a known device",
    Lane.OTHERS.value: "on a device that is not known",
}

_BY: Final[Mapping[str, str]] = {
    Channel.VOICE.value: "by a call",
    Channel.WHATSAPP.value: "by WhatsApp",
    Channel.EMAIL.value: "by e-mail",
}
"""The channel of a code that was asked for, if it is not a text message."""

_OF_PASSES: Final = {Action.LOOK_UP.value, Action.PUT_PASS.value, Action.END_PASS.value}
"""Actions whose sentence ends with the pass."""

_JUDGED: Final[Mapping[str, str]] = {
    "free": "judged free",
    "work": "judged to need work of level {}",
    "stretch": "let through for the hardest work",
    "refused": "judged too much",
}
"""The verdicts of the guard."""

_WHOSE: Final[Mapping[Group, str]] = {
    Group.ADDRESS: "for this address",
    Group.NETWORK: "for this network",
    Group.RANGE: "to this range of numbers",
    Group.BLOCK: "to this block of numbers",
    Group.REGION: "to its country",
    Group.STRETCH: "what is lent to its country",
    Group.REGION_CAP: "codes to its country",
    Group.CAP: "all codes",
}

_MORE: Final[Mapping[str, str]] = {
    "reason": "because: {}",
    "app": "for the app {}",
    "api_key_id": "with API key {}",
    "client": "from {}",
}
"""What columns say at the end of a sentence."""

_SENDS: Final = {Action.SEND.value, Action.FALL_BACK.value}


def in_words(entry: Entry) -> str:
    """Describe one row, in lower case and without a full stop."""
    did = _did(entry)
    came_to = _CAME_TO.get(entry.outcome, entry.outcome.replace("_", " "))
    parts = [f"{did}: {came_to}" if came_to else did]
    if entry.outcome == Issued.word:
        parts += _delivery(entry)
    if entry.verdict is not None and entry.reasons:
        parts.append(_verdict(entry.verdict, read_reasons(entry.reasons)[0]))
    if entry.retry_at is not None:
        parts.append(f"until {in_short(entry.retry_at)}")
    elif entry.outcome == Locked.word:
        parts.append("until an operator unlocks it")
    if entry.count > 1:
        parts.append(f"{entry.count} times within a minute")
    for name, words in _MORE.items():
        value = getattr(entry, name)
        is_said = name == "client" and entry.action == Action.LET.value
        if value and not is_said:
            parts.append(words.format(value))
    return ", ".join(parts)


def why_in_words(reason: Reason) -> str:
    """Describe how full a group is, in lower case and without a full stop."""
    hours = reason.window // HOUR
    window = f"{hours} hours" if reason.window <= DAY else f"{hours // 24} days"
    window = "an hour" if hours == 1 else window
    whose = _WHOSE[reason.group]
    if reason.group in CAPS or reason.group is Group.STRETCH:
        return (
            f"{whose} would cost ${in_dollars(reason.owed)} in {window}, and may cost "
            f"${in_dollars(reason.allowed)}"
        )
    if reason.group is Group.REGION:
        owed, allowed = f"${in_dollars(reason.owed)}", f"${in_dollars(reason.allowed)}"
    else:
        owed, allowed = str(reason.owed), str(reason.allowed)
    return (
        f"of the codes sent {whose} in {window}, this one included, {owed} are not entered, and "
        f"{allowed} may be"
    )


def _verdict(verdict: str, reason: Reason) -> str:
    word, _, level = verdict.partition(":")
    told = _JUDGED[word].format(level)
    return f"{told}: {why_in_words(reason)}"


def _did(entry: Entry) -> str:
    if entry.action == Action.LET.value:
        return f"an operator let {entry.client} in"
    did = _DID.get(entry.action, entry.action)
    if entry.operator:
        return did.replace("an operator", f"operator {entry.operator}")
    if entry.action in _OF_PASSES and entry.pass_code:
        return f"{did} {entry.pass_code}"
    if entry.flow == Flow.SIGNUP.value:
        did = f"{did} in signup"
    by = _BY.get(entry.channel or "")
    if by and entry.action in _SENDS:
        did = f"{did} {by}"
    where = _ON.get(entry.lane or "")
    return f"{did} {where}" if where and entry.action != Action.WITHDRAW.value else did


def _delivery(entry: Entry) -> list[str]:
    through = [f"through {entry.sender}"] if entry.sender else []
    if entry.provider_message_id is None:
        return through
    if entry.state is None:
        return [*through, "its delivery state is no longer kept"]
    told = _ENDS.get(entry.state, entry.state)
    when = "" if entry.state_at is None else f" {in_short(entry.state_at)}"
    return [*through, told + when]

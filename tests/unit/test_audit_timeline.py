"""Rows in plain words, and spans of time: docs/investigating.md."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after, from_iso
from hsp_otp.entrypoints.audit_timeline import in_words
from hsp_otp.entrypoints.time_range import in_short, read_span
from hsp_otp.ports.audit_queries import Entry, Span

NOON = from_iso("2026-08-01T12:00:00")

ROW = Entry(
    id=1,
    at=NOON,
    flow="pass_login",
    purpose="phone_verification",
    action="send",
    outcome="sent",
    client="203.0.113.7",
    request_id="r1",
    pass_code="HSP-****-5678",
    contact="***-***-3210",
    region="IN",
    contact_fingerprint=None,
    range_fingerprint=None,
    sender="twilio",
    provider_message_id="SM1",
    reason=None,
    retry_at=None,
    lane=None,
    api_key_id=None,
    app=None,
    verification_id=None,
    subject_fingerprint=None,
    channel=None,
    block_fingerprint=None,
    price=None,
    spent_by=None,
    verdict=None,
    reasons=None,
    operator=None,
    count=1,
    state="delivered",
    state_at=after(NOON, 4 * SECOND + 7),
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            (
                "asked for a code: sent, through twilio, delivered 2026-08-01 12:00:04, "
                "from 203.0.113.7"
            ),
        ),
        (
            {"channel": "voice", "sender": "twilio-voice"},
            (
                "asked for a code by a call: sent, through twilio-voice, delivered "
                "2026-08-01 12:00:04, from 203.0.113.7"
            ),
        ),
        (
            {"action": "fall_back", "channel": "whatsapp", "state": "queued", "state_at": None},
            (
                "the message did not arrive, so the code was sent again by WhatsApp: sent, "
                "through twilio, no report since, from 203.0.113.7"
            ),
        ),
        (
            {"state": "queued", "state_at": None},
            "asked for a code: sent, through twilio, no report since, from 203.0.113.7",
        ),
        (
            {"state": None, "state_at": None, "flow": "signup"},
            (
                "asked for a code in signup: sent, through twilio, "
                "its delivery state is no longer kept, from 203.0.113.7"
            ),
        ),
        (
            {"sender": "console", "provider_message_id": None, "state": None},
            "asked for a code: sent, through console, from 203.0.113.7",
        ),
        (
            {"action": "look_up", "outcome": "valid", "client": None},
            "looked up the pass HSP-****-5678: it is usable",
        ),
        (
            {"action": "put_pass", "outcome": "changed", "flow": None, "api_key_id": "0f"},
            (
                "the house's backend stored the pass HSP-****-5678: it has changed, "
                "with API key 0f, from 203.0.113.7"
            ),
        ),
        (
            {"action": "end_pass", "outcome": "ended", "flow": None, "client": None},
            "the house's backend ended the pass HSP-****-5678",
        ),
        (
            {"action": "check", "outcome": "invalid_otp"},
            "presented a code: it was wrong, from 203.0.113.7",
        ),
        (
            {"outcome": "phone_rate_limited", "retry_at": after(NOON, HOUR), "count": 7},
            (
                "asked for a code: refused, too many codes sent to this number, "
                "until 2026-08-01 13:00:00, 7 times within a minute, from 203.0.113.7"
            ),
        ),
        (
            {"flow": "verification", "channel": "email", "sender": "smtp", "client": None},
            "asked for a code by e-mail: sent, through smtp, delivered 2026-08-01 12:00:04",
        ),
        (
            {"channel": "whatsapp", "outcome": "delivery_failed", "app": "shop", "client": None},
            "asked for a code by WhatsApp: no sender accepted the message, for the app shop",
        ),
        (
            {"channel": "email", "outcome": "email_rate_limited", "client": None},
            "asked for a code by e-mail: refused, too many codes sent to this mailbox",
        ),
        (
            {"channel": "sms", "state": None, "provider_message_id": None, "client": None},
            "asked for a code: sent, through twilio",
        ),
        (
            {"channel": "voice", "action": "check", "outcome": "verified", "client": None},
            "presented a code: it was right",
        ),
        (
            {"action": "check", "outcome": "locked_out"},
            (
                "presented a code: refused, locked after wrong guesses, "
                "until an operator unlocks it, from 203.0.113.7"
            ),
        ),
        (
            {"action": "ops_search", "outcome": "searched", "operator": "asha"},
            "operator asha viewed its history, from 203.0.113.7",
        ),
        (
            {"action": "unlock", "outcome": "unlocked", "reason": "called back", "client": None},
            "an operator unlocked it, because: called back",
        ),
        (
            {"action": "unlock", "outcome": "devices_forgotten", "reason": "lost", "client": None},
            "an operator unlocked it: no device is known any more, because: lost",
        ),
        (
            {"action": "let", "outcome": "let_in", "reason": "called"},
            "an operator let 203.0.113.7 in, because: called",
        ),
        (
            {"action": "check", "outcome": "invalid_otp", "lane": "known"},
            "presented a code on a known device: it was wrong, from 203.0.113.7",
        ),
        (
            {"outcome": "work_required", "lane": "others", "flow": "signup"},
            (
                "asked for a code in signup on a device that is not known: "
                "refused until its work is done, from 203.0.113.7"
            ),
        ),
        (
            {"outcome": "malformed_request", "lane": "others"},
            (
                "asked for a code on a device that is not known: "
                "refused, what came as work was malformed, from 203.0.113.7"
            ),
        ),
        (
            {"action": "withdraw", "outcome": "withdrawn", "lane": "others"},
            "the code was withdrawn, from 203.0.113.7",
        ),
        (
            {"action": "authenticate", "outcome": "unauthorized", "count": 2},
            (
                "presented an API key: it was missing or not valid, "
                "2 times within a minute, from 203.0.113.7"
            ),
        ),
        (
            {"action": "authenticate", "outcome": "forbidden", "api_key_id": "0f"},
            "presented an API key: it does not have the scope, with API key 0f, from 203.0.113.7",
        ),
        ({"action": "dance", "outcome": "new_word", "client": None}, "dance: new word"),
    ],
)
def test_a_row_in_words(changes: dict[str, Any], words: str) -> None:
    """A row tells what was asked, what it came to, through whom, until when and from where."""
    assert in_words(attrs.evolve(ROW, **changes)) == words


@pytest.mark.parametrize(
    ("since", "until", "span"),
    [
        (None, None, Span()),
        ("24h", None, Span(after(NOON, -DAY))),
        ("90m", "30m", Span(after(NOON, -90 * MINUTE), after(NOON, -30 * MINUTE))),
        ("2w", "7d", Span(after(NOON, -14 * DAY), after(NOON, -7 * DAY))),
        ("2026-07-31", "2026-08-01T14:00+02:00", Span(after(NOON, -36 * HOUR), NOON)),
    ],
)
def test_spans(since: str | None, until: str | None, span: Span) -> None:
    """A span is given by dates, instants or how long ago; what is left out is open."""
    assert read_span(since, until, NOON) == span


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("soon", None, "^--since: got 'soon', takes a date"),
        (None, "5y", "^--until: got '5y', takes a date"),
        ("1h", "1h", "^--since is not before --until$"),
    ],
)
def test_spans_that_are_none(since: str | None, until: str | None, says: str) -> None:
    """What cannot be read names its option, and a span has to have a length."""
    with pytest.raises(ValueError, match=says):
        read_span(since, until, NOON)


def test_instants_in_a_table() -> None:
    """A table shows seconds, in UTC."""
    assert in_short(Instant(NOON + 999_999)) == "2026-08-01 12:00:00"


@pytest.mark.parametrize(
    ("verdict", "reasons", "words"),
    [
        (
            "refused",
            "block 31/30 30d; stretch 2.65/2.50$ 24h",
            (
                "judged too much: of the codes sent to this block of numbers in 30 days, this one "
                "included, 31 are not entered, and 30 may be"
            ),
        ),
        (
            "refused",
            "region 15.10/15.00$ 24h",
            (
                "judged too much: of the codes sent to its country in 24 hours, this one included, "
                "$15.10 are not entered, and $15.00 may be"
            ),
        ),
        (
            "refused",
            "region-cap 50.10/50.00$ 24h",
            (
                "judged too much: codes to its country would cost $50.10 in 24 hours, and may cost "
                "$50.00"
            ),
        ),
        (
            "refused",
            "cap 100.10/100.00$ 24h",
            "judged too much: all codes would cost $100.10 in 24 hours, and may cost $100.00",
        ),
        (
            "work:3",
            "address 5/6 24h",
            (
                "judged to need work of level 3: of the codes sent for this address in 24 hours, "
                "this one included, 5 are not entered, and 6 may be"
            ),
        ),
        (
            "stretch",
            "range 4/3 24h; stretch 0.159/2.50$ 24h",
            (
                "let through for the hardest work: of the codes sent to this range of numbers in "
                "24 hours, this one included, 4 are not entered, and 3 may be"
            ),
        ),
        (
            "free",
            "network 8/9 1h",
            (
                "judged free: of the codes sent for this network in an hour, this one included, 8 "
                "are not entered, and 9 may be"
            ),
        ),
    ],
)
def test_verdicts_of_the_guard(verdict: str, reasons: str, words: str) -> None:
    """The fullest group says why."""
    row = attrs.evolve(ROW, outcome="range_rate_limited", verdict=verdict, reasons=reasons)
    assert words in in_words(row)


def test_a_free_verdict_needs_no_words() -> None:
    """Nothing was nearly full."""
    assert "judged" not in in_words(attrs.evolve(ROW, verdict="free"))

"""What the operators' page tells: docs/ops.md."""

import re
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from hsp_otp.domain.audit import Step
from hsp_otp.domain.budgets import BudgetKey
from hsp_otp.domain.fraud_patterns import (
    MISSING,
    NUMBERS_FROM_ONE_ADDRESS,
    NUMBERS_OF_ONE_PREFIX,
    UNVERIFIED,
    Suspicion,
    Traffic,
)
from hsp_otp.domain.guard import Group, Reason
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, after
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.spend_report import BudgetUse
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.entrypoints.dashboard.alerts import of_suspicion
from hsp_otp.entrypoints.dashboard.money import money_of
from hsp_otp.flows.overview import STRETCHES, Look, Spending
from hsp_otp.ports.audit_queries import Tally
from hsp_otp.ports.spending_queries import FullBlock, Spent
from hsp_otp.ports.traffic_queries import Movement
from tests.http import Client
from tests.ops_page import (
    OPS,
    PASSWORD,
    STORY,
    Ops,
    inside,
    is_in,
    seen,
    sender,
    sign_in,
)
from tests.visitor import Page, Visitor
from tests.world import PHONE, START, World, ring

TEST_CONTACT = KeptTestContact(
    id="t1",
    app_id="shop",
    contact="***-***-3210",
    fingerprint="k1:1",
    digits=6,
    key_id="k1",
    digest=b"",
    reason="a review",
    added_at=START,
    ends_at=after(START, SECOND),
)


@pytest.fixture
def ops() -> Ops:
    """What the page stands on."""
    return Ops(World())


@pytest.fixture
def client(ops: Ops) -> Iterator[Client]:
    """A service with the page."""
    with Client(ops.world, ops=ops.desk(), ops_password=PASSWORD) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


# --- What it tells


def test_all_is_well(visitor: Visitor) -> None:
    """The funnel in numbers, and that nothing is wrong."""
    page = inside(visitor)
    assert "Nothing looks like an attack." in page.main
    assert "Asked for 1,056" in page.main
    assert "Sent 960 Sent: 960 of 1056 91 % of those asked for" in page.main
    assert "Delivered 864" in page.main
    assert "Verified 768" in page.main
    assert "80 % of those sent" in page.main
    assert re.search(r"median [0-9.]+ s p95 [0-9.]+ s", page.main)


def test_an_attack(visitor: Visitor, ops: Ops) -> None:
    """It is the first thing that is read, with how much there was and against what is usual."""
    traffic = Traffic(
        who="k1:" + 32 * "d",
        region="LV",
        sent=900,
        verified=3,
        numbers=880,
        addresses=2,
        first=after(START, -HOUR),
        last=START,
    )
    ops.look_ = Look(
        seen(
            attack=True,
            suspicions=(
                Suspicion(kind=NUMBERS_OF_ONE_PREFIX, of="prefix", traffic=traffic),
                Suspicion(
                    kind=NUMBERS_FROM_ONE_ADDRESS,
                    of="address",
                    traffic=attrs.evolve(traffic, who="203.0.113.7", sent=800),
                ),
                Suspicion(
                    kind=MISSING,
                    of="address",
                    traffic=Traffic(who="203.0.113.9", missed=700, hits=2, first=START, last=START),
                ),
                Suspicion(
                    kind=UNVERIFIED,
                    of="number",
                    traffic=attrs.evolve(traffic, sent=9, verified=0),
                    phone="***-***-1234",
                ),
                Suspicion(
                    kind=UNVERIFIED,
                    of="prefix",
                    traffic=attrs.evolve(traffic, sent=8, verified=0, region=None),
                ),
            ),
            addresses=(
                Tally(kind="address", who="203.0.113.7", requests=990, sent=800, verified=1),
                Tally(kind="address", who="203.0.113.9", requests=700, sent=0, verified=0),
            ),
            prefixes=(
                Tally(
                    kind="prefix",
                    who="k1:" + 32 * "d",
                    region="LV",
                    sent=900,
                    verified=3,
                    numbers=880,
                ),
            ),
        )
    )
    page = inside(visitor)
    told = page.main
    assert "This looks like an attack" in told
    assert "There was" not in told
    assert (
        "920 codes were sent, 46 times as many as usual, and only 2 % of them were verified; "
        "usually it is 80 %." in told
    )
    assert (
        "900 codes were sent to 880 numbers in one range in Latvia, 3 of them verified; "
        "2 addresses requested them." in told
    )
    assert "Address 203.0.113.7 had 800 codes sent to 880 numbers, 3 of them verified." in told
    assert (
        "Address 203.0.113.9 tried 700 pass codes that are not usable, and found 2 that are."
        in told
    )
    assert "9 codes were sent to number ***-***-1234 in Latvia, none of them verified." in told
    assert "And 1 more" in told
    assert f"hsp-otp audit range --fingerprint k1:{32 * 'd'}" in told
    assert "range dddddddd, Latvia 900 sent, 3 verified, 880 numbers" in told
    assert page.reply.body.count(b'class="mark"') == 3
    assert "Latvia 900" in told


@pytest.mark.parametrize(
    ("of", "kind", "says"),
    [
        (
            "prefix",
            NUMBERS_OF_ONE_PREFIX,
            "90 codes were sent to 88 mailboxes at example.com, 3 of them verified.",
        ),
        (
            "prefix",
            UNVERIFIED,
            "90 codes were sent to mailboxes at example.com, 3 of them verified.",
        ),
        ("number", UNVERIFIED, "90 codes were sent to ***@example.com, 3 of them verified."),
    ],
)
def test_an_attack_by_e_mail(of: str, kind: str, says: str) -> None:
    """A range of e-mail addresses is told by its domain, and has no country."""
    traffic = Traffic(
        who="k1:" + 32 * "d", sent=90, verified=3, numbers=88, first=START, last=START
    )
    found = Suspicion(kind=kind, of=of, traffic=traffic, phone="***@example.com")
    assert of_suspicion(found).says == says


@pytest.mark.parametrize(
    ("query", "sent", "verified"),
    [
        ("flow=signup", 480, 384),
        ("sender=twilio", 480, 384),
        ("country=IN", 960, 768),
        ("country=LV", 960, 768),
        ("flow=%3Cscript%3E&sender=nobody&country=x", 960, 768),
        ("range=week", 960, 768),
        ("flow=signup&sender=twilio", 0, 0),
    ],
)
def test_narrowed(visitor: Visitor, query: str, sent: int, verified: int) -> None:
    """What is not known is passed over, and comes back nowhere."""
    page = inside(visitor, query)
    assert f"Sent {sent} Sent: " in page.main
    assert f"Verified {verified} Verified: " in page.main
    assert "<script>" not in page.reply.body.decode()
    assert "nobody" not in page.reply.body.decode()


def test_the_stretches(visitor: Visitor, ops: Ops) -> None:
    """An hour, a day unless told otherwise, a week."""
    for word in ("hour", "day", "week", "year", ""):
        inside(visitor, f"range={word}")
    assert [one.word for one in ops.looked] == ["hour", "day", "week", "day", "day"]
    for stretch in STRETCHES.values():
        span = stretch.span(START)
        assert span.since % stretch.period == 0
        assert span.until - span.since == stretch.period * stretch.periods
        assert span.since <= START < span.until <= after(START, stretch.period)


def test_every_picture_has_its_table(visitor: Visitor) -> None:
    """What is drawn is named for whoever does not see it, and told in numbers beside it."""
    page = inside(visitor)
    body = page.reply.body.decode()
    assert body.count('role="img"') == body.count("<svg") - 1
    for name in (
        "funnel",
        "share",
        "countries",
        "refusals",
        "verify-signup",
        "deliver-0",
        "visitors",
    ):
        assert page.texts[f"{name}-says"]
        assert page.texts[f"{name}-numbers"]
    assert "style=" not in body


def test_deliveries_that_nobody_reports(visitor: Visitor, ops: Ops) -> None:
    """Where no sender reports them they are "not reported", not none; what came before counts."""
    quiet = attrs.evolve(seen(), deliveries=())
    ops.look_ = Look(quiet)
    page = inside(visitor)
    assert "Delivered not reported No sender reports deliveries." in page.main
    assert "From the request to the phone Not reported: no sender reports deliveries." in page.main
    assert "delivered, not verified" not in page.main
    assert "sent, not verified 192" in page.main
    with Client(
        ops.world,
        ops=ops.desk(),
        ops_password=PASSWORD,
        public_url="http://otp.example",
        senders=("twilio", "console"),
    ) as client:
        visitor = Visitor(client)
        page = inside(visitor)
        assert "Delivered 0 Delivered: 0 of 1056 0 % of those sent" in page.main
        assert "From the request to the phone No message was delivered." in page.main
        ops.look_ = Look(
            attrs.evolve(
                quiet,
                movements=[
                    attrs.evolve(one, sender=one.sender and "console") for one in quiet.movements
                ],
            )
        )
        assert "Delivered not reported" in inside(visitor, "sender=console").main


def test_what_can_be_copied(visitor: Visitor, ops: Ops) -> None:
    """Commands, fingerprints, addresses and request ids have a button that names what it copies."""
    traffic = Traffic(who="203.0.113.9", missed=70, hits=2, first=START, last=START)
    told: dict[str, Any] = {"sent": 9, "verified": 1}
    ops.look_ = Look(
        seen(
            suspicions=(Suspicion(kind=MISSING, of="address", traffic=traffic),),
            addresses=(Tally(kind="address", who="203.0.113.7", requests=9, **told),),
            prefixes=(Tally(kind="prefix", who="k1:" + 32 * "d", numbers=3, **told),),
        )
    )
    page = inside(visitor)
    story = visitor.post("/ops/story/", {**page.fields, "contact": PHONE}).body.decode()
    body = page.reply.body.decode()
    copied = re.findall(
        r'<button class="copy" type="button" id="copy-([a-z0-9-]+)" data-copy="([^"]+)" hidden>'
        r'<span>Copy</span><span class="unseen"> the ([a-z ]+) ([^<]+)</span></button>',
        body + story,
    )
    assert copied == [
        (name, text, what, text)
        for name, text, what in (
            ("alarm-1", "hsp-otp audit list --address 203.0.113.9", "command"),
            ("addresses-1", "203.0.113.7", "address"),
            ("prefixes-1", "k1:" + 32 * "d", "fingerprint"),
            ("request-1", "r1", "request id"),
        )
    ]
    for text in (body, story):
        assert text.count('role="status"') == 1
        assert " onclick=" not in text


def test_the_funnel(visitor: Visitor) -> None:
    """Of 90 days: each step with its share of an earlier one, errors, countries and languages."""
    main = inside(visitor, "flow=signup").main
    for told in (
        "From the page to the proof, in 90 days",
        "Page opened 1,040 Page opened: 1040 in 90 days",
        "Number entered 40 Number entered: 40 4 % of the pages opened",
        "Code sent 30 Code sent: 30 62 % of the numbers entered",
        "Delivered 27 Delivered: 27 90 % of the codes sent",
        "Code entered 22 Code entered: 22 88 % of those sent a code",
        "Verified 20 Verified: 20 91 % of the codes entered",
        "Handed over 19 Handed over: 19 95 % of those verified",
        "Codes sent include 5 sent again; numbers entered include 2 corrections.",
        "over 90 days: verified 20, sent a code, not verified 5, not sent a code 1015.",
        "code asked for too many from one address 6 15 %",
        "code asked for invalid phone 4 10 %",
        "code entered wrong code 5 20 %",
        "India 32 30 27 22 20 19 Unknown 8 0 0 0 0 0",
        "Hindi 32 30 27 22 20 19 English 8 0 0 0 0 0",
    ):
        assert told in main
    assert "pass looked up" not in main
    assert "pass looked up unknown pass 3 100 %" in inside(visitor).main


def test_a_funnel_whose_deliveries_nobody_reports(visitor: Visitor, ops: Ops) -> None:
    """Where no sender reports them the funnel says so, and its tables leave them out."""
    groups = ("by_day", "by_country", "by_language")
    quiet: dict[str, Any] = {
        group: [one for one in getattr(seen(), group) if one.step is not Step.DELIVERED]
        for group in groups
    }
    ops.look_ = Look(seen(**quiet))
    main = inside(visitor, "flow=signup").main
    _, funnel = main.split("From the page to the proof, in 90 days")
    assert "Delivered not reported No sender reports deliveries. Code entered 22" in funnel
    assert "India 32 30 22 20 19" in funnel
    with Client(
        ops.world,
        ops=ops.desk(),
        ops_password=PASSWORD,
        public_url="http://otp.example",
        senders=("twilio",),
    ) as client:
        main = inside(Visitor(client), "flow=signup").main
    assert "Delivered 0 Delivered: 0 0 % of the codes sent" in main
    assert "India 32 30 0 22 20 19" in main


def test_no_visitors(visitor: Visitor, ops: Ops) -> None:
    """The funnel of nobody is empty, and no share is given of nothing."""
    ops.look_ = Look(seen(by_day=(), by_country=(), by_language=()))
    main = inside(visitor).main
    assert "Page opened 0 Page opened: 0 in 90 days" in main
    assert "Verified 0 Verified: 0 in 90 days" in main
    assert "Visitors by day, over 90 days: nothing." in main
    assert "No request ended with an error." in main
    assert "Nobody entered a number." in main


def test_senders(visitor: Visitor, ops: Ops) -> None:
    """What each did lately; one that is skipped is told before all else."""
    ops.senders = (
        sender("twilio", attempts={"taken": 7, "failed": 2}, p50=0.31, p95=2.5, skipped=4),
        sender("vonage", is_open=True),
    )
    page = inside(visitor)
    assert "A sender is being skipped vonage keeps failing and is being skipped." in page.main
    assert (
        "twilio in use twilio: median 0.3 s, p95 2.5 s median 0.3 s p95 2.5 s "
        "accepted 7 refused 0 failed 2 skipped 4" in page.main
    )
    assert "no attempts" in page.main


@pytest.mark.parametrize(
    ("count", "says"),
    [(1, "1 test contact is alive Anybody who knows its code"), (2, "2 test contacts are alive")],
)
def test_test_contacts(visitor: Visitor, ops: Ops, count: int, says: str) -> None:
    """A banner says how many test contacts are alive, and which command lists them."""
    assert "test contact" not in inside(visitor).main
    ops.look_ = Look(seen(test_contacts=[TEST_CONTACT] * count))
    main = visitor.get(OPS).main
    assert says in main
    assert "Nobody used one in the chosen time: hsp-otp test-contacts list" in main


def test_test_contacts_are_no_customers(visitor: Visitor, ops: Ops) -> None:
    """Their uses are told, and are neither requests, refusals nor successes; wrong guesses are."""
    before = inside(visitor).main
    day = seen()
    used: dict[str, Any] = {"at": day.span.since, "flow": "verification", "region": "IN"}
    words = (
        *(("test_contact", "send"), ("test_contact", "check"), ("test_contact", "added")),
        *(("send", "not_sent"), ("check", "test_verified")),
    )
    rows = [
        Movement(**used, sender=None, action=action, outcome=outcome, requests=7)
        for action, outcome in words
    ]
    ops.look_ = Look(attrs.evolve(day, movements=[*day.movements, *rows]))
    assert visitor.get(OPS).main == before
    wrong = attrs.evolve(rows[0], action="check", outcome="invalid_otp")
    ops.look_ = Look(attrs.evolve(day, movements=[*day.movements, *rows, wrong]))
    assert "wrong code" in visitor.get(OPS).main
    ops.look_ = Look(attrs.evolve(day, movements=rows, test_contacts=[TEST_CONTACT]))
    told = "They were used 14 times in the chosen time, which no figure below counts as a success"
    assert told in visitor.get(OPS).main


def test_a_repeated_request_is_no_message(visitor: Visitor, ops: Ops) -> None:
    """What was asked for again under an idempotency key is neither asked for, sent nor refused."""
    before = inside(visitor).main
    day = seen()
    again = Movement(
        at=day.span.since,
        flow="verification",
        region="IN",
        sender=None,
        action="send",
        outcome="replayed",
        requests=7,
    )
    ops.look_ = Look(attrs.evolve(day, movements=[*day.movements, again]))
    assert visitor.get(OPS).main == before


def test_nothing_happened(visitor: Visitor, ops: Ops) -> None:
    """An empty audit is shown as such."""
    ops.look_ = Look(attrs.evolve(seen(), movements=(), deliveries=(), proofs=()))
    page = inside(visitor)
    assert "Asked for 0" in page.main
    assert "No codes were sent." in page.main
    assert "No code was verified." in page.main


def test_the_database_tells_nothing(visitor: Visitor, ops: Ops) -> None:
    """Where it is too slow, the page says so, shows what was known before, and the senders."""
    ops.look_ = Look(None, answered=False)
    page = inside(visitor)
    assert "The database does not answer No data is available." in page.main
    assert "This machine, the last 15 minutes" in page.main
    ops.look_ = Look(seen(), answered=False)
    page = inside(visitor)
    assert "The data below is as of 2026-01-01 00:00:00 UTC." in page.main
    assert "Sent 960" in page.main
    ops.away = True
    reply = visitor.post("/ops/story/", {**page.fields, "contact": PHONE})
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")


def test_nothing_is_shown_while_nobody_knows_who_signed_out(visitor: Visitor, ops: Ops) -> None:
    """5.7: where the database does not answer, no cookie opens the page, and nobody comes in."""
    page = inside(visitor)
    ops.away = ops.ended.is_away = True
    looked = len(ops.looked)
    replies = [
        visitor.request("GET", OPS),
        visitor.request("GET", "/ops/live/"),
        visitor.post("/ops/story/", {**page.fields, "contact": PHONE}),
        sign_in(Visitor(visitor.client)),
    ]
    for reply in replies:
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        assert "Outcomes of requests" not in reply.body.decode()
        assert str(STORY.request_id) not in Page(reply).main
    assert len(ops.looked) == looked
    assert ops.asked == []
    ops.away = ops.ended.is_away = False
    assert is_in(visitor)


@pytest.mark.parametrize("kind", ["is_away", "is_held"])
def test_signing_out_fails_closed(visitor: Visitor, ops: Ops, kind: str) -> None:
    """5.7: a sign-out that cannot be written down says so, and its cookie opens nothing again."""
    page = inside(visitor)
    held = dict(visitor.cookies)
    setattr(ops.ended, kind, True)
    reply = visitor.post("/ops/sign-out/", page.fields)
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    door = Page(reply)
    assert (
        "Your session has ended on this machine; on other machines it ends as soon as" in door.main
    )
    assert "password" in door.fields
    assert "hsp_otp_ops" not in visitor.cookies
    for is_still in (True, False):
        setattr(ops.ended, kind, is_still)
        visitor.cookies = dict(held)
        assert "Outcomes of requests" not in visitor.request("GET", OPS).body.decode()
        visitor.cookies = dict(held)
        assert visitor.request("GET", "/ops/live/").status in {303, 503}
        visitor.cookies = dict(held)
        assert visitor.post("/ops/story/", {**page.fields, "contact": PHONE}).status in {303, 503}
    assert ops.asked == []


def test_a_sign_out_does_not_wait_to_hear_whether_it_is_over(visitor: Visitor) -> None:
    """5.7: whoever signs out twice, as by pressing the button again, is signed out."""
    page = inside(visitor)
    held = dict(visitor.cookies)
    assert visitor.post("/ops/sign-out/", page.fields).status == 303
    visitor.cookies = dict(held)
    assert visitor.post("/ops/sign-out/", page.fields).status == 303
    visitor.cookies = dict(held)
    assert not is_in(visitor)


def test_wrong_passwords_of_others_keep_nobody_out(visitor: Visitor) -> None:
    """5.7: a hundred wrong passwords from twenty networks, and an operator comes in."""
    for number in range(100):
        guesser = Visitor(visitor.client, address=f"192.0.{number % 20}.{number}")
        assert sign_in(guesser, f"wrong password {number}").status == 403
    assert sign_in(visitor).status == 303
    assert is_in(visitor)


def test_the_live_part(visitor: Visitor) -> None:
    """It is the page's own, without what stands around it."""
    page = inside(visitor)
    live = visitor.request("GET", "/ops/live/").body.decode()
    assert live.strip() in page.reply.body.decode()
    assert "<html" not in live


# --- A contact's story


def test_a_story(visitor: Visitor, ops: Ops) -> None:
    """In the words of the command, masked, and written to the audit."""
    page = inside(visitor)
    reply = visitor.post("/ops/story/", {**page.fields, "contact": " 98765 43210 "})
    assert reply.status == 200
    told = Page(reply)
    assert told.texts["story-title"] == "***-***-3210 IN"
    assert (
        "2026-01-01 00:00:00 asked for a code in signup on a device that is not known: "
        "sent, through twilio, delivered 2026-01-01 00:00:04, because: <script>alert(1)</script>, "
        "from 203.0.113.7" in told.main
    )
    assert b"<script>alert" not in reply.body
    assert "9876543210" not in reply.body.decode()
    row = ops.world.audit.rows[-1]
    assert (row.facts.action.value, row.outcome, row.facts.contact) == (
        "ops_search",
        "searched",
        "***-***-3210",
    )
    assert ops.asked == [(row.facts.contact_fingerprint,)]


def test_a_story_of_an_address(visitor: Visitor, ops: Ops) -> None:
    """An e-mail address is found by its compared form, and shown masked."""
    page = inside(visitor)
    reply = visitor.post("/ops/story/", {**page.fields, "contact": " Asha.Rao+x@Exämple.com "})
    assert reply.status == 200
    assert Page(reply).texts["story-title"] == "a***@xn--exmple-cua.com"
    assert b"asha.rao" not in reply.body.lower()
    row = ops.world.audit.rows[-1]
    assert (row.outcome, row.facts.contact) == ("searched", "a***@xn--exmple-cua.com")
    fingerprint = ring("fingerprints").fingerprint("asha.rao+x@xn--exmple-cua.com")
    assert ops.asked == [(fingerprint,)]


@pytest.mark.parametrize("typed", ["@", "asha@", "asha@example", "<b>@example.com", "\u212a@a.com"])
def test_no_address(visitor: Visitor, ops: Ops, typed: str) -> None:
    """What has an @ and is none is not looked for either, and comes back nowhere."""
    page = inside(visitor)
    reply = visitor.post("/ops/story/", {**page.fields, "contact": typed})
    assert reply.status == 400
    assert "This is not an e-mail address" in Page(reply).texts["contact-error"]
    assert typed == "@" or typed not in reply.body.decode()
    assert ops.asked == []


@pytest.mark.parametrize("typed", ["", "4711", "HSP-1234-5678", "<b>1</b>", "tel:+919876543210"])
def test_no_number(visitor: Visitor, ops: Ops, typed: str) -> None:
    """What is none is not looked for, and comes back nowhere."""
    page = inside(visitor)
    rows = len(ops.world.audit.rows)
    reply = visitor.post("/ops/story/", {**page.fields, "contact": typed})
    assert reply.status == 400
    assert "This is not a phone number." in Page(reply).texts["contact-error"]
    assert not typed or typed not in reply.body.decode()
    assert ops.asked == []
    assert len(ops.world.audit.rows) == rows


def test_no_secret_in_any_page(visitor: Visitor) -> None:
    """Neither the password nor a session, nor a whole number, stands in a page or an address."""
    page = inside(visitor)
    session = visitor.cookies["hsp_otp_ops"]
    bodies = [page.reply.body, visitor.request("GET", "/ops/live/").body]
    bodies.append(visitor.post("/ops/story/", {**page.fields, "contact": PHONE}).body)
    for body in bodies:
        text = body.decode()
        assert PASSWORD not in text
        assert session not in text
        assert session.split(".")[3] not in text
        assert PHONE[1:] not in text
        assert PHONE[3:] not in text
    assert not [url for url in page.urls if PHONE[3:] in url or "csrftoken" in url]


def test_an_attack_that_is_over(visitor: Visitor, ops: Ops) -> None:
    """It is told as such, a quarter of an hour after it was last seen."""
    at = after(START, -17 * MINUTE)
    traffic = Traffic(who="203.0.113.9", missed=70, hits=2, first=at, last=at)
    found = Suspicion(kind=MISSING, of="address", traffic=traffic)
    ops.look_ = Look(seen(suspicions=(found,)))
    assert "There was a possible attack" in inside(visitor).main


# --- Money


SPENDING = Spending(
    uses=[
        BudgetUse(key=BudgetKey("signup", None), spent=30 * DOLLAR, cap=100 * DOLLAR),
        BudgetUse(
            key=BudgetKey("signup", "IN"),
            spent=50 * DOLLAR,
            cap=50 * DOLLAR,
            owed=13 * DOLLAR,
            may_owe=15 * DOLLAR,
        ),
        BudgetUse(key=BudgetKey("a1", "FR"), spent=DOLLAR, cap=0, owed=DOLLAR, may_owe=0),
        BudgetUse(key=BudgetKey("a2", None), spent=0, cap=100 * DOLLAR),
        BudgetUse(key=BudgetKey("sender:vonage", None), spent=DOLLAR, cap=5 * DOLLAR),
    ],
    spent=[
        Spent(
            flow="signup",
            app=None,
            region=region,
            sender=sender,
            messages=messages,
            priced=messages,
            money=messages * DOLLAR,
        )
        for region, sender, messages in (("IN", "vonage", 1), ("IN", "twilio", 2), ("FR", None, 4))
    ],
    full_blocks=[
        FullBlock(
            block="f1:abc",
            region="AF",
            asks=1200,
            last=START,
            reasons=(
                Reason(Group.BLOCK, 31, 30, 30 * DAY),
                Reason(Group.RANGE, 3, 3, DAY),
                Reason(Group.STRETCH, 2_600_000, 2_500_000, DAY),
            ),
        )
    ],
    names={"a1": "shop"},
)


def test_money_against_its_caps() -> None:
    """The fullest first; a cap or a debt that somebody should look at is marked."""
    money = money_of(SPENDING)
    assert money is not None
    assert [(one.name, one.amount, one.limit, one.percent, one.look) for one in money.caps] == [
        ("Signup, India", "50.00", "50.00", 100, "full"),
        ("Signup, all countries", "30.00", "100.00", 30, ""),
        ("By vonage, all countries", "1.00", "5.00", 20, ""),
        ("shop, France", "1.00", None, None, ""),
    ]
    assert [(one.name, one.amount, one.limit, one.percent, one.look) for one in money.owed] == [
        ("India, Signup", "13.00", "15.00", 86, "nearly"),
        ("France, shop", "1.00", None, None, ""),
    ]
    assert money.senders == [("unknown", 4, "4.00"), ("twilio", 2, "2.00"), ("vonage", 1, "1.00")]


def test_blocks_that_are_full() -> None:
    """Each with what it is full by, in words, and no more of its numbers than a fingerprint."""
    money = money_of(SPENDING)
    assert money is not None
    (block,) = money.blocks
    assert (block.fingerprint, block.country, block.asks) == ("f1:abc", "Afghanistan", 1200)
    assert block.why == [
        (
            "of the codes sent to this block of numbers in 30 days, this one included, 31 are not "
            "entered, and 30 may be"
        )
    ]


def test_the_panel_of_money(visitor: Visitor, ops: Ops) -> None:
    """It shows amounts, caps, and full blocks with a button that copies the fingerprint."""
    ops.look_ = Look(seen(spending=SPENDING))
    main = inside(visitor).main
    for shown in (
        "Signup, India $50.00 of $50.00, 100 % full",
        "shop, France $1.00 no cap",
        "India, Signup $13.00 of $15.00, 86 % nearly",
        "twilio $2.00 for 2 messages",
        "vonage $1.00 for 1 message",
        "f1:abc Afghanistan, 1,200 asks",
        "31 are not entered, and 30 may be",
    ):
        assert shown in main


def test_a_day_without_money(visitor: Visitor, ops: Ops) -> None:
    """Every part of the panel says that there is nothing."""
    nothing = Spending(uses=(), spent=(), full_blocks=(), names={})
    ops.look_ = Look(seen(spending=nothing))
    main = inside(visitor).main
    for shown in (
        "Nothing was spent.",
        "Nothing is owed.",
        "No messages were sent.",
        "No block was too full for an ask.",
    ):
        assert shown in main


def test_no_panel_without_the_guard(visitor: Visitor, ops: Ops) -> None:
    """Then there are no caps."""
    ops.look_ = Look(seen())
    assert "Money, in 24 hours" not in inside(visitor).main

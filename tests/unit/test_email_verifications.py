"""Verifications of e-mail addresses: docs/contract.md, section 13."""

import itertools

import attrs
import pytest

from hsp_otp.domain.apps import PurposeNumbers
from hsp_otp.domain.challenge import slots_about
from hsp_otp.domain.challenge_outcomes import WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import DAY, SECOND, after
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.verification_request import Flaw, Given, Unacceptable
from hsp_otp.flows.verification_outcomes import NotDelivered, Over, Prospect, Refused, Success
from hsp_otp.ports.failures import SendRejected
from hsp_otp.ports.sender import Mail
from tests.backend import Shop, shop
from tests.world import PHONE, START, World, other_than, ring, run

ASHA = "Asha+a@Exämple.com"
SAME_MAILBOX = "asha+b@xn--exmple-cua.com"


def by_mail() -> Shop:
    """A shop that may send codes for every purpose by e-mail."""
    purposes = {Purpose.LOGIN_VERIFICATION: PurposeNumbers(email=True)}
    return shop(purposes=purposes)


def test_an_address_is_verified() -> None:
    """A start sends an e-mail to the address as it was given; the check approves it."""
    told = shop(proof_audience="acme-shop", email_from="codes@shop.example.com")
    view = told.sent(ASHA).view
    assert (view.channel, view.next) == (Channel.EMAIL, {Channel.EMAIL: after(START, 30 * SECOND)})
    assert view.verification.purpose is Purpose.EMAIL_VERIFICATION
    (mail,) = told.world.outbox.sent
    assert isinstance(mail, Mail)
    assert mail.to.destination == "Asha+a@xn--exmple-cua.com"
    assert (mail.sender_name, mail.sender_address) == ("Acme Shop", "codes@shop.example.com")
    assert mail.id == told.world.audit.sends[0].id
    assert mail.useful_for == 600 * SECOND
    (code,) = told.world.outbox.codes
    assert isinstance(told.check(view.verification.id, code), Success)
    (proof,) = told.world.proofs.of_apps
    assert (proof.channel, proof.contact.destination) == (Channel.EMAIL, mail.to.destination)


def test_the_audit_of_an_address() -> None:
    """The audit has the mask and fingerprints of address and domain; the send has the mailbox."""
    told = Shop()
    told.sent(ASHA)
    (row,) = told.world.audit.rows
    keys = ring("fingerprints")
    assert (row.facts.contact, row.facts.region) == ("a***@xn--exmple-cua.com", None)
    assert row.facts.contact_fingerprint == keys.fingerprint("asha+a@xn--exmple-cua.com")
    assert row.facts.range_fingerprint == keys.fingerprint("xn--exmple-cua.com")
    assert row.facts.channel is Channel.EMAIL
    (send,) = told.world.audit.sends
    assert (send.contact, send.channel) == ("asha@xn--exmple-cua.com", Channel.EMAIL)
    assert "asha" not in repr((told.world.audit.rows, send)).lower()


def test_two_tags_are_two_contacts_of_one_mailbox() -> None:
    """Each has a code of its own, and they share the limit of the mailbox."""
    told = shop(policy=Policy(mailbox_sends=Quota(2, DAY)))
    first, second = told.sent(ASHA).view, told.sent(SAME_MAILBOX).view
    assert first.verification.slot != second.verification.slot
    one, other = told.world.outbox.codes
    if one != other:
        assert isinstance(told.check(first.verification.id, other), WrongCode)
    refused = told.start(SAME_MAILBOX)
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.MAILBOX_SENDS, after(START, DAY))
    assert refused.next == {Channel.EMAIL: after(START, DAY)}
    assert told.world.sends_charged(UsageKey("email_sends", "asha@xn--exmple-cua.com")) == (
        START,
        START,
    )


def test_a_code_is_bound_to_its_address() -> None:
    """A right code that is presented for the other tag is wrong; another way to write it is not."""
    told = Shop()
    sent = told.sent(ASHA, subject="u1").view.verification.id
    (code,) = told.world.outbox.codes
    for to in (SAME_MAILBOX, "no address@"):
        assert isinstance(told.check(sent, code, to=to), WrongCode)
    assert isinstance(told.check(sent, code, to="ASHA+A@EXÄMPLE.COM"), Success)


def test_the_same_address_written_otherwise() -> None:
    """A start for a live code sends it again, to the address as it was given first."""
    told = Shop()
    first = told.sent(ASHA)
    told.world.clock.advance(30 * SECOND)
    again = told.sent("asha+A@xn--exmple-cua.com")
    assert again.view.verification.id == first.view.verification.id
    assert again.resent
    assert {mail.to.destination for mail in told.world.outbox.sent} == {"Asha+a@xn--exmple-cua.com"}


@pytest.mark.parametrize("to", ["ann@example.com", PHONE])
@pytest.mark.parametrize(
    ("one", "other"),
    list(
        itertools.permutations(
            ["phone_verification", "email_verification", "login_verification", "password_reset"], 2
        )
    ),
)
def test_a_code_of_one_purpose_is_wrong_for_every_other(to: str, one: str, other: str) -> None:
    """A code for one purpose is a wrong code for another, for the same contact and user."""
    told = by_mail()
    kind = ContactKind.EMAIL if "@" in to else ContactKind.PHONE
    allowed = [purpose.value for purpose in Purpose if told.app.rules.allows(purpose, kind)]
    for purpose in (one, other):
        if purpose not in allowed:
            assert told.start(to, purpose=purpose) == Unacceptable(Flaw.PURPOSE)
            return
    told.sent(to, purpose=one)
    second = told.sent(to, purpose=other).view.verification.id
    of_one, of_other = told.world.outbox.codes
    wrong = of_one if of_one != of_other else other_than(of_other)
    assert isinstance(told.check(second, wrong), WrongCode)
    assert isinstance(told.check(second, of_other), Success)


def test_logins_by_mail_are_off() -> None:
    """An e-mail signs nobody in unless the app's row says so."""
    assert Shop().start(ASHA, purpose="login_verification") == Unacceptable(Flaw.PURPOSE)
    assert by_mail().sent(ASHA, purpose="login_verification").view.channel is Channel.EMAIL


def test_a_refused_mailbox() -> None:
    """A mailbox that the relay refuses ends the verification."""
    told = Shop()
    told.world.outbox.failure = SendRejected("no such mailbox")
    assert told.start(ASHA) == NotDelivered(resend_at=START)


def test_what_a_start_would_meet() -> None:
    """It tells the limit of the mailbox, and charges nothing."""
    told = Shop()
    told.sent(SAME_MAILBOX)
    found = told.standing(ASHA)
    assert isinstance(found, Prospect)
    assert (found.prospects.limits[0].limit, found.prospects.limits[0].remaining) == (
        Limit.MAILBOX_SENDS,
        9,
    )


def test_a_service_without_senders_of_mail() -> None:
    """An address is verified only where the service has a sender, and it is named no channel."""
    told = Shop()
    sends = told.world.journeys.verification_sends
    here = attrs.evolve(sends.requests.reach, channels=frozenset({Channel.SMS}))
    requests = attrs.evolve(sends.requests, reach=here)
    sends = attrs.evolve(sends, requests=requests)
    outcome = run(sends.start(told.app, Given(to=ASHA), told.backend))
    assert outcome == Unacceptable(Flaw.CHANNEL)


def test_a_channel_without_senders_since() -> None:
    """A code that was sent by a channel that has no sender any more is not sent again."""
    told = Shop()
    sent = told.sent(ASHA).view.verification.id
    told.world.clock.advance(30 * SECOND)
    sends = told.world.journeys.verification_sends
    otp = attrs.evolve(sends.otp, senders={Channel.SMS: told.world.outbox})
    outcome = run(attrs.evolve(sends, otp=otp).resend(sent, None, told.backend))
    assert outcome == NotDelivered(resend_at=None)


def test_a_test_contact_by_mail() -> None:
    """An address can be a test contact, to which nothing is sent."""
    told = Shop()
    contact = Contact.stored("asha+a@xn--exmple-cua.com")
    run(told.managing.add(told.app, contact, Code("404042"), DAY, "a review"))
    sent = told.sent(ASHA)
    assert told.world.outbox.sent == []
    assert isinstance(told.check(sent.view.verification.id, "404042"), Success)


def test_an_address_has_no_slots_in_the_customers_own_journeys() -> None:
    """Pass login and signup know numbers alone."""
    assert slots_about((), Contact.stored("ann@example.com")) == []


def test_an_ended_verification_by_mail() -> None:
    """A used code is over, as by every channel."""
    told = Shop()
    sent = told.sent(ASHA).view.verification.id
    code = told.world.outbox.codes[-1]
    told.check(sent, code)
    assert isinstance(told.check(sent, code), Over)


def test_a_world_without_mail_is_unchanged() -> None:
    """Codes to numbers name nothing of e-mail."""
    told = Shop(World())
    assert told.sent().view.next == {Channel.SMS: after(START, 30 * SECOND)}

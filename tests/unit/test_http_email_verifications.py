"""E-mail and purposes over HTTP, on both surfaces: docs/contract.md, 4.1, 11 and 13."""

import itertools
from typing import Any, Final

import pytest

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.domain.apps import PurposeNumbers
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.names import ENGLISH, Language, sid_of
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose
from hsp_otp.domain.wordings import Wording
from hsp_otp.ports.sender import Mail, Sms
from tests.http import Reply
from tests.twilio import TwilioClient, ruled, twilio
from tests.verifying import BackendClient
from tests.world import PHONE, World, other_than

ASHA: Final = "Asha+a@Exämple.com"
SAME_MAILBOX: Final = "asha+b@xn--exmple-cua.com"

BY_MAIL: Final = {Purpose.LOGIN_VERIFICATION: PurposeNumbers(email=True)}
"""Rules that let a login be verified by e-mail."""

PAIRS: Final = [
    (kind, one.value, other.value)
    for kind in ContactKind
    for one, other in itertools.permutations(APP_PURPOSES, 2)
    if kind in APP_PURPOSES[one].contacts & APP_PURPOSES[other].contacts
]
CONTACTS: Final = {ContactKind.PHONE: PHONE, ContactKind.EMAIL: ASHA}


def shop(world: World | None = None, **rules: object) -> TwilioClient:
    """A client on one surface, whose `native` is the same backend on the other."""
    return twilio(world, app=ruled(**rules))


def said(reply: Reply) -> tuple[int, str]:
    """The status and the word of a refusal, on either surface."""
    body: dict[str, Any] = reply.json
    return reply.status, body.get("error") or body["details"]["error"]


def two_codes(backend: BackendClient, to: str, one: str, other: str) -> tuple[str, str, str]:
    """A wrong code, the id of a verification, and its right code."""
    _, wrong = backend.started(to, purpose=one)
    verification_id, right = backend.started(to, purpose=other)
    return wrong if wrong != right else other_than(right), verification_id, right


@pytest.mark.parametrize(("kind", "one", "other"), PAIRS)
def test_a_code_of_one_purpose_is_wrong_for_every_other(
    kind: ContactKind, one: str, other: str
) -> None:
    """Of the same contact and user, on both surfaces; each guess counts."""
    client = shop(purposes=BY_MAIL)
    wrong, verification_id, right = two_codes(client.native, CONTACTS[kind], one, other)
    refused = client.native.check(verification_id, wrong)
    assert (*said(refused), refused.json["attempts_remaining"]) == (400, "invalid_otp", 2)
    reply = client.check(VerificationSid=sid_of(verification_id, "VE"), Code=wrong)
    assert (reply.status, reply.json["status"], reply.json["valid"]) == (200, "pending", False)
    assert client.native.get(verification_id).json["attempts_remaining"] == 1
    assert client.native.check(verification_id, right).json["purpose"] == other


def test_every_pair_of_purposes_is_tested() -> None:
    """Three purposes for a number make six ordered pairs, and three for an address too."""
    assert len(PAIRS) == 2 * len(list(itertools.permutations(range(3), 2)))


def test_a_login_by_mail_is_off() -> None:
    """A second factor by e-mail is refused unless the app's row allows it, by default or named."""
    login = {ContactKind.EMAIL: Purpose.LOGIN_VERIFICATION}
    client = shop(default_purposes=login)
    named = client.native.start(ASHA, purpose="login_verification")
    assert said(named) == (400, "purpose_not_available")
    assert said(client.native.start(ASHA)) == (400, "purpose_not_available")
    by_default = client.start(ASHA, "email")
    assert (*said(by_default), by_default.json["code"]) == (400, "purpose_not_available", 60200)
    assert client.world.outbox.sent == []


def test_a_login_by_mail_that_the_app_allows() -> None:
    """Its answer and its proof say the channel, on whichever surface it was started."""
    login = {ContactKind.EMAIL: Purpose.LOGIN_VERIFICATION}
    client = shop(default_purposes=login, purposes=BY_MAIL, proof_audience="acme-shop")
    _, code = client.started(ASHA, channel="email")
    (started,) = client.world.audit.verifications
    reply = client.native.check(started, code)
    assert (reply.json["channel"], reply.json["purpose"]) == ("email", "login_verification")
    (proof,) = client.world.proofs.of_apps
    assert (proof.channel, proof.purpose) == (Channel.EMAIL, Purpose.LOGIN_VERIFICATION)


def test_two_tags_are_two_slots_of_one_mailbox() -> None:
    """A check with the other address is wrong, and their sends are counted together."""
    client = twilio(email_sends_per_day=2)
    first, code = client.native.started(ASHA)
    second, other = client.native.started(SAME_MAILBOX)
    assert first != second
    assert said(client.native.check(first, code, to=SAME_MAILBOX)) == (400, "invalid_otp")
    mixed = code if code != other else other_than(code)
    reply = client.check(To=SAME_MAILBOX, Code=mixed)
    assert (reply.status, reply.json["status"], reply.json["valid"]) == (200, "pending", False)
    client.wait(60)
    assert said(client.native.start("ASHA@EXÄMPLE.COM")) == (429, "email_rate_limited")
    refused = client.start("asha+c@exämple.com", "email")
    assert (*said(refused), refused.json["code"]) == (429, "email_rate_limited", 60203)
    assert client.native.check(first, code, to="asha+a@XN--EXMPLE-CUA.com").status == 200


LOOK_ALIKES: Final = {
    "a Kelvin sign before the @": "\u212aate@example.com",
    "a Kelvin sign after it": "kate@\u212aite.example",
    "a Cyrillic letter before the @": "k\u0430te@example.com",
    "a fullwidth letter": "kate@\uff4bite.example",
    "a long s": "kate@e\u017fample.com",
}


@pytest.mark.parametrize("to", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_a_look_alike_is_no_address(to: str) -> None:
    """What would be folded to ASCII, or is no ASCII before the @, is refused on both surfaces."""
    client = shop()
    assert said(client.native.start(to)) == (400, "invalid_email")
    refused = client.start(to, "email")
    assert (*said(refused), refused.json["code"]) == (400, "invalid_email", 60200)
    assert client.world.outbox.sent == []


def test_a_domain_of_another_script_is_another_domain() -> None:
    """A Cyrillic letter in the domain makes another contact, which the mask shows."""
    client = shop()
    first, code = client.native.started("kate@example.com")
    reply = client.native.start("kate@ex\u0430mple.com")
    assert (reply.status, reply.json["to_masked"]) == (200, "k***@xn--exmple-4nf.com")
    assert reply.json["id"] != first
    assert said(client.native.check(first, code, to="kate@ex\u0430mple.com"))[1] == "invalid_otp"


def test_texts_of_an_app_on_both_surfaces() -> None:
    """Messages have the app's own texts and ids, whichever surface asks for them."""
    texts = {
        Purpose.PHONE_VERIFICATION: {
            ENGLISH: Wording(text="{service}: {code}", template_id="1107", entity_id="1101")
        },
        Purpose.EMAIL_VERIFICATION: {
            Language("es"): Wording(email="Hola, {code}", email_subject="{service} dice")
        },
    }
    world = World(messages=GettextMessages({}))
    client = shop(world, texts=texts)
    _, code = client.started(CustomFriendlyName="Acme Pharmacy")
    client.wait(60)
    client.native.started(PHONE, locale="hi")
    one, other = world.outbox.sent
    assert isinstance(one, Sms)
    assert isinstance(other, Sms)
    assert (one.text, one.template_id, one.entity_id) == (
        f"Acme Pharmacy: {code}", "1107", "1101",
    )  # fmt: skip
    assert (other.text, other.template_id) == (f"Acme Shop: {code}", "1107")
    client.started(ASHA, channel="email", Locale="es")
    client.native.started(SAME_MAILBOX, locale="es")
    for mail, sent in zip(world.outbox.sent[2:], world.outbox.codes[2:], strict=True):
        assert isinstance(mail, Mail)
        assert (mail.subject, mail.text) == ("Acme Shop dice", f"Hola, {sent}")

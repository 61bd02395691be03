"""Proofs of verifications, for the services of an app: docs/contract.md, 13.5."""

from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import MINUTE, SECOND, after
from hsp_otp.domain.purposes import Purpose
from hsp_otp.flows.verification_outcomes import Success
from hsp_otp.ports.tokens import AppProof
from tests.backend import Shop, shop
from tests.world import PHONE, START


def approved(told: Shop, verification_id: str, key: str | None = None) -> Success:
    """Check the code that was sent, which has to be right."""
    outcome = told.check(verification_id, told.world.outbox.codes[-1], key=key)
    assert isinstance(outcome, Success)
    return outcome


def test_what_a_proof_says() -> None:
    """It says for whom, who, what, how and when, for ten minutes from the success."""
    told = shop(proof_audience="acme-shop")
    sent = told.sent(subject="4711", purpose="password_reset")
    told.world.clock.advance(7 * SECOND)
    success = approved(told, sent.view.verification.id)
    assert success.proof == "app-proof-1"
    assert told.world.proofs.of_apps == [
        AppProof(
            audience="acme-shop",
            subject="4711",
            verification_id=sent.view.verification.id,
            contact=Contact(ContactKind.PHONE, PHONE),
            channel=Channel.SMS,
            purpose=Purpose.PASSWORD_RESET,
            issued_at=after(START, 7 * SECOND),
            expires_at=after(START, 7 * SECOND + 10 * MINUTE),
        )
    ]
    assert "app-proof" not in repr(success)


def test_a_backend_that_names_no_user() -> None:
    """The subject is the verification then."""
    told = shop(proof_audience="acme-shop")
    verification_id = told.sent().view.verification.id
    approved(told, verification_id)
    assert told.world.proofs.of_apps[0].subject == verification_id


def test_a_success_that_is_told_again() -> None:
    """Its proof is the same, with the same id and times."""
    told = shop(proof_audience="acme-shop")
    verification_id = told.sent().view.verification.id
    approved(told, verification_id, key="check-1")
    told.world.clock.advance(MINUTE)
    assert approved(told, verification_id, key="check-1").replayed
    first, second = told.world.proofs.of_apps
    assert first == second


def test_an_app_without_an_audience() -> None:
    """It gets no proofs."""
    told = shop()
    assert approved(told, told.sent().view.verification.id).proof is None
    assert told.world.proofs.of_apps == []

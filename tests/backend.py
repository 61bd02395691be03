"""A backend of an app, in a world of its own."""

from collections.abc import Mapping
from typing import Final

import attrs

from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import DAY, Duration
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.test_contacts import KeptTestContact, NotAdded
from hsp_otp.domain.verification_request import Given, Unacceptable
from hsp_otp.flows.app_requests import Backend
from hsp_otp.flows.test_contacts import ManagingTestContacts
from hsp_otp.flows.verification_outcomes import (
    Canceled,
    Found,
    NotFound,
    Over,
    Prospect,
    ResendOutcome,
    Sent,
    StartOutcome,
    VerificationCheckOutcome,
)
from tests.world import PHONE, START, World, run

RULES: Final = AppRules(service_name="Acme Shop", regions=("IN",))
SHOP: Final = App(
    id="shop-shop-shop-shop-00",
    account_id="acme",
    name="shop",
    rules=RULES,
    made_at=START,
    changed_at=START,
)

TEST_CODE: Final = "404042"
"""The code of a test contact."""

BACKEND: Final = Backend(
    api_key_id="a" * 32, apps={SHOP.id: SHOP}, request_id="request-of-the-shop"
)


@attrs.define
class Shop:
    """The backend of one app, and the world that it asks."""

    world: World = attrs.field(factory=World)
    app: App = SHOP
    others: tuple[App, ...] = ()

    @property
    def backend(self) -> Backend:
        """The backend, with its key."""
        return attrs.evolve(BACKEND, apps={app.id: app for app in (self.app, *self.others)})

    def start(
        self, to: str | None = PHONE, key: str | None = None, **given: object
    ) -> StartOutcome:
        """Start a verification."""
        asked = attrs.evolve(Given(to=to), **given)  # type: ignore[arg-type]
        sends = self.world.journeys.verification_sends
        return run(sends.start(self.app, asked, self.backend, key))

    def sent(self, to: str = PHONE, key: str | None = None, **given: object) -> Sent:
        """Start a verification, which has to be sent."""
        outcome = self.start(to, key, **given)
        assert isinstance(outcome, Sent)
        return outcome

    def add_test_contact(
        self, to: str = PHONE, code: str = TEST_CODE, lifetime: Duration = DAY
    ) -> KeptTestContact | NotAdded:
        """Make a number a test contact."""
        contact = Contact(ContactKind.PHONE, to)
        return run(self.managing.add(self.app, contact, Code(code), lifetime, "a review"))

    def remove_test_contact(self, to: str = PHONE) -> KeptTestContact | None:
        """Make a number an ordinary contact again."""
        contact = Contact(ContactKind.PHONE, to)
        return run(self.managing.remove(self.app, contact))

    @property
    def managing(self) -> ManagingTestContacts:
        """What an operator adds and removes test contacts with."""
        return ManagingTestContacts(
            register=self.world.test_contacts,
            clock=self.world.clock,
            randomness=self.world.randomness,
            fingerprints=self.world.journeys.verification.requests.fingerprints,
            codes=self.world.journeys.verification.requests.test_codes,
        )

    def resend(
        self, verification_id: str, channel: str | None = None, key: str | None = None
    ) -> ResendOutcome:
        """Send a code again."""
        sends = self.world.journeys.verification_sends
        return run(sends.resend(verification_id, channel, self.backend, key))

    def check(
        self,
        verification_id: str,
        text: str,
        *,
        client: str | None = None,
        to: str | None = None,
        bound_elsewhere: bool = False,
        key: str | None = None,
    ) -> VerificationCheckOutcome:
        """Check a code."""
        return run(
            self.world.journeys.verification.check(
                verification_id,
                text,
                self.backend,
                client=None if client is None else ClientAddress(client),
                to=to,
                bound_elsewhere=bound_elsewhere,
                idempotency_key=key,
            )
        )

    def cancel(self, verification_id: str) -> Canceled | NotFound | Over:
        """Cancel a verification."""
        return run(self.world.journeys.verification.cancel(verification_id, self.backend))

    def get(self, verification_id: str) -> Found | NotFound:
        """Ask what became of a verification."""
        return run(self.world.journeys.verification.get(verification_id, self.backend))

    def found(self, verification_id: str) -> Found:
        """Ask what became of a verification, which has to be there."""
        outcome = self.get(verification_id)
        assert isinstance(outcome, Found)
        return outcome

    def standing(self, to: str = PHONE, **given: object) -> Prospect | Unacceptable:
        """Ask what a start would meet."""
        asked = attrs.evolve(Given(to=to), **given)  # type: ignore[arg-type]
        sends = self.world.journeys.verification_sends
        return run(sends.standing(self.app, asked, self.backend))


def shop(*, policy: Policy | None = None, **rules: object) -> Shop:
    """A shop with other rules, or in a world of other numbers."""
    app = attrs.evolve(SHOP, rules=attrs.evolve(RULES, **rules))  # type: ignore[arg-type]
    return Shop(World() if policy is None else World(policy=policy), app)


def other_app(name: str, rules: Mapping[str, object] | None = None) -> App:
    """Another app."""
    return attrs.evolve(
        SHOP,
        id=f"{name:-<22}",
        name=name,
        rules=attrs.evolve(RULES, **(rules or {})),  # type: ignore[arg-type]
    )

"""What an unmodified backend does with Twilio's SDK for Python: docs/twilio-verify.md."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.verify.v2.service import ServiceInstance
from twilio.rest.verify.v2.service.verification import VerificationInstance
from twilio.rest.verify.v2.service.verification_check import VerificationCheckInstance

from tests.sdks.declared import unlike_declared
from tests.sdks.refusals import ROWS, Row
from tests.sdks.shop import (
    ACCOUNT,
    SERVICES,
    Backend,
    Site,
    new_address,
    new_number,
    played,
    refused,
    seconds_in,
)

SHOP: Final = SERVICES["shop"]


def test_a_verification(backend: Backend) -> None:
    """Started, and started again in the same verification; wrong, and right once."""
    first = backend.start()
    assert (first.status, first.valid, str(first.channel)) == ("pending", False, "sms")
    assert (first.to, first.account_sid, first.service_sid) == (backend.number, ACCOUNT, SHOP)
    backend.site.wait(31)
    again = backend.start()
    assert again.sid == first.sid
    assert [str(one["channel"]) for one in again.send_code_attempts or []] == ["SMS", "SMS"]
    assert backend.site.messages(backend.number) == 2
    wrong = backend.check("wrong")
    assert (wrong.sid, wrong.status, wrong.valid) == (first.sid, "pending", False)
    right = backend.check()
    assert (right.sid, right.status, right.valid) == (first.sid, "approved", True)
    assert (right.to, str(right.channel)) == (backend.number, "sms")


def test_an_email_address(backend: Backend) -> None:
    """It is verified as a number is, and compared without its case."""
    address = new_address()
    backend.number = address.title()
    started = backend.start(channel="email")
    assert (started.to, str(started.channel)) == (address, "email")
    assert [str(one["channel"]) for one in started.send_code_attempts or []] == ["EMAIL"]
    assert unlike_declared(started) == {}
    assert backend.fetch(address).sid == started.sid
    assert backend.check("wrong").status == "pending"
    right = backend.check()
    assert (right.sid, right.status, str(right.channel)) == (started.sid, "approved", "email")
    assert refused(partial(backend.fetch, address)).status == 404


def test_a_check_by_sid(backend: Backend) -> None:
    """A code is right for the verification that its sid names."""
    started = backend.start()
    assert backend.check("wrong", verification_sid=started.sid).status == "pending"
    assert backend.check(verification_sid=started.sid, to=new_number()).status == "pending"
    assert backend.check(verification_sid=started.sid, to=backend.number).status == "approved"


def test_a_code_of_another_length(backend: Backend) -> None:
    """From 4 to 10 characters, it is told like a wrong code, and costs no guess."""
    backend.start()
    for code in ("1234", "abcdef", "1234567890"):
        assert backend.check(code).status == "pending"
    assert backend.check("wrong").status == "pending"
    assert backend.check("wrong").status == "pending"
    assert backend.check().status == "approved"


def test_the_third_wrong_code(backend: Backend) -> None:
    """It is told like the others, and the right code no longer helps."""
    backend.start()
    assert [backend.check("wrong").status for _ in range(3)] == ["pending"] * 3
    assert refused(backend.check).code == 60202
    assert backend.fetch().status == "max_attempts_reached"


def test_looking(backend: Backend) -> None:
    """A verification is found by its number while it is pending, and by its sid afterwards too."""
    started = backend.start()
    for found in (backend.fetch(), backend.fetch(backend.number), started.fetch()):
        assert (found.sid, found.status, found.to) == (started.sid, "pending", backend.number)
    backend.check()
    assert (backend.fetch().status, backend.fetch().valid) == ("approved", True)
    assert refused(partial(backend.fetch, backend.number)).status == 404


def test_canceling(backend: Backend) -> None:
    """A canceled code is wrong for good; canceling again changes nothing."""
    started = backend.start()
    canceled: Any = "canceled"
    assert started.update(canceled).status == "canceled"
    assert backend.update(canceled).status == "canceled"
    assert refused(backend.check).status == 404
    assert backend.fetch().status == "canceled"


def test_canceling_by_number(backend: Backend) -> None:
    """The live verification of a number can be canceled, too."""
    started = backend.start()
    status: Any = "canceled"
    canceled = backend.context.verifications(backend.number).update(status=status)
    assert (canceled.sid, canceled.status) == (started.sid, "canceled")


def test_a_replaced_code(backend: Backend) -> None:
    """With less than two minutes left, a start makes a new verification; the old one is deleted."""
    first = backend.start()
    backend.site.wait(500)
    assert backend.start().sid != first.sid
    assert backend.fetch(first.sid).status == "deleted"
    assert backend.check().status == "approved"


def test_expiry(backend: Backend) -> None:
    """An expired code is 404 for a check by number or sid, and told by its sid as expired."""
    started = backend.start()
    backend.site.wait(601)
    assert refused(backend.check).status == 404
    assert refused(partial(backend.check, verification_sid=started.sid)).status == 404
    assert backend.fetch().status == "expired"


def test_services(site: Site) -> None:
    """Services are the apps of the key's account, all on one page."""
    client = site.client()
    services = client.verify.v2.services
    listed = services.list(page_size=1)
    assert {one.sid for one in listed} == {SERVICES[name] for name in ("shop", "kiosk", "stall")}
    assert [one.sid for one in services.list(limit=1)] == [listed[0].sid]
    (shop,) = site.client("shop").verify.v2.services.list()
    assert (shop.sid, shop.account_sid, shop.friendly_name) == (SHOP, ACCOUNT, "Acme Shop")
    assert (shop.code_length, shop.custom_code_enabled, shop.lookup_enabled) == (6, False, False)
    assert services(SHOP).fetch().friendly_name == "Acme Shop"
    assert shop.fetch().sid == SHOP


def test_errors_of_lists(site: Site) -> None:
    """The SDK's list() raises the parent of its exceptions, with the answer."""
    with pytest.raises(TwilioException) as caught:
        site.client("unknown").verify.v2.services.list()
    assert type(caught.value) is TwilioException
    assert caught.value.args[1].status_code == 401


def kinds(backend: Backend) -> list[object]:
    """Instances of every class, in every state in which callers meet them."""
    started = backend.start()
    wrong = backend.check("wrong")
    found = [started, wrong, backend.check(), backend.fetch(), backend.context.fetch()]
    found += backend.client.verify.v2.services.list()
    other = backend.site.backend()
    return [*found, other.start(), other.fetch(other.number), other.update("canceled")]


def test_types(backend: Backend) -> None:
    """Every attribute of an instance has the type that the SDK declares for it."""
    instances = kinds(backend)
    classes = {VerificationInstance, VerificationCheckInstance, ServiceInstance}
    assert {type(one) for one in instances} == classes
    assert [unlike_declared(one) for one in instances] == [{}] * len(instances)


def test_what_is_missing(backend: Backend) -> None:
    """Only what the service does not have is None."""
    none = [
        {name for name, value in vars(one).items() if value is None and not name.startswith("_")}
        for one in (backend.start(), backend.check(), backend.context.fetch())
    ]
    assert none == [
        {"amount", "payee", "sna"},
        {"amount", "payee"},
        {"tts_name", "push", "totp", "default_template_sid", "whatsapp", "passkeys"},
    ]


def test_times(backend: Backend) -> None:
    """Times are those of the service's clock, to the second."""
    now = datetime.fromisoformat(
        backend.site.server.post("/dev/clock/", {"advance_seconds": 0})["now"]
    )
    started = backend.start()
    assert started.date_created is not None
    assert 0 <= (started.date_created - now.astimezone(UTC)).total_seconds() + 1 < 60
    assert started.date_updated == started.date_created


def test_a_shops_own_names(backend: Backend) -> None:
    """A friendly name, a language, tags and an app's hash are taken over."""
    backend.start(
        custom_friendly_name="Acme Outlet", locale="es", tags='{"order": "A-17"}', app_hash="A" * 11
    )
    to = backend.number.replace("+", "%2B")
    (message,) = backend.site.server.get(f"/dev/outbox/?to={to}")["messages"]
    assert " es su clave de Acme Outlet. " in message["text"]
    assert message["text"].endswith("A" * 11)


def test_the_key_as_user(site: Site) -> None:
    """An API key's sid and the key, or its secret part, are the credentials of an API key."""
    key = site.keys["acme"]
    user = f"SK{key.split('_')[1]}"
    for password in (key, key[40:83]):
        client = Client(user, password, ACCOUNT)
        client.verify.base_url = site.base
        assert client.verify.v2.services(SHOP).fetch().sid == SHOP


# The SDK uses what aiohttp will remove in its next major version.
@pytest.mark.filterwarnings(
    "ignore:.*deprecated and will be removed in (aiohttp 4|v4):DeprecationWarning"
)
def test_the_asynchronous_client(site: Site) -> None:
    """All calls have their asynchronous forms."""
    number = new_number()

    async def verify() -> list[Any]:
        async with AsyncTwilioHttpClient() as http:
            service = site.client(http_client=http).verify.v2.services(SHOP)
            started = await service.verifications.create_async(to=number, channel="sms")
            code = site.code(number)
            found = await service.verifications(number).fetch_async()
            right = await service.verification_checks.create_async(to=number, code=code)
            with pytest.raises(TwilioRestException) as caught:
                await service.verification_checks.create_async(to=number, code=code)
            services = await site.client(http_client=http).verify.v2.services.list_async()
            return [started.sid == found.sid, right.status, caught.value.code, len(services)]

    assert asyncio.run(verify()) == [True, "approved", 20404, 3]


@pytest.mark.parametrize("place", [{"region": "ie1"}, {"edge": "dublin"}])
def test_regions(place: dict[str, str]) -> None:
    """With a region or an edge, the SDK would ask another host."""
    url = "https://otp.example.com/v2/Services"
    assert Client(ACCOUNT, "secret").get_hostname(url) == url
    assert Client(ACCOUNT, "secret", **place).get_hostname(url) != url


class Elsewhere(TwilioHttpClient):
    """An HTTP client that replaces the host, and adds an idempotency key."""

    def __init__(self, base: str, key: str) -> None:
        super().__init__()
        self.base = base
        self.key = key

    def request(self, method: str, url: str, **more: Any) -> Response:  # type: ignore[override]  # noqa: ANN401 - of the SDK
        """Make a request of the service instead."""
        scheme, host, *_ = urlsplit(self.base)
        url = urlunsplit((scheme, host, *urlsplit(url)[2:]))
        more["headers"] = (more.get("headers") or {}) | {"Idempotency-Key": self.key}
        return super().request(method, url, **more)


def test_an_http_client_of_ones_own(site: Site) -> None:
    """It can replace the host, and make a double click one message."""
    client = Client(ACCOUNT, site.keys["acme"], http_client=Elsewhere(site.base, "checkout-17"))
    backend = Backend(site=site, client=client, service_sid=SHOP)
    first, again = backend.start(), backend.start()
    assert again.sid == first.sid
    assert site.messages(backend.number) == 1
    refusal = refused(partial(backend.start, new_number()))
    assert (refusal.status, refusal.code) == (400, 60200)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_refusal(sites: dict[str, Site], row: Row) -> None:
    """Each error raises TwilioRestException, with the status, the code and the details."""
    error = played(sites[row.site].backend(row.key, row.service), row)
    details: Any = error.details
    assert (error.status, error.code) == (row.status, row.code)
    assert row.details.items() <= details.items()
    assert details["request_id"]
    seconds = details.get("retry_after_seconds")
    assert (seconds is not None) is row.waits
    if seconds is not None:
        assert abs(seconds_in(error.msg) - seconds) <= 1

"""
The errors that the contract lists for Twilio's clients, and what a backend does to meet each.

The SDK for Python and the one for Node both go through this table.
"""

from typing import Any, Final

import attrs

Step = tuple[str, dict[str, Any]]
"""
What a backend does, with the SDK's parameters by their names in Python: ``start``, ``check``,
``fetch``, ``update``, ``service``, ``new_service``, ``delete_service``, ``rate_limit``, ``wait``,
or ``fail``, a start that no sender takes.

Unless it says otherwise, a step is about the number of the row, by SMS, and the verification that
was started last; ``other`` is another number, ``mail`` an e-mail address, and ``first`` the
verification that was started first.
"""

START: Final[Step] = ("start", {})
RIGHT: Final[Step] = ("check", {})
WRONG: Final[Step] = ("check", {"code": "wrong"})
FETCH: Final[Step] = ("fetch", {})
CANCEL: Final[Step] = ("update", {"status": "canceled"})

UNKNOWN: Final = "VE" + "0" * 32


def start(**given: Any) -> Step:  # noqa: ANN401 - of the SDK
    """Start a verification with these parameters."""
    return "start", given


def check(**given: Any) -> Step:  # noqa: ANN401 - of the SDK
    """Present a code with these parameters."""
    return "check", given


def wait(seconds: int) -> Step:
    """Turn the sandbox's clock."""
    return "wait", {"seconds": seconds}


@attrs.frozen(kw_only=True)
class Row:
    """
    A refusal.

    Attributes:
        steps: What leads to it; all but the last one succeed.
        details: Members of the error's details.
        waits: Whether it tells in how many seconds the step would be admitted.
        key: The name of the API key.
        service: The name of the app.
        site: The site where it happens.
    """

    name: str
    steps: tuple[Step, ...]
    status: int
    code: int
    details: dict[str, Any]
    waits: bool = False
    key: str = "acme"
    service: str = "shop"
    site: str = "site"


ROWS: Final = (
    Row(
        name="start-unknown-key",
        steps=(START,),
        status=401,
        code=20003,
        details={"error": "unauthorized"},
        key="unknown",
    ),
    Row(
        name="start-without-scope",
        steps=(START,),
        status=403,
        code=20403,
        details={"error": "forbidden"},
        key="checking",
    ),
    Row(
        name="start-other-account",
        steps=(START,),
        status=404,
        code=20404,
        details={"error": "app_not_found"},
        service="bank",
    ),
    Row(
        name="start-other-app",
        steps=(START,),
        status=404,
        code=20404,
        details={"error": "app_not_found"},
        key="shop",
        service="kiosk",
    ),
    Row(
        name="start-without-to",
        steps=(start(to=""),),
        status=400,
        code=60200,
        details={"error": "to_required"},
    ),
    Row(
        name="start-malformed-to",
        steps=(start(to="12"),),
        status=400,
        code=60200,
        details={"error": "invalid_phone"},
    ),
    Row(
        name="start-without-channel",
        steps=(start(channel=""),),
        status=400,
        code=60200,
        details={"error": "missing_fields"},
    ),
    Row(
        name="start-unknown-channel",
        steps=(start(channel="sna"),),
        status=400,
        code=60200,
        details={"error": "channel_not_available"},
    ),
    Row(
        name="start-channel-of-no-app",
        steps=(start(channel="call"),),
        status=400,
        code=60223,
        details={"error": "channel_not_available"},
    ),
    Row(
        name="start-malformed-device-ip",
        steps=(start(device_ip="1.2.3"),),
        status=400,
        code=60200,
        details={"error": "invalid_client_ip"},
    ),
    Row(
        name="start-unknown-rate-limit",
        steps=(start(rate_limits={"nobody": "1"}),),
        status=400,
        code=60200,
        details={"error": "invalid_limits"},
    ),
    Row(
        name="start-send-digits",
        steps=(start(send_digits="1234"),),
        status=400,
        code=60200,
        details={"error": "malformed_request"},
    ),
    Row(
        name="start-custom-code",
        steps=(start(custom_code="123456"),),
        status=403,
        code=60204,
        details={"error": "forbidden"},
    ),
    Row(
        name="start-other-region",
        steps=(start(to="+33612345678"),),
        status=403,
        code=60605,
        details={"error": "region_not_allowed"},
    ),
    Row(
        name="start-landline",
        steps=(start(to="+442079460123"),),
        status=403,
        code=60205,
        details={"error": "invalid_phone"},
    ),
    Row(
        name="start-mail-without-sender",
        steps=(start(to="asha@example.com", channel="email"),),
        status=400,
        code=60217,
        details={"error": "channel_not_available"},
        site="broken",
    ),
    Row(
        name="start-amount-without-payee",
        steps=(start(amount="39.99"),),
        status=400,
        code=60206,
        details={"error": "missing_fields"},
    ),
    Row(
        name="start-number-used-up",
        steps=(START, START),
        status=429,
        code=60203,
        details={"error": "phone_rate_limited"},
        waits=True,
        service="kiosk",
    ),
    Row(
        name="start-mailbox-used-up",
        steps=(start(to="mail", channel="email"), start(to="mail", channel="email")),
        status=429,
        code=60203,
        details={"error": "email_rate_limited"},
        waits=True,
        service="kiosk",
    ),
    Row(
        name="start-malformed-mail",
        steps=(start(to="asha@example", channel="email"),),
        status=400,
        code=60200,
        details={"error": "invalid_email"},
    ),
    Row(
        name="start-mail-by-sms",
        steps=(start(to="mail"),),
        status=400,
        code=60223,
        details={"error": "channel_not_available"},
    ),
    Row(
        name="start-too-soon",
        steps=(START, START),
        status=429,
        code=60212,
        details={"error": "resend_too_soon"},
        waits=True,
    ),
    Row(
        name="start-app-used-up",
        steps=(wait(61), START, start(to="other")),
        status=429,
        code=20429,
        details={"error": "app_rate_limited"},
        waits=True,
        service="stall",
    ),
    Row(
        name="start-client-used-up",
        steps=(
            wait(3601),
            start(device_ip="203.0.113.7"),
            start(to="other", device_ip="203.0.113.7"),
        ),
        status=429,
        code=20429,
        details={"error": "rate_limited"},
        waits=True,
    ),
    Row(
        name="start-named-limit-used-up",
        steps=(
            wait(601),
            start(rate_limits={"user": "4711"}),
            start(to="other", rate_limits={"user": "4711"}),
        ),
        status=429,
        code=20429,
        details={"error": "named_limit"},
        waits=True,
    ),
    Row(
        name="start-locked",
        steps=(
            *(START, WRONG, WRONG, WRONG, wait(31)) * 5,
            START,
        ),
        status=429,
        code=60202,
        details={"error": "locked_out"},
        waits=True,
    ),
    Row(
        name="start-no-sender",
        steps=(START,),
        status=503,
        code=20503,
        details={"error": "delivery_failed"},
        site="broken",
    ),
    Row(
        name="start-store-away",
        steps=(START,),
        status=503,
        code=20503,
        details={"error": "unavailable"},
        waits=True,
        site="away",
    ),
    Row(
        name="check-unknown-key",
        steps=(check(code="123456"),),
        status=401,
        code=20003,
        details={"error": "unauthorized"},
        key="unknown",
    ),
    Row(
        name="check-without-scope",
        steps=(START, check(code="123456")),
        status=403,
        code=20403,
        details={"error": "forbidden"},
        key="starting",
    ),
    Row(
        name="check-without-code",
        steps=(START, check(code="")),
        status=400,
        code=60200,
        details={"error": "missing_fields"},
    ),
    Row(
        name="check-short-code",
        steps=(START, check(code="123")),
        status=400,
        code=60200,
        details={"error": "malformed_otp"},
    ),
    Row(
        name="check-of-nothing",
        steps=(START, check(verification_sid="")),
        status=400,
        code=60221,
        details={"error": "missing_fields"},
    ),
    Row(
        name="check-unknown-sid",
        steps=(START, check(verification_sid=UNKNOWN)),
        status=404,
        code=20404,
        details={"error": "verification_not_found"},
    ),
    Row(
        name="check-unknown-number",
        steps=(check(code="123456"),),
        status=404,
        code=20404,
        details={"error": "verification_not_found"},
    ),
    Row(
        name="check-approved",
        steps=(START, RIGHT, RIGHT),
        status=404,
        code=20404,
        details={"status": "approved"},
    ),
    Row(
        name="check-canceled",
        steps=(START, CANCEL, RIGHT),
        status=404,
        code=20404,
        details={"status": "canceled"},
    ),
    Row(
        name="check-expired",
        steps=(START, wait(601), RIGHT),
        status=404,
        code=20404,
        details={"status": "expired"},
    ),
    Row(
        name="check-replaced",
        steps=(START, wait(500), START, check(verification_sid="first")),
        status=404,
        code=20404,
        details={"status": "deleted"},
    ),
    Row(
        name="check-failed",
        steps=(("fail", {}), check(code="123456")),
        status=404,
        code=20404,
        details={"status": "failed"},
        site="broken",
    ),
    Row(
        name="check-guesses-used-up",
        steps=(START, WRONG, WRONG, WRONG, RIGHT),
        status=429,
        code=60202,
        details={"error": "too_many_attempts"},
    ),
    Row(
        name="check-locked",
        steps=(
            *(START, WRONG, WRONG, WRONG, wait(31)) * 4,
            *(START, WRONG, WRONG, WRONG),
            RIGHT,
        ),
        status=429,
        code=60202,
        details={"error": "locked_out"},
        waits=True,
    ),
    Row(
        name="check-client-used-up",
        steps=(wait(3601), start(device_ip="203.0.113.7"), WRONG, RIGHT),
        status=429,
        code=20429,
        details={"error": "rate_limited"},
        waits=True,
        service="stall",
    ),
    Row(
        name="fetch-unknown-sid",
        steps=(FETCH,),
        status=404,
        code=20404,
        details={"error": "verification_not_found"},
    ),
    Row(
        name="fetch-number-without-verification",
        steps=(("fetch", {"sid": "number"}),),
        status=404,
        code=20404,
        details={"error": "verification_not_found"},
    ),
    Row(
        name="update-approved",
        steps=(START, ("update", {"status": "approved"})),
        status=403,
        code=60204,
        details={"error": "forbidden"},
    ),
    Row(
        name="update-unknown",
        steps=(START, ("update", {"status": "pending"})),
        status=400,
        code=60200,
        details={"error": "malformed_request"},
    ),
    Row(
        name="update-ended",
        steps=(START, RIGHT, CANCEL),
        status=404,
        code=20404,
        details={"status": "approved"},
    ),
    Row(
        name="update-unknown-sid",
        steps=(CANCEL,),
        status=404,
        code=20404,
        details={"error": "verification_not_found"},
    ),
    Row(
        name="service-other-account",
        steps=(("service", {}),),
        status=404,
        code=20404,
        details={"error": "app_not_found"},
        service="bank",
    ),
    Row(
        name="service-new",
        steps=(("new_service", {}),),
        status=403,
        code=20403,
        details={"error": "forbidden"},
    ),
    Row(
        name="service-delete",
        steps=(("delete_service", {}),),
        status=403,
        code=20403,
        details={"error": "forbidden"},
    ),
    Row(
        name="not-offered",
        steps=(("rate_limit", {}),),
        status=404,
        code=20404,
        details={"error": "not_found"},
    ),
)

"""What the OpenAPI document says of the routes for Twilio's clients."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from hsp_otp.domain.apps import MOST_APPS
from hsp_otp.entrypoints.http.openapi import (
    EVERYWHERE,
    EXAMPLES,
    REQUEST_ID,
    WITH_BODY,
    Examples,
)
from hsp_otp.entrypoints.http.problems import UNAVAILABLE
from hsp_otp.entrypoints.http.twilio_verify.bodies import SERVICES
from hsp_otp.entrypoints.http.twilio_verify.problems import (
    KEY_FAULTS,
    Fault,
    FaultBody,
    FaultDetails,
    fault_of,
)

_SERVICE: Final = "VA000102030405060708090a0b0c0d0e0f"
_URL: Final = f"https://otp.example.com{SERVICES}/{_SERVICE}"

_MEMBERS_EXAMPLE: Final = {
    "sid": "VE688ec7a66c0fafe4ab1205262c4a0f5d",
    "service_sid": _SERVICE,
    "account_sid": "ACf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    "to": "+919876543210",
    "channel": "sms",
    "status": "pending",
    "valid": False,
    "amount": None,
    "payee": None,
    "date_created": "2026-11-29T15:00:00Z",
    "date_updated": "2026-11-29T15:00:00Z",
}

START: Final = {"To": "+919876543210", "Channel": "sms", "Locale": "en-IN"}
"""An example for the document, and so are the ones below."""

CHECK: Final = {"To": "+919876543210", "Code": "758239"}

VERIFICATION_EXAMPLE: Final = _MEMBERS_EXAMPLE | {
    "lookup": {"carrier": None},
    "send_code_attempts": [
        {
            "time": "2026-11-29T15:00:00Z",
            "channel": "SMS",
            "attempt_sid": "VL266eae9198d9c50f0ccd99e2077dd962",
        }
    ],
    "sna": None,
    "url": f"{_URL}/Verifications/VE688ec7a66c0fafe4ab1205262c4a0f5d",
}

CHECK_EXAMPLE: Final = _MEMBERS_EXAMPLE | {
    "status": "approved",
    "valid": True,
    "date_updated": "2026-11-29T15:00:20Z",
    "sna_attempts_error_codes": list[str](),
}

SERVICE_EXAMPLE: Final = {
    "sid": _SERVICE,
    "account_sid": "ACf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    "friendly_name": "Acme Shop",
    "code_length": 6,
    "lookup_enabled": False,
    "psd2_enabled": False,
    "skip_sms_to_landlines": True,
    "dtmf_input_required": True,
    "tts_name": None,
    "do_not_share_warning_enabled": True,
    "custom_code_enabled": False,
    "push": None,
    "totp": None,
    "default_template_sid": None,
    "whatsapp": None,
    "passkeys": None,
    "verify_event_subscription_enabled": False,
    "date_created": "2026-11-01T09:00:00Z",
    "date_updated": "2026-11-01T09:00:00Z",
    "url": _URL,
    "links": {
        "verifications": f"{_URL}/Verifications",
        "verification_checks": f"{_URL}/VerificationCheck",
    },
}

SERVICES_EXAMPLE: Final = {
    "services": [SERVICE_EXAMPLE],
    "meta": {
        "page": 0,
        "page_size": MOST_APPS,
        "first_page_url": f"https://otp.example.com{SERVICES}",
        "previous_page_url": None,
        "url": f"https://otp.example.com{SERVICES}",
        "next_page_url": None,
        "key": "services",
    },
}

_DETAILS: Final[Mapping[str, dict[str, Any]]] = {
    "delivery_failed": {"resend_in": 0},
    "idempotency_in_progress": {"retry_after_seconds": 1},
    "otp_expired": {"resend_in": 12, "status": "expired"},
    "resend_too_soon": {"retry_after_seconds": 27},
    "too_many_attempts": {"resend_in": 12},
    "unavailable": {"retry_after_seconds": 2},
}
_WAIT: Final = {"retry_after_seconds": 1800}

_PARAMETER: Final = {"type": "string"}


def described(
    *faults: Fault,
    success: dict[str, Any],
    form: dict[str, str] | None = None,
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> dict[str, Any]:
    """
    The arguments of a route's decorator that describe its answers, each with an example.

    Args:
        faults: The route's own; those of every route come on top.
        success: What it answers otherwise.
        form: A form that it takes, if it takes one.
        required: The parameters that the form has to have.
        optional: The others.
    """
    common = (*EVERYWHERE, UNAVAILABLE, *(() if form is None else WITH_BODY))
    told: dict[int, dict[str, Fault]] = {}
    for one in (*faults, *KEY_FAULTS, *map(fault_of, common)):
        name = f"{one.code} {one.problem.error}"
        told.setdefault(one.problem.status, {}).setdefault(name, one)
    schema = None
    if form is not None:
        names = (*required, *optional)
        schema = {
            "type": "object",
            "properties": dict.fromkeys(names, _PARAMETER),
            "required": list(required),
        }
    return {
        "tags": ["twilio verify"],
        "security": [{"appBasic": []}, {"appKey": []}],
        "responses": {
            status: ResponseSpec(
                FaultBody,
                generate_examples=False,
                description=f"{HTTPStatus(status).phrase}: {', '.join(named)}",
                media_type="application/json",
                examples=[_example(name, one) for name, one in named.items()],
            )
            for status, named in sorted(told.items())
        },
        "opt": {EXAMPLES: Examples(form, [success], form=schema)},
    }


def _example(name: str, fault: Fault) -> Example:
    """Return the answer to *fault*; the word's sentence is added later."""
    word, is_limit = fault.problem.error, fault.problem.status == HTTPStatus.TOO_MANY_REQUESTS
    members = _DETAILS.get(word, _WAIT if is_limit else {})
    details = FaultDetails(error=word, request_id=REQUEST_ID, **members)
    body = FaultBody.of(fault, fault.problem.reason or "", details)
    return Example(summary=name, value=msgspec.to_builtins(body))

"""The two surfaces of the verification API together, and many calls of the SDK at once."""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from twilio.base.exceptions import TwilioRestException

from tests.sdks.shop import Backend, Site, id_of, new_address, new_number, refused, sid_of

CALLERS: Final = 50
PAIRS: Final = 1000
PAIRS_SECONDS: Final = 60


def test_started_natively(backend: Backend) -> None:
    """The SDK finds and checks what the JSON API has started, by its sid and by its number."""
    site = backend.site
    started = site.native("verifications", to=backend.number, app="shop")
    sid = sid_of(started["id"])
    assert (backend.fetch(sid).status, backend.fetch(backend.number).sid) == ("pending", sid)
    assert backend.check("wrong", verification_sid=sid).status == "pending"
    assert backend.check().sid == sid
    found: Any = site.native_get(f"verifications/{started['id']}")
    assert (found["status"], [one["event"] for one in found["events"]]) == (
        "approved",
        ["send", "check", "check"],
    )


def test_checked_natively(backend: Backend) -> None:
    """The JSON API checks what the SDK has started, and the SDK tells that it is approved."""
    site = backend.site
    started = backend.start()
    assert started.sid is not None
    right = site.native(f"verifications/{id_of(started.sid)}/check", code=site.code(backend.number))
    assert right["valid"] is True
    assert backend.fetch().status == "approved"
    assert refused(backend.check).details["status"] == "approved"  # type: ignore[index]


@pytest.mark.parametrize("made", [new_number, new_address])
def test_a_code_of_one_purpose_is_wrong_for_every_other(
    backend: Backend, made: Callable[[], str]
) -> None:
    """Through the SDK and the sandbox: for one contact, only the code for its own purpose."""
    site, contact = backend.site, made()
    own = "email_verification" if "@" in contact else "phone_verification"
    codes, sids = dict[str, str](), dict[str, str | None]()
    for purpose in (own, "login_verification", "password_reset"):
        started = site.native("verifications", to=contact, app="shop", purpose=purpose)
        codes[purpose], sids[purpose] = site.code(contact), sid_of(started["id"])
    for one, other in itertools.permutations(codes, 2):
        if codes[one] != codes[other]:
            told = backend.check(codes[one], verification_sid=sids[other])
            assert (told.status, told.valid) == ("pending", False)
    for purpose, code in codes.items():
        assert backend.check(code, verification_sid=sids[purpose]).status == "approved"


def test_a_login_by_e_mail(site: Site) -> None:
    """It is refused unless the row of the app allows it, and the proof says the channel."""
    error = refused(partial(site.backend(service="stall").start, new_address(), "email"))
    assert (error.status, error.code) == (400, 60200)
    assert error.details["error"] == "purpose_not_available"  # type: ignore[index]
    address = new_address()
    login = {"to": address, "purpose": "login_verification"}
    started = site.native("verifications", app="shop", **login)
    right = site.native(f"verifications/{started['id']}/check", code=site.code(address))
    claims = jwt.decode(right["proof"], options={"verify_signature": False})
    assert (claims["purpose"], claims["channel"], claims["amr"]) == (
        *("login_verification", "email"),
        ["otp"],
    )
    assert (claims["email"], claims["email_verified"]) == (address, True)


def test_fifty_right_codes_at_once(backend: Backend) -> None:
    """One of them is approved; to all others the verification has ended."""
    backend.start()
    code, site = backend.site.code(backend.number), backend.site
    begun = threading.Barrier(CALLERS)

    def check() -> object:
        own = Backend(
            site=site, client=site.client(), service_sid=backend.service_sid, number=backend.number
        )
        begun.wait()
        try:
            return own.check(code).status
        except TwilioRestException as error:
            return error.status, error.code

    with ThreadPoolExecutor(CALLERS) as callers:
        told = Counter(one.result() for one in [callers.submit(check) for _ in range(CALLERS)])
    assert told == {"approved": 1, (404, 20404): CALLERS - 1}


def test_a_thousand_verifications(site: Site) -> None:
    """
    A job that tests a backend offline starts and checks a thousand in a minute of one core's time.

    It is counted by processor time, the service's included, which does not depend on what else the
    machine does.
    """
    context, workers = site.backend().context, site.server.workers()
    assert len(workers) == 2
    began = time.process_time() + sum(map(cpu_seconds, workers))
    for _ in range(PAIRS):
        number = new_number()
        context.verifications.create(to=number, channel="sms")
        code = site.code(number)
        assert context.verification_checks.create(to=number, code=code).status == "approved"
    ended = time.process_time() + sum(map(cpu_seconds, workers))
    assert ended - began < PAIRS_SECONDS


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken; only on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

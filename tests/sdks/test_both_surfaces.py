"""The two surfaces of the verification API together, and many calls of the SDK at once."""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from twilio.base.exceptions import TwilioRestException

from tests.sdks.shop import Backend, Site, id_of, new_number, refused, sid_of

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

"""The worker that solves proof of work, under the policy of the pages."""

import secrets
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, Route

from hsp_otp.adapters.proof_of_work import AltchaProofOfWork
from hsp_otp.adapters.secret_keys import WORK_CHALLENGES, WORK_SOLUTIONS, ring
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import Key
from hsp_otp.domain.work import Solved
from hsp_otp.entrypoints.pages.page import POLICY
from hsp_otp.ports.proof_of_work import ProofOfWork, Work

NOW: Final = Instant(1_767_225_600_000_000)
ENDS: Final = Instant(NOW + 300_000_000)
SCRIPT: Final = (files("hsp_otp.entrypoints.pages") / "static" / "work.js").read_text("utf-8")

SOLVE: Final = """work => new Promise((resolve) => {
    const [worker, progress] = [new Worker("/work.js"), []];
    worker.onmessage = ({ data }) => {
        if ("done" in data) progress.push(data);
        else resolve({ ...data, progress });
    };
    worker.onerror = ({ message }) => resolve({ failed: message, progress });
    worker.postMessage(work);
})"""

CANCEL: Final = """work => new Promise((resolve) => {
    const worker = new Worker("/work.js");
    let told = 0;
    worker.onmessage = () => {
        told += 1;
        worker.terminate();
        setTimeout(() => resolve(told), 500);
    };
    worker.postMessage(work);
})"""


@pytest.fixture(scope="module")
def works() -> ProofOfWork:
    """Work under a key that nobody else has."""
    keys = (Key("k", secrets.token_bytes(32)),)
    return AltchaProofOfWork(
        challenges=ring(keys, WORK_CHALLENGES), solutions=ring(keys, WORK_SOLUTIONS)
    )


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Page]:
    """An empty page with the policy, which may start the worker."""
    context = browser.new_context()

    def answer(route: Route) -> None:
        script = route.request.url.endswith("/work.js")
        route.fulfill(
            body=SCRIPT if script else "<!doctype html><title>Work</title>",
            content_type="text/javascript" if script else "text/html",
            headers={"Content-Security-Policy": POLICY},
        )

    context.route("**/*", answer)
    page = context.new_page()
    page.goto("http://localhost/")
    yield page
    context.close()


def told(work: Work, **changes: object) -> dict[str, Any]:
    """What the worker is posted."""
    return {"parameters": {**work.parameters, **changes}, "signature": work.signature}


def test_the_worker_solves_what_is_posed(open_page: Page, works: ProofOfWork) -> None:
    """What the worker sends is accepted, and progress is told until then."""
    work = works.pose("a number", 3, ENDS, secrets.token_bytes(8))
    found = open_page.evaluate(SOLVE, told(work))
    assert works.judge(found["payload"], "a number", NOW) == Solved(
        nonce=str(work.parameters["nonce"]), level=3, expires_at=ENDS
    )
    assert {one["expected"] for one in found["progress"]} == {4000}
    done = [one["done"] for one in found["progress"]]
    assert done == sorted(set(done))


def test_progress_is_told_against_the_seconds(open_page: Page, works: ProofOfWork) -> None:
    """An operator may have made the first level longer: the seconds that were told count."""
    work = works.pose("a number", 3, ENDS, bytes(8))
    found = open_page.evaluate(SOLVE, {**told(work), "seconds": 20})
    assert {one["expected"] for one in found["progress"]} == {20_000}


def test_terminating_the_worker_cancels(open_page: Page, works: ProofOfWork) -> None:
    """Once it has been terminated, the worker tells nothing more."""
    work = works.pose("a number", 6, ENDS, bytes(8))
    assert open_page.evaluate(CANCEL, told(work)) == 1


def test_an_unknown_algorithm_is_told(open_page: Page, works: ProofOfWork) -> None:
    """The worker does not try what it does not know."""
    work = works.pose("a number", 1, ENDS, bytes(8))
    found = open_page.evaluate(SOLVE, told(work, algorithm="ARGON2ID"))
    assert found["failed"] == "Error: unknown algorithm ARGON2ID"


def test_the_failure_is_told_where_there_is_no_subtle_crypto(
    open_page: Page, works: ProofOfWork
) -> None:
    """A page without https, other than this machine's, has no SubtleCrypto."""
    open_page.goto("http://otp.example.com/")
    found = open_page.evaluate(SOLVE, told(works.pose("a number", 1, ENDS, bytes(8))))
    assert "payload" not in found
    assert found["failed"].startswith("TypeError")

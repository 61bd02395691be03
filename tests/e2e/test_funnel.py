"""The funnel of two workers, as an operator asks for it: docs/funnel.md."""

import csv
import io
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.e2e.server import Server, command, until
from tests.e2e.sessions import DEMO, NO_LIMITS, csrf_token, generated_keys, prove, sign_up
from tests.e2e.test_ops import PASSWORD, Browser

pytestmark = pytest.mark.timeout(240)

SIGNUP: Final = "/users/signup/"
MODE: Final = {"MODE": "development"}
COLUMNS: Final = (
    *("opened", "number_entered", "sent", "delivered", "code_entered", "verified", "handed_over"),
    *("resends", "corrections"),
)


def phone(place: int) -> str:
    """A number of India, then one of Spain."""
    return f"+9198765432{place:02d}" if place < 5 else f"+346123456{place:02d}"


@attrs.frozen
class Report:
    """The commands in a folder."""

    folder: Path

    def ask(self, *arguments: str) -> str:
        """What a command prints."""
        done = command(self.folder, *arguments, **MODE)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def rows(self, *arguments: str) -> list[Mapping[str, str]]:
        """A report in CSV."""
        return list(csv.DictReader(io.StringIO(self.ask("report", "funnel", "--csv", *arguments))))

    def audited(self) -> Counter[tuple[str, str]]:
        """The requests of the audit, by flow and outcome."""
        found: Counter[tuple[str, str]] = Counter()
        for line in self.ask("audit", "list", "--json").splitlines():
            row = json.loads(line)
            found[row["flow"], row["outcome"]] += row["count"]
        return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """
    After ten visits, half of them from start to end, at two workers of which one is killed.

    Each visitor opens the page twice and signs up by the API; one corrects a number, one asks for
    another code, and one goes through the page.
    """
    folder = tmp_path_factory.mktemp("funnel")
    settings = {"WORKERS": "2", "SIGNUP_REGIONS": "IN,ES", "OPS_PASSWORD": PASSWORD, **NO_LIMITS}
    with Server(folder, **settings) as server:
        token = csrf_token(generated_keys(folder))
        for place in range(10):
            browser = Browser(server)
            for _ in range(2):
                assert browser.ask("GET", SIGNUP)[0] == 200
            sent = sign_up(server, phone(place), token)
            assert sent.status == 200
            if place == 1:
                assert sign_up(server, phone(place), token, sent["session_id"]).status == 200
            if place == 2:
                assert sign_up(server, phone(9), token, sent["session_id"]).status == 200
            if place == 4:
                until(lambda: written(folder) == 5)
                os.kill(server.workers()[0], signal.SIGKILL)
                until(lambda: len(server.workers()) == 2)
            if place % 2 == 0:
                code = server.message_to(phone(9 if place == 2 else place)).code
                wrong = f"{(int(code) + 1) % 1_000_000:06d}"
                assert prove(server, sent["session_id"], wrong, token).status == 400
                assert prove(server, sent["session_id"], code, token).status == 200
        assert sign_up(server, "12", token).status == 400
        visitor = Browser(server)
        visitor.ask("GET", SIGNUP)
        assert visitor.post(SIGNUP, do="send", phone=phone(3), region="IN")[0] == 303
        code = server.message_to(phone(3)).code
        assert visitor.ask("GET", SIGNUP)[0] == 200
        session = visitor.cookies["signup_session"]
        assert visitor.post(SIGNUP, do="verify", session_id=session, otp=code)[0] == 303
        assert server.validate(DEMO).status == 200
        operator = Browser(server)
        assert operator.sign_in() == 303
        status, page = operator.ask("GET", "/ops/")
        assert (status, "From the page to the proof" in page) == (200, True)
        assert server.stop() == 0
        assert [one for one in server.complaints if "worker_ended" not in one] == []
    return Report(folder)


def written(folder: Path) -> int:
    """The pages of which the database knows."""
    rows = Report(folder).rows()
    return sum(int(row["opened"]) for row in rows)


def test_the_figures(report: Report) -> None:
    """By day, in CSV with a fixed header; the error words have a column each."""
    (signup, login) = sorted(report.rows(), key=lambda row: row["flow"], reverse=True)
    assert tuple(signup)[: 2 + len(COLUMNS)] == ("day", "flow", *COLUMNS)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", signup["day"])
    assert [int(signup[name]) for name in COLUMNS] == [11, 12, 13, 0, 6, 6, 5, 1, 1]
    lost = {name: float(share) for name, share in signup.items() if name.startswith("lost_")}
    assert lost == {
        "lost_check_invalid_otp": 45.5,
        "lost_send_invalid_phone": 7.1,
    }
    assert (login["flow"], login["sent"]) == ("pass_login", "0")


def test_they_agree_with_the_audit(report: Report) -> None:
    """Whichever worker wrote them, and though one was killed."""
    told = report.audited()
    (signup,) = (row for row in report.rows() if row["flow"] == "signup")
    assert int(signup["sent"]) == told["signup", "sent"]
    assert int(signup["verified"]) == told["signup", "verified"]


def test_by_country_and_language(report: Report) -> None:
    """The most codes sent first; what has no number is of an unknown country."""
    countries = [row for row in report.rows("--by", "country") if row["flow"] == "signup"]
    assert [(row["country"], row["sent"]) for row in countries] == [
        *(("IN", "7"), ("ES", "6"), ("unknown", "0")),
    ]
    assert countries[-1]["opened"] == "11"
    (language,) = (row for row in report.rows("--by", "language") if row["flow"] == "signup")
    assert (language["language"], language["sent"]) == ("en", "13")


def test_for_people(report: Report) -> None:
    """A table for each flow with its sum, and the error words with their shares."""
    told = report.ask("report", "funnel", "--since", "7d")
    assert told.startswith("Pass login:")
    assert re.search(r"\nall +11 +12 +13 +0 +6 +6 +5 +1 +1 *\n", told)
    assert re.search(r"\nentering a code +invalid_otp +5 +45\.5 % *\n", told)


def test_other_times(report: Report) -> None:
    """Nothing is of tomorrow; what is no time is told in one line."""
    assert report.ask("report", "funnel", "--since", "2999-01-01").strip() == "nothing"
    assert report.rows("--since", "2999-01-01") == []
    failed = command(report.folder, "report", "funnel", "--since", "soon", **MODE)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("hsp-otp: --since: got 'soon'")
    assert failed.stderr.count("\n") == 1


def test_no_visitor_is_stored(report: Report) -> None:
    """No number, address or session stands in a report."""
    for by in ("day", "country", "language"):
        told = report.ask("report", "funnel", "--by", by)
        assert not re.search(r"98765|127\.0\.0\.1|\*\*\*", told)

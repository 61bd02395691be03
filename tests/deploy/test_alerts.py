"""What deploy/prometheus and deploy/grafana ask for, by promtool and a Prometheus that scrapes."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import altcha
import attrs
import pytest
import yaml

from tests import gateway as played
from tests.e2e.production import number_of, pass_of, prepare, start, wrong
from tests.e2e.server import PATIENCE_SECONDS, Server, command, until
from tests.e2e.sessions import csrf_token, prove, refresh, sign_up
from tests.e2e.test_twilio_over_http import Site
from tests.gateway import Gateway
from tests.integration.redis_server import free_port
from tests.monitoring import RULE_TESTS, RULES, alerts, shown

ROUNDS: Final = 4


def promtool(*words: str | Path, given: str = "") -> str:
    """What promtool says, which has to be content."""
    done = subprocess.run(  # noqa: S603
        ["promtool", *words],  # noqa: S607
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Prometheus:
    """A Prometheus of our own that scrapes one service every second, and has our rules."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        job = {"job_name": "hsp-otp", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        file = folder / "prometheus.yml"
        file.write_text(
            yaml.safe_dump({"global": every, "rule_files": [str(RULES)], "scrape_configs": [job]})
        )
        promtool("check", "config", file)
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [  # noqa: S607
                    "prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """
        The data of an answer.

        Raises:
            AssertionError: It is an error, or a warning.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", f"/api/v1/{path}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        assert "warnings" not in answer, answer
        return answer["data"]

    def ask(self, asked: str) -> list[dict[str, Any]]:
        """The series that an expression finds."""
        found: list[dict[str, Any]] = self.get(f"query?query={quote(asked)}")["result"]
        return found

    def scrapes(self) -> int:
        """How often it has scraped until now."""
        try:
            found = self.ask('count_over_time(up{job="hsp-otp"}[1h])')
        except (OSError, json.JSONDecodeError):
            return 0  # it is starting
        return int(found[0]["value"][1]) if found else 0

    def wait(self) -> None:
        """For the next scrape."""
        before = self.scrapes()
        until(lambda: self.scrapes() > before)

    def alerts(self) -> set[str]:
        """The alerts that fire, or will if nothing changes."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}


@contextmanager
def watching(folder: Path, server: Server) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the service."""
    prometheus = Prometheus(folder, server.metrics_port)
    try:
        until(lambda: prometheus.scrapes() > 1)
        yield prometheus
    finally:
        prometheus.stop()


@attrs.frozen
class Keys:
    """API keys: of the installation, and of an app."""

    house: str
    app: str


def keys_of_backends(folder: Path, **settings: str) -> Keys:
    """Make a key of each kind."""
    (folder / "apps.toml").write_text('[shop]\naccount = "acme"\nservice_name = "Acme Shop"\n')
    assert command(folder, "apps", "import", "apps.toml", **settings).returncode == 0
    made = [
        command(folder, "api-keys", "new", "--name", "a", *owner, **settings).stdout.strip()
        for owner in (("--scopes", "passes,exchange"), ("--app", "shop"))
    ]
    return Keys(*made)


def use(site: Site, page: str, keys: Keys, first: int) -> None:
    """People of all sorts, from *first* on: for everything that is counted there is somebody."""
    server, gateway = site.server, site.gateway
    assert site.send(first).status == 200
    code = site.taken(first).code
    assert site.verify(first, wrong(code)).status == 400
    granted = site.verify(first, code)
    assert granted.status == 200
    for state in ("sent", "delivered"):
        assert site.report(site.taken(first).sid, state) == 200
    renewed = refresh(server, granted["refresh_token"])
    assert renewed.status == 200
    assert server.post("/token/revoke/", {"refresh_token": renewed["refresh_token"]}).status == 200
    assert server.validate("HSP-9999-9999")["error"] == "pass_not_found"
    number = number_of(10_000 + first)
    begun = sign_up(server, number, page)
    assert begun.status == 200
    assert prove(server, begun["session_id"], gateway.to(number)[-1].code, page).status == 200
    gateway.behaviour = played.refuse(21610)
    assert site.send(first + 1)["error"] == "sms_failed"
    gateway.behaviour = played.accept
    work_for_a_code(site, first)
    of_backend(server, keys.house, first)
    of_app(server, keys.app, number_of(30_000 + first))


def of_backend(server: Server, key: str, number: int) -> None:
    """Requests of another backend: with a key and without, a new pass, and an unknown code."""
    path, bearer = "/token/exchange/", {"Authorization": f"Bearer {key}"}
    assert server.post(path, {"code": "k1.a.b.c"}).status == 401
    assert server.post(path, {"code": "k1.a.b.c"}, **bearer)["error"] == "invalid_code"
    listed = {"payment_status": "paid", "user": {"email": f"asha.{number}@example.com"}}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    told = {"Content-Type": "application/json", **bearer}
    connection.request("PUT", f"/v1/passes/{pass_of(20_000 + number)}", json.dumps(listed), told)
    assert connection.getresponse().status == 200
    connection.close()


def of_app(server: Server, key: str, number: str) -> None:
    """An app has a number verified."""
    bearer = {"Authorization": f"Bearer {key}"}
    assert server.post("/v1/verifications", {"to": number}, **bearer).status == 200


def work_for_a_code(site: Site, person: int) -> None:
    """The third code of somebody on a device that is not known costs work."""
    assert site.send(person).status == 200
    asked = site.send(person)
    assert (asked.status, asked["error"]) == (429, "work_required")
    challenge = altcha.Challenge.from_dict(asked["work"])
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    work = altcha.Payload(challenge, solution).to_base64()
    assert site.send(person, work=work).status == 200
    assert site.verify(person, site.taken(person).code).status == 200


def test_promtool_accepts_rules_and_dashboard(tmp_path: Path) -> None:
    """The rules are rules, their tests pass, and the dashboard asks in the same language."""
    promtool("check", "rules", RULES)
    promtool("test", "rules", *RULE_TESTS)
    rules = [{"record": f"shown:{n}", "expr": asked} for n, (asked, _) in enumerate(shown())]
    file = tmp_path / "shown.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


@pytest.mark.timeout(180)
def test_a_prometheus_finds_what_is_asked_for(tmp_path: Path) -> None:
    """
    All expressions can be evaluated over what a used service shows, and all panels have something.

    No alert comes of ordinary use; once the service has stopped, the right ones do.
    """
    keys = prepare(tmp_path, people=100)
    settings = {
        "METRICS_PORT": "0",
        "SIGNUP_SENDS_PER_CLIENT_MINUTE": "0",
        "RESEND_COOLDOWN_SECONDS": "0",
        "WORK_SECONDS": "1",
        "VERIFY_API": "true",
    }
    with Gateway() as gateway, start(tmp_path, keys, gateway, **settings) as server:
        site = Site(server, gateway, count())
        page = csrf_token(keys["SECRET_KEYS"])
        of_backends = keys_of_backends(tmp_path, **keys)
        with watching(tmp_path, server) as prometheus:
            for number in range(ROUNDS):
                use(site, page, of_backends, 2 * number)
                prometheus.wait()
            connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            assert promtool("check", "metrics", given=text) == ""

            empty = [asked for asked, _ in shown() if not prometheus.ask(asked)]
            assert empty == []
            for asked, legend in shown():
                for series in prometheus.ask(asked):
                    for label in legend.replace("}}", "{{").split("{{")[1::2]:
                        assert series["metric"].get(label), (asked, legend)
            groups = prometheus.get("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert len(rules) == len(alerts())
            assert [
                rule for rule in rules if (rule["health"], rule.get("lastError")) != ("ok", None)
            ] == []
            for alert in alerts():
                prometheus.ask(alert["expr"])
            assert prometheus.alerts() == set()

            assert server.stop() == 0
            until(lambda: prometheus.alerts() == {"HspOtpGone", "HspOtpInstanceDown"})

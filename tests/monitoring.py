"""The queries of deploy/prometheus and deploy/grafana."""

import json
import re
from collections.abc import Collection, Mapping
from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Any, Final

import phonenumbers
import yaml
from litestar import Litestar

from hsp_otp.domain.audit import Step
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.funnel import FIGURES
from hsp_otp.domain.guard import Group
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit
from hsp_otp.domain.work import LEVELS
from hsp_otp.entrypoints.app import PAGES, ROUTES
from hsp_otp.entrypoints.http.malformed import MISTYPED
from hsp_otp.entrypoints.senders import SENDERS

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "deploy" / "prometheus" / "hsp-otp.rules.yml"
RULE_TESTS: Final = sorted(RULES.parent.glob("*.test.yml"))
DASHBOARD: Final = json.loads((ROOT / "deploy" / "grafana" / "hsp-otp.json").read_text("utf-8"))

_LIMITS: Final = {limit.value for limit in Limit} | {Locked.word}

_WORDS: Final = [
    re.findall(r'\bword: ClassVar\[str\] = "(\w+)"', file.read_text("utf-8"))
    for room in ("domain", "flows")
    for file in (ROOT / "src" / "hsp_otp" / room).glob("*.py")
]

_OUTCOMES: Final = {word for words in _WORDS for word in words} | {
    *_LIMITS,
    *("unavailable", "internal_error"),
}

VALUES: Final[Mapping[str, Collection[str]]] = {
    "outcome": _OUTCOMES | {"posed", "solved", "wrong", "stale", "malformed"},
    "lane": {lane.value for lane in Lane},
    "level": {*map(str, LEVELS), "none"},
    "step": {*FIGURES},
    "request": {step.value for step in (Step.LOOK_UP, Step.SEND, Step.CHECK)},
    "word": {*_OUTCOMES, *MISTYPED},
    "language": {"en", "es", "hi", "none"},
    "limit": _LIMITS | {group.value for group in Group} | {"none"},
    "verdict": {"free", "work", "stretch", "refused"},
    "flow": {flow.value for flow in Flow},
    "state": {state.value for state in DeliveryState},
    "region": {*phonenumbers.SUPPORTED_REGIONS, "none", "all"},
    "method": {*(method.value for method in HTTPMethod), "other"},
    "status": {str(status.value) for status in HTTPStatus},
    "port": {
        *("slots", "usage", "families", "signup_sessions", "signup_steps"),
        *("passes", "api_keys", "apps", "audit", "deliveries"),
    },
    "store": {"sql", "redis", "memory"},
    "channel": {channel.value for channel in Channel},
    "sender": {*SENDERS, "none"},
    "result": {"taken", "refused", "failed"},
    "route": {
        route.path
        for route in Litestar(route_handlers=[*ROUTES, *PAGES], openapi_config=None).routes
    }
    | {"none"},
    "job": {"hsp-otp"},
}
"""The possible values of each label."""

_OF_GRAFANA: Final = {"$__rate_interval": "1m", "$__range": "1h"}
"""The values that Grafana substitutes for its variables."""


def alerts() -> list[dict[str, Any]]:
    """Read the alerts."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Read the panels of the dashboard, without rows."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def shown() -> list[tuple[str, str]]:
    """Return the queries of the dashboard, with the legends of their results."""
    return [
        (_filled_in(target["expr"]), target.get("legendFormat", ""))
        for panel in panels()
        for target in panel["targets"]
    ]


def _filled_in(asked: str) -> str:
    for name, value in _OF_GRAFANA.items():
        asked = asked.replace(name, value)
    assert re.search(r"\$\w", asked) is None, asked
    return asked

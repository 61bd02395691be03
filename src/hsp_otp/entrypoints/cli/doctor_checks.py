"""The findings of doctor, and the checks that need no connection."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from hsp_otp.adapters.jwt import key_set, parse_signing_keys
from hsp_otp.adapters.secret_keys import parse_secret_keys
from hsp_otp.adapters.sql.server_checks import Rights
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, SECOND, Duration, Instant
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.entrypoints.private_files import is_open_to_others
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.model import PREFIX, Settings

_LEAST_DIFFERENT: Final = 16
"""Bytes of a secret that differ: of 32 that were drawn, thirty do."""

_LATE_DAYS: Final = 2
"""Days after which rows past their time are left over."""

_SKEW_WORTH_TELLING: Final[Duration] = SECOND

_WIDE_PREFIX: Final = {4: 8, 6: 32}
"""A network of proxies that is wider is hardly one's own."""


class Status(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@attrs.frozen
class Finding:
    """
    One line of the doctor's.

    Attributes:
        check: What was looked at.
        says: What was found; nothing in it is secret.
        do: What to do about it.
    """

    check: str
    status: Status
    says: str
    do: str = ""


def ok(check: str, says: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, Status.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, Status.WARNING, says, do)


def wrong(check: str, says: str, do: str) -> Finding:
    """It does not work, or not safely."""
    return Finding(check, Status.WRONG, says, do)


def of_keys(settings: Settings) -> Iterator[Finding]:
    """What is wrong with keys that were read."""
    check = "keys"
    found: list[Finding] = []
    secrets = {key.id: key.secret for key in settings.secret_keys}
    if not secrets:
        yield ok(check, "generated beside the database, in development")
        return
    for key_id, secret in secrets.items():
        if len(set(secret)) < _LEAST_DIFFERENT:
            do = f"replace it in {PREFIX}SECRET_KEYS: hsp-otp keys new DIR makes one"
            found.append(wrong(check, f"secret key {key_id!r} was not drawn at random", do))
    if len(set(secrets.values())) < len(secrets):
        do = f"keep one of them in {PREFIX}SECRET_KEYS"
        found.append(warning(check, "two secret keys are the same under two ids", do))
    found += _of_accounts(check, settings, set(secrets.values()))
    found += _of_signing_keys(check, settings, set(secrets.values()))
    count = len(secrets)
    yield from found or [ok(check, f"{count} secret key{'' if count == 1 else 's'}")]


def _of_accounts(check: str, settings: Settings, secrets: set[bytes]) -> Iterator[Finding]:
    for name in settings.senders:
        account = settings.accounts[name]
        fields = attrs.fields(SENDERS[name].account)
        if any(getattr(account, field.name) in secrets for field in fields):
            yield wrong(
                check,
                f"a secret of sender {name} is a secret key too, and somebody else has it",
                f"make another for {PREFIX}SECRET_KEYS: hsp-otp keys new DIR",
            )


def _of_signing_keys(check: str, settings: Settings, secrets: set[bytes]) -> Iterator[Finding]:
    if not settings.jwt_keys:
        return
    if settings.jwt_algorithm == "HS256":
        for key in parse_secret_keys(settings.jwt_keys):
            if key.secret in secrets:
                yield wrong(
                    check,
                    f"JWT key {key.id!r} is a secret key too, and other backends have it",
                    f"make another for {PREFIX}JWT_KEYS: openssl rand -base64 32",
                )
        return
    for entry in settings.jwt_keys.split(","):
        key_id, _, path = entry.strip().partition(":")
        if is_open_to_others(Path(path)):
            yield warning(
                check, f"others may read the PEM file of JWT key {key_id!r}", "chmod 600 it"
            )
    published = key_set(parse_signing_keys(settings.jwt_algorithm, settings.jwt_keys))["keys"]
    told = [str({name: value for name, value in key.items() if name != "kid"}) for key in published]
    if len(set(told)) < len(told):
        yield warning(
            check, "two JWT keys are the same under two ids", f"keep one in {PREFIX}JWT_KEYS"
        )


def of_private_files(check: str, files: Sequence[Path]) -> Iterator[Finding]:
    """Whether somebody else may open files that hold secrets or people's numbers."""
    for file in files:
        if file.exists() and is_open_to_others(file):
            yield warning(check, f"others may open {str(file)!r}", "chmod 600 it")


def of_rights(check: str, rights: Rights, settings: Settings) -> Iterator[Finding]:
    """Whether the service may do more in its database than it needs."""
    if settings.in_development or rights is Rights.ROWS:
        return
    told = {
        Rights.SUPERUSER: "the user of the service is a superuser there",
        Rights.SCHEMA: "the user of the service may change the schema there",
    }
    yield warning(
        check,
        told[rights],
        f"name a user in {PREFIX}DATABASE_URL who may read and write rows alone, and let the owner "
        "of the tables run hsp-otp db upgrade: docs/operations.md",
    )


def of_clock(check: str, theirs: Instant, before: Instant, after: Instant) -> Finding:
    """
    How far a store's clock is off.

    Args:
        before: Our clock when the store was asked.
        after: Our clock when it had answered.
    """
    # Somewhere in between the store looked at its own.
    off = max(before - theirs, theirs - after, 0)
    told = f"its clock is {off / SECOND:.1f} s off ours"
    if off > CLOCK_SKEW:
        return wrong(check, told, "set both by NTP: more than 5 s and limits are no longer exact")
    if off > _SKEW_WORTH_TELLING:
        return warning(check, told, "set both by NTP, before it gets to 5 s")
    return ok(check, "its clock agrees with ours")


def of_purge(
    settings: Settings, oldest_audit: Instant | None, oldest_send: Instant | None, now: Instant
) -> Finding:
    """Whether what is past its time has gone."""
    late = max(
        _late(oldest_audit, settings.audit_days, now), _late(oldest_send, SEND_ROW_DAYS, now)
    )
    if late > _LATE_DAYS:
        return warning(
            "purge", f"rows are {late} days past their time", "run hsp-otp purge every night"
        )
    return ok("purge", "nothing is left that is past its time")


def _late(oldest: Instant | None, days: int, now: Instant) -> int:
    return 0 if oldest is None else max(0, (now - oldest) // DAY - days)


def of_outside(settings: Settings) -> Iterator[Finding]:
    """Whether the service can be reached as the settings say."""
    yield _of_public_url(settings)
    yield _of_proxies(settings)
    if settings.ops_password:
        yield _of_ops(settings)


def _of_public_url(settings: Settings) -> Finding:
    check, name = "public url", f"{PREFIX}PUBLIC_URL"
    if not settings.public_url:
        if settings.in_development:
            return ok(check, "none, in development")
        return warning(
            check,
            "none, so that no delivery receipts are asked for",
            f"set {name} to where providers reach the service",
        )
    parts = urlsplit(settings.public_url)
    if _is_inside(parts.hostname or ""):
        return wrong(check, "no provider reaches that host from outside", f"look at {name}")
    if parts.scheme != "https":
        return warning(check, "it is not https: receipts come in clear", f"look at {name}")
    return ok(check, "it is https, and no inside address")


def _of_ops(settings: Settings) -> Finding:
    check = "operators"
    if settings.in_development or settings.public_url.startswith("https:"):
        return ok(check, "their page is on")
    return warning(
        check,
        "their page is on, and nothing says that it is reached by https",
        f"set {PREFIX}PUBLIC_URL to the https address: the cookie of their sessions is Secure then",
    )


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))


def _of_proxies(settings: Settings) -> Finding:
    check, name = "trusted proxies", f"{PREFIX}TRUSTED_PROXIES"
    wide = [
        str(network)
        for network in settings.trusted_proxies
        if network.prefixlen < _WIDE_PREFIX[network.version]
    ]
    if wide:
        return warning(
            check,
            f"{wide[0]} is more than anybody's own proxies: whoever is in it can be anybody",
            f"name the proxies alone in {name}",
        )
    if settings.trusted_proxies:
        return ok(check, ", ".join(str(network) for network in settings.trusted_proxies))
    if settings.in_development or not _is_loopback(settings.host):
        return ok(check, "none: the address of the socket counts")
    return warning(
        check,
        f"none, yet at {settings.host} nobody but a proxy comes: all callers share one budget",
        f"set {name}={settings.host}",
    )


def of_callers(settings: Settings, requests: Mapping[str, int]) -> Finding:
    """
    Whether the trusted proxies name their callers.

    Args:
        requests: How many there were lately, by the client address that they counted for.
    """
    check, name = "callers", f"{PREFIX}FORWARDED_HEADER"
    shared = {who: count for who, count in requests.items() if _is_proxy(who, settings)}
    if not shared:
        return ok(check, "no requests of the last 24 hours count for a trusted proxy itself")
    who = max(shared, key=lambda one: shared[one])
    return warning(
        check,
        f"{sum(shared.values())} of the requests of the last 24 hours count for a trusted proxy "
        f"itself, as {who}: all who come through it share one budget",
        f"have it name its callers in {settings.forwarded_header}, or set {name} to the header "
        "that it sends",
    )


def _is_proxy(who: str, settings: Settings) -> bool:
    try:
        client = ip_network(who)
    except ValueError:  # there was no address
        return False
    return any(
        client.version == network.version and client.overlaps(network)
        for network in settings.trusted_proxies
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def worst(findings: Sequence[Finding]) -> Status:
    """How bad it is altogether."""
    order = list(Status)
    return max((one.status for one in findings), key=order.index, default=Status.OK)

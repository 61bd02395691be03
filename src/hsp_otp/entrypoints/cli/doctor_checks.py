"""The findings of doctor, and its checks that need no connection."""

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from hsp_otp.adapters.jwt import key_set, parse_signing_keys
from hsp_otp.adapters.operator_accounts import is_weak
from hsp_otp.adapters.secret_keys import parse_secret_keys
from hsp_otp.adapters.sql.server_checks import Rights
from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.apps import App
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, SECOND, Duration, Instant
from hsp_otp.domain.policy import SEND_ROW_DAYS
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.private_files import is_open_to_others
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.checks import ops_accounts
from hsp_otp.entrypoints.settings.model import PREFIX, Settings
from hsp_otp.entrypoints.time_range import in_short

_LEAST_DIFFERENT: Final = 16
"""The least number of distinct bytes in a secret; 32 random bytes have about thirty."""

_LATE_DAYS: Final = 2
"""Days after their expiry for which rows may remain without a warning."""

_SKEW_WORTH_TELLING: Final[Duration] = SECOND

_WIDE_PREFIX: Final = {4: 8, 6: 32}
"""A network with a shorter prefix is too wide to contain only an operator's own proxies."""


_LABELS_OF_TWILIO: Final = frozenset({1, 3, 4, 5})
"""Names in a host that Twilio's client for Node leaves as it is."""


class Status(enum.Enum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@attrs.frozen
class Finding:
    """
    One line of doctor's output.

    Attributes:
        check: The subject of the check.
        says: The result; it never contains a secret.
        do: The action to take.
    """

    check: str
    status: Status
    says: str
    do: str = ""


def ok(check: str, says: str) -> Finding:
    """Make a finding without a problem."""
    return Finding(check, Status.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    """Make a finding about something that works but should be improved."""
    return Finding(check, Status.WARNING, says, do)


def wrong(check: str, says: str, do: str) -> Finding:
    """Make a finding about something that does not work, or does not work safely."""
    return Finding(check, Status.WRONG, says, do)


def of_keys(settings: Settings) -> Iterator[Finding]:
    """Check the keys."""
    check = "keys"
    found: list[Finding] = []
    secrets = {key.id: key.secret for key in settings.secret_keys}
    if not secrets:
        yield ok(check, "generated beside the database, in development mode")
        return
    for key_id, secret in secrets.items():
        if len(set(secret)) < _LEAST_DIFFERENT:
            do = f"replace it in {PREFIX}SECRET_KEYS: hsp-otp keys new DIR makes one"
            found.append(wrong(check, f"secret key {key_id!r} is not random", do))
    if len(set(secrets.values())) < len(secrets):
        do = f"keep one of them in {PREFIX}SECRET_KEYS"
        found.append(warning(check, "two secret keys with different ids are the same", do))
    found += _of_accounts(check, settings, set(secrets.values()))
    found += _of_signing_keys(check, settings, set(secrets.values()))
    count = len(secrets)
    yield from found or [ok(check, f"{count} secret key{'' if count == 1 else 's'}")]


def of_api_keys(keys: Sequence[ApiKey], settings: Settings) -> Iterator[Finding]:
    """
    Check that no live API key ends with a secret key.

    Args:
        keys: All keys, revoked ones included.
    """
    check = "api keys"
    known = [key.id for key in settings.secret_keys]
    if not known:
        return
    alive = [key for key in keys if key.revoked_at is None]
    found: list[Finding] = []
    for ring_key_id, count in Counter(key.ring_key_id for key in alive).items():
        counted = f"{count} API key{'' if count == 1 else 's'}"
        if ring_key_id not in known:
            found.append(
                warning(
                    check,
                    f"{counted} ended with secret key {ring_key_id!r}, which is not configured",
                    f"put it back at the end of {PREFIX}SECRET_KEYS, or revoke them and make "
                    "others: hsp-otp api-keys list",
                )
            )
        elif ring_key_id != known[0]:
            found.append(
                warning(
                    check,
                    f"{counted} would end with secret key {ring_key_id!r}, which is no longer the "
                    "first",
                    f"keep it in {PREFIX}SECRET_KEYS until each of them is used again or revoked: "
                    "hsp-otp api-keys list",
                )
            )
    yield from found or [ok(check, f"{len(alive)} in use")]


def of_exchange(keys: Sequence[ApiKey], settings: Settings) -> Iterator[Finding]:
    """
    Check that a site to which pass login leads back can exchange its codes.

    Args:
        keys: All keys, revoked ones included.
    """
    if not settings.login_return_url:
        return
    check = "lead back"
    count = sum(key.revoked_at is None and Scope.EXCHANGE in key.scopes for key in keys)
    if count:
        yield ok(
            check, f"{count} API key{'' if count == 1 else 's'} may exchange codes of sign-ins"
        )
    else:
        yield warning(
            check,
            f"{PREFIX}LOGIN_RETURN_URL is set, but no API key may exchange the code that it gets",
            "make one for that site's backend: hsp-otp api-keys new --name NAME --scopes exchange",
        )


def of_apps(apps: Sequence[App], settings: Settings) -> Iterator[Finding]:
    """Check that every sender that an app names is configured; nothing without apps."""
    configured = settings.used_senders
    found = [
        warning(
            "apps",
            f"app {app.name} names sender {name!r}, which is not configured",
            f"add it to {PREFIX}SENDERS, or import the app without it",
        )
        for app in apps
        for names in app.rules.senders.values()
        for name in names
        if name not in configured
    ]
    if apps:
        yield from found or [ok("apps", f"{len(apps)} app{'' if len(apps) == 1 else 's'}")]


def of_test_contacts(stored: Sequence[KeptTestContact], now: Instant) -> Finding:
    """
    Check that no test contact is alive.

    Args:
        stored: All test contacts, ended ones included.
    """
    check, alive = "test contacts", [one for one in stored if one.lives(now)]
    if not alive:
        return ok(check, "there are none")
    count = len(alive)
    last = in_short(max(one.ends_at for one in alive))
    return warning(
        check,
        f"{count} with a fixed code {'is' if count == 1 else 'are'} alive, the last until {last} "
        "UTC",
        "remove those that nobody needs: hsp-otp test-contacts list",
    )


def _of_accounts(check: str, settings: Settings, secrets: set[bytes]) -> Iterator[Finding]:
    for name in settings.senders:
        account = settings.accounts[name]
        fields = attrs.fields(SENDERS[name].account)
        if any(getattr(account, field.name) in secrets for field in fields):
            yield wrong(
                check,
                f"a secret of sender {name} is also a secret key, so somebody else knows the key",
                f"make another key for {PREFIX}SECRET_KEYS: hsp-otp keys new DIR",
            )


def _of_signing_keys(check: str, settings: Settings, secrets: set[bytes]) -> Iterator[Finding]:
    if not settings.jwt_keys:
        return
    if settings.jwt_algorithm == "HS256":
        for key in parse_secret_keys(settings.jwt_keys):
            if key.secret in secrets:
                yield wrong(
                    check,
                    f"JWT key {key.id!r} is also a secret key, so other backends know the key",
                    f"make another key for {PREFIX}JWT_KEYS: openssl rand -base64 32",
                )
        return
    for entry in settings.jwt_keys.split(","):
        key_id, _, path = entry.strip().partition(":")
        if is_open_to_others(Path(path)):
            yield warning(
                check,
                f"other users may access the PEM file of JWT key {key_id!r}",
                "set its mode to 600",
            )
    published = key_set(parse_signing_keys(settings.jwt_algorithm, settings.jwt_keys))["keys"]
    told = [str({name: value for name, value in key.items() if name != "kid"}) for key in published]
    if len(set(told)) < len(told):
        yield warning(
            check,
            "two JWT keys with different ids are the same",
            f"keep one of them in {PREFIX}JWT_KEYS",
        )


def of_private_files(check: str, files: Sequence[Path]) -> Iterator[Finding]:
    """Check that other users cannot open files with secrets or people's numbers."""
    for file in files:
        if file.exists() and is_open_to_others(file):
            yield warning(check, f"other users may access {str(file)!r}", "set its mode to 600")


def of_rights(check: str, rights: Rights, settings: Settings) -> Iterator[Finding]:
    """Check that the service has no more rights in its database than it needs."""
    if settings.in_development or rights is Rights.ROWS:
        return
    told = {
        Rights.SUPERUSER: "the service's user is a superuser",
        Rights.SCHEMA: "the service's user may change the schema",
    }
    yield warning(
        check,
        told[rights],
        f"name a user in {PREFIX}DATABASE_URL who may only read and write rows, and run hsp-otp db "
        "upgrade as the owner of the tables: docs/operations.md",
    )


def of_clock(check: str, theirs: Instant, before: Instant, after: Instant) -> Finding:
    """
    Check how far a store's clock is off.

    Args:
        theirs: The store's clock.
        before: This machine's clock before the query.
        after: This machine's clock after the answer.
    """
    # The store read its clock at some time in between.
    off = max(before - theirs, theirs - after, 0)
    told = f"its clock differs from this machine's by {off / SECOND:.1f} s"
    if off > CLOCK_SKEW:
        return wrong(check, told, "synchronize both with NTP: limits are not exact beyond 5 s")
    if off > _SKEW_WORTH_TELLING:
        return warning(check, told, "synchronize both with NTP before the difference reaches 5 s")
    return ok(check, "its clock agrees with this machine's")


def of_purge(
    settings: Settings, oldest_audit: Instant | None, oldest_send: Instant | None, now: Instant
) -> Finding:
    """Check that expired rows have been deleted."""
    late = max(
        _late(oldest_audit, settings.audit_days, now), _late(oldest_send, SEND_ROW_DAYS, now)
    )
    if late > _LATE_DAYS:
        return warning(
            "purge", f"some rows expired {late} days ago", "run hsp-otp purge every night"
        )
    return ok("purge", "there are no expired rows to delete")


def _late(oldest: Instant | None, days: int, now: Instant) -> int:
    return 0 if oldest is None else max(0, (now - oldest) // DAY - days)


def of_outside(settings: Settings) -> Iterator[Finding]:
    """Check the settings about the service's address and proxies."""
    yield _of_public_url(settings)
    yield from _of_origins(settings)
    yield _of_proxies(settings)
    if settings.has_ops:
        yield _of_ops(settings)
    if settings.serves_twilio_verify and settings.public_url:
        yield _of_twilio_verify(settings.public_url)


def _of_public_url(settings: Settings) -> Finding:
    check, name = "public url", f"{PREFIX}PUBLIC_URL"
    if not settings.public_url:
        if settings.in_development:
            return ok(check, "none, in development mode")
        return warning(
            check,
            "none, so providers are not asked for delivery receipts",
            f"set {name} to the URL at which providers reach the service",
        )
    parts = urlsplit(settings.public_url)
    if _is_inside(parts.hostname or ""):
        return wrong(check, "providers cannot reach that host from outside", f"correct {name}")
    if parts.scheme != "https":
        return warning(check, "not https: receipts arrive unencrypted", f"use https in {name}")
    return ok(check, "https, and not an internal address")


def _of_origins(settings: Settings) -> Iterator[Finding]:
    check, name = "other origins", f"{PREFIX}CORS_ORIGINS"
    plain = [origin for origin in settings.cors_origins if origin.startswith("http:")]
    if plain and not settings.in_development:
        yield warning(
            check,
            f"{plain[0]} is not https: anybody between a visitor and that page can change the page",
            f"name only https origins in {name}",
        )
    elif settings.cors_origins:
        yield ok(check, ", ".join(settings.cors_origins))


def _of_ops(settings: Settings) -> Finding:
    check = "operators"
    if settings.in_development or settings.public_url.startswith("https:"):
        return ok(check, "their page is on")
    return warning(
        check,
        "their page is on, but no setting says that it is reached by https",
        f"set {PREFIX}PUBLIC_URL to the https URL, so that their session cookie is Secure",
    )


def _of_twilio_verify(public_url: str) -> Finding:
    check = "twilio verify"
    labels = len((urlsplit(public_url).hostname or "").split("."))
    if labels in _LABELS_OF_TWILIO:
        return ok(check, "its clients accept the host of the public URL")
    return warning(
        check,
        f"its client for Node changes a host of {labels} names, such as the public URL's",
        f"set {PREFIX}PUBLIC_URL to a host of three to five names, such as otp.example.com",
    )


def of_operators(file: Path) -> Iterator[Finding]:
    """Check the file of the operators' accounts."""
    check = "operators"
    try:
        accounts = ops_accounts(file)
    except SettingsError as error:
        yield wrong(check, str(error), "nobody can sign in by name until this is fixed")
        return
    yield from of_private_files(check, [file])
    if not accounts:
        yield warning(check, f"{str(file)!r} names nobody", "run hsp-otp ops add NAME")
    weak = [name for name, account in accounts.items() if is_weak(account)]
    if weak:
        yield warning(
            check,
            f"the password of {' and of '.join(weak)} is hashed with too little work",
            "set it again: hsp-otp ops add NAME",
        )
    if accounts and not weak:
        count = len(accounts)
        yield ok(check, f"{count} operator{'' if count == 1 else 's'} may sign in by name")


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
            f"{wide[0]} is too wide for proxies alone: any host in it can forge client addresses",
            f"name only the proxies in {name}",
        )
    if settings.trusted_proxies:
        return ok(check, ", ".join(str(network) for network in settings.trusted_proxies))
    if settings.in_development or not _is_loopback(settings.host):
        return ok(check, "none: the socket's address is the client's")
    return warning(
        check,
        f"none, but only a proxy can reach {settings.host}: all callers share the same limits",
        f"set {name}={settings.host}",
    )


def of_callers(settings: Settings, requests: Mapping[str, int]) -> Finding:
    """Check, by the recent requests charged to each address, that proxies name their callers."""
    check, name = "callers", f"{PREFIX}FORWARDED_HEADER"
    shared = {who: count for who, count in requests.items() if _is_proxy(who, settings)}
    if not shared:
        return ok(check, "no request of the last 24 hours was charged to a trusted proxy itself")
    who = max(shared, key=lambda one: shared[one])
    return warning(
        check,
        f"trusted proxies themselves, such as {who}, were charged for {sum(shared.values())} of "
        "the requests of the last 24 hours: all their callers share the same limits",
        f"configure them to name their callers in {settings.forwarded_header}, or set {name} to "
        "the header that they send",
    )


def _is_proxy(who: str, settings: Settings) -> bool:
    try:
        client = ip_network(who)
    except ValueError:  # not an address
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
    """Return the worst status of all *findings*."""
    order = list(Status)
    return max((one.status for one in findings), key=order.index, default=Status.OK)

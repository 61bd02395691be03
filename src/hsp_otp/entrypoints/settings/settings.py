"""Every setting: where it comes from, what it takes, and what it means."""

import os
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import attrs
import phonenumbers
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from hsp_otp.adapters.custom_messages import parse_wordings
from hsp_otp.adapters.jwt import Algorithm, parse_signing_keys
from hsp_otp.adapters.messages import (
    LOCALE,
    MAX_AUTOFILL_BYTES,
    GettextMessages,
    check_service_name,
)
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.secret_keys import parse_secret_keys
from hsp_otp.adapters.senders.provider import URL_TAKES, Provider, ReasonError, Shape
from hsp_otp.adapters.senders.provider import setting as _setting
from hsp_otp.adapters.senders.provider import text as _text
from hsp_otp.adapters.senders.provider import url as _url
from hsp_otp.domain import policy
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import ENGLISH, Purpose
from hsp_otp.domain.operator_sessions import LEAST_PASSWORD
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.sms_segments import segments
from hsp_otp.entrypoints.client_address import (
    HEADERS,
    X_FORWARDED_FOR,
    Network,
    parse_trusted_proxies,
)
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.senders import SENDERS, receipts_url
from hsp_otp.entrypoints.settings.file import Given, WrongTypeError, given_in_file
from hsp_otp.entrypoints.settings.kubernetes import is_service_variable
from hsp_otp.entrypoints.settings.toml_file import read_toml
from hsp_otp.ports.messages import Wordings

PREFIX: Final = "HSP_OTP_"
CONFIG: Final = "HSP_OTP_CONFIG"

SENDERS_TAKEN: Final = "a comma list, in the order of trying, of " + ", ".join(
    f"{name} (development only)" if provider.development_only else name
    for name, provider in SENDERS.items()
)

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "HS256")

DEVELOPMENT: Final = "development"
PRODUCTION: Final = "production"

_MOST: Final = 1_000_000
"""More than any limit needs to be."""

_PORTS: Final = 65535

_PORT_TAKES: Final = f"a whole number from 0 to {_PORTS}"

_WHOLE: Final = 100
"""In percent."""

Field: TypeAlias = "attrs.Attribute[Any]"

_NAME_TAKES: Final = "1 to 40 letters of the GSM-7 alphabet, digits, spaces and &'()+,-.!"

_LONGEST_SHOWN: Final = 200
"""Characters of a value that an error shows."""

_QUOTED: Final = "the quotes around it are part of it"

_ESCAPING: Final = "in a password, write : as %3A, / as %2F, ? as %3F, # as %23 and @ as %40"

_MAY_HOLD_SECRET: Final = re.compile(r"://\S*[@?#]")
"""An address that somebody signs in with, or with more than a path."""

_MOST_SEGMENTS: Final = 2
"""Of a text that is not in English."""

_NO_WORDINGS: Final[Wordings] = {}

T = TypeVar("T")
S = TypeVar("S", bound=str)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return read


def _count(default: int, meaning: str, *, least: int = 0, most: int = _MOST) -> int:
    off = "; 0 switches it off" if least == 0 else ""
    takes = f"a whole number from {least} to {most}{off}"
    return _setting(_whole(least, most), default, meaning, takes=takes)


def _choice(default: S, meaning: str, *choices: S, shown_default: str | None = None) -> S:
    def read(text: str) -> S:
        for choice in choices:
            if choice == text:
                return choice
        raise ValueError

    return _setting(read, default, meaning, takes=" or ".join(choices), shown_default=shown_default)


def _flag(default: T, meaning: str, shown_default: str | None = None) -> T | bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def read(text: str) -> bool:
        try:
            return words[text.lower()]
        except KeyError:
            raise ValueError from None

    return _setting(
        read,
        default,
        meaning,
        takes="true/false, yes/no or 1/0",
        shown_default=shown_default,
        shape=Shape.FLAG,
    )


def _region(text: str) -> str:
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"there are no numbers of {text!r}")
    return text.upper()


def _regions(text: str) -> frozenset[str]:
    return frozenset(_region(part.strip()) for part in text.split(","))


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError from None
    except ValueError:  # it tells what stands where the port is expected: part of a password
        raise ReasonError(f"its port is no number; {_ESCAPING}") from None
    if url.port is not None and not 0 < url.port <= _PORTS:
        raise ReasonError(f"its port is not from 1 to {_PORTS}")
    if not url.database:
        raise ReasonError("it names no database")
    match url.drivername:
        case "sqlite+aiosqlite":
            more = url.host or url.port or url.username or url.password or url.query
            if more or url.database == ":memory:":
                raise ValueError
        case "postgresql+asyncpg":
            query = dict(url.query)
            hosts = [host for host in (url.host, query.pop("host", None)) if host]
            if query.pop("ssl", None) not in {None, "require", "verify-full"} or query:
                raise ValueError
            # One, and no list of servers: which of them has what was written last?
            if len(hosts) != 1 or not isinstance(hosts[0], str) or "," in hosts[0]:
                raise ValueError
        case _:
            raise ValueError
    return text


def _redis_url(text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    for place, url in enumerate(urls, start=1):
        if not _is_redis_url(url):
            raise ReasonError(f"entry {place} is no such address; {_ESCAPING}")
    return urls


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # it tells what stands where the port is expected: part of a password
        return False
    return (
        parts.scheme in {"redis", "rediss"}
        and bool(parts.hostname)
        and port != 0
        and bool(re.fullmatch(r"(/[0-9]{0,3})?", parts.path))
        and not parts.query
        and not parts.fragment
    )


def _secret_keys(text: str) -> tuple[Key, ...]:
    try:
        return parse_secret_keys(text)
    except ValueError as error:
        raise ReasonError(str(error)) from None


def _senders(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or not SENDERS.keys() >= set(names):
        raise ValueError
    return names


def _wordings(text: str) -> Wordings:
    return parse_wordings(read_toml(text), GettextMessages({}).languages)


def _host(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"(?=.{1,80}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", text.lower()):
        raise ValueError
    return text.lower()


def _android_hash(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9+/]{11}", text):
        raise ValueError
    return text


def _password(text: str) -> str:
    if len(text) < LEAST_PASSWORD or not text.isprintable():
        raise ValueError
    return text


def _accounts() -> dict[str, Any]:
    return {name: provider.account() for name, provider in SENDERS.items()}


@attrs.frozen(kw_only=True)
class Settings:
    """All settings, read once."""

    mode: str = _choice(
        PRODUCTION,
        "development allows the console sender, generated keys and demo data",
        PRODUCTION,
        DEVELOPMENT,
    )
    host: str = _setting(
        _host, "127.0.0.1", "address to listen on", takes="an address, or a host name in ASCII"
    )
    port: int = _setting(
        _whole(0, _PORTS), 8000, "port to listen on; 0 takes any free one", takes=_PORT_TAKES
    )
    workers: int = _count(1, "processes that serve", least=1, most=64)
    keep_alive_seconds: int = _count(
        75, "seconds for which a connection is kept between two requests", least=1, most=3600
    )
    database_url: str = _setting(
        _database_url,
        "sqlite+aiosqlite:///hsp-otp.db",
        "the SQL database",
        takes="sqlite+aiosqlite:/// and the path of a file, or postgresql+asyncpg://"
        "user:password@host:port/name, with ?host= for a socket's folder, and ?ssl=require or "
        "?ssl=verify-full",
        secret=True,
    )
    redis_url: tuple[str, ...] = _setting(
        _redis_url,
        (),
        "Redis 7 or newer, or Valkey: one server, some nodes of a cluster, or the sentinels",
        takes="redis:// or rediss://, perhaps user:password@, a host, and perhaps :port and "
        "/number; several with commas between them",
        shown_default="none",
        secret=True,
        shape=Shape.LIST,
    )
    redis_topology: str = _choice(
        Topology.STANDALONE.value,
        "Redis topology",
        *(one.value for one in Topology),
    )
    redis_sentinel_service: str = _setting(
        _text, "", "what the sentinels call the service", takes="a text", shown_default="none"
    )
    challenge_store: str = _choice(
        "sql",
        "where challenges, failed guesses and the limits on sends live; "
        "memory only in development, with one worker",
        "sql",
        "redis",
        "memory",
    )
    usage_store: str = _choice(
        "",
        "where checks and look-ups are counted; memory only in development, with one worker",
        "sql",
        "redis",
        "memory",
        shown_default="redis where a Redis is set, else sql",
    )
    senders: tuple[str, ...] = _setting(
        _senders,
        (),
        "who sends messages: the first that takes one",
        takes=SENDERS_TAKEN,
        shown_default="console in development",
        shape=Shape.LIST,
    )
    public_url: str = _setting(
        _url,
        "",
        "where providers reach this service; delivery receipts are asked for only when it is set",
        takes=URL_TAKES,
        shown_default="none",
    )
    web_origin: str = _setting(
        _host_name,
        "",
        "host name in the last line of messages, for a browser's autofill",
        takes="a host name with a dot in it, of 80 characters at most, without scheme or port",
        shown_default="none",
    )
    android_hash: str = _setting(
        _android_hash,
        "",
        "hash in the last line of messages, for Android's SMS Retriever",
        takes="11 characters of base64",
        shown_default="none",
    )
    secret_keys: tuple[Key, ...] = _setting(
        _secret_keys,
        (),
        "keys of codes, number fingerprints and refresh tokens; the first writes, all verify",
        takes="id:base64,... of 32 bytes or more each",
        shown_default="generated in development",
        secret=True,
        shape=Shape.LIST,
    )
    jwt_algorithm: Algorithm = _choice("ES256", "algorithm of access tokens", *ALGORITHMS)
    jwt_keys: str = _setting(
        _text,
        "",
        "keys of access tokens; the first signs",
        takes="id:path-to-PEM,... or, for HS256, id:base64,...",
        shown_default="generated in development",
        secret=True,
        shape=Shape.LIST,
    )
    jwt_issuer: str = _setting(
        _text, "hsp-otp", "issuer of access tokens and proofs", takes="a text"
    )
    jwt_audience: str = _setting(_text, "hsp-otp", "audience of access tokens", takes="a text")
    proof_audience: str = _setting(
        _text,
        "hsp-otp-signup",
        "audience of proofs, for the backend of signup's next steps",
        takes="a text, another than that of access tokens",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        parse_trusted_proxies,
        (),
        "proxies that are believed when they name their callers",
        takes="addresses and CIDRs, comma separated, and no wildcard",
        shown_default="none",
        shape=Shape.LIST,
    )
    forwarded_header: str = _choice(
        X_FORWARDED_FOR, "header in which trusted proxies name their callers", *HEADERS
    )
    default_region: str = _setting(
        _region, "IN", "region of numbers in national form", takes="an ISO 3166-1 alpha-2 code"
    )
    signup_regions: frozenset[str] = _setting(
        _regions,
        frozenset({"IN"}),
        "regions whose numbers may sign up",
        takes="ISO 3166-1 alpha-2 codes, comma separated",
        shown_default="IN",
        shape=Shape.LIST,
    )
    login_code_seconds: int = _count(
        policy.LOGIN_CODE_SECONDS,
        "lifetime of a code of pass login, seconds",
        least=1,
        most=policy.MAX_CODE_SECONDS,
    )
    signup_code_seconds: int = _count(
        policy.SIGNUP_CODE_SECONDS,
        "lifetime of a code of signup, seconds",
        least=1,
        most=policy.MAX_CODE_SECONDS,
    )
    max_attempts: int = _count(policy.MAX_ATTEMPTS, "guesses judged per code", least=1, most=100)
    code_digits: int = _count(
        policy.CODE_DIGITS,
        "digits of a code",
        least=policy.CODE_DIGITS_RANGE[0],
        most=policy.CODE_DIGITS_RANGE[1],
    )
    access_token_seconds: int = _count(
        policy.ACCESS_TOKEN_SECONDS, "lifetime of an access token, seconds", least=1, most=86_400
    )
    refresh_token_days: int = _count(
        policy.REFRESH_TOKEN_DAYS,
        "lifetime of a refresh token's family, days from the sign-in",
        least=1,
        most=365,
    )
    phone_sends_per_day: int = _count(policy.PHONE_SENDS_PER_DAY, "sends to one number in 24 hours")
    login_sends_per_client_hour: int = _count(
        policy.LOGIN_SENDS_PER_CLIENT_HOUR, "sends of pass login from one address in an hour"
    )
    signup_sends_per_client_minute: int = _count(
        policy.SIGNUP_SENDS_PER_CLIENT_MINUTE, "sends of signup from one address in a minute"
    )
    signup_sends_per_client_hour: int = _count(
        policy.SIGNUP_SENDS_PER_CLIENT_HOUR, "sends of signup from one address in an hour"
    )
    resend_cooldown_seconds: int = _count(
        policy.RESEND_COOLDOWN_SECONDS, "seconds between sends of one subject and purpose"
    )
    lookups_per_client_hour: int = _count(
        policy.LOOKUPS_PER_CLIENT_HOUR,
        "pass look-ups from one address in an hour; a miss counts double",
    )
    lookup_misses_per_hour: int = _count(
        policy.LOOKUP_MISSES_PER_HOUR,
        "look-ups of everybody that miss in an hour, from which on a newcomer may miss only a few "
        "times",
    )
    newcomer_misses_per_hour: int = _count(
        policy.NEWCOMER_MISSES_PER_HOUR,
        "look-ups that miss in an hour, of an address that nobody has signed in from, beyond that",
    )
    checks_per_client_hour: int = _count(
        policy.CHECKS_PER_CLIENT_HOUR, "presented codes from one address in an hour"
    )
    unsent_asks_per_client_hour: int = _count(
        policy.UNSENT_ASKS_PER_CLIENT_HOUR,
        "asks for a code from one address in an hour while every sender is being skipped",
    )
    rejected_requests_per_client_hour: int = _count(
        policy.REJECTED_REQUESTS_PER_CLIENT_HOUR,
        "requests from one address in an hour that name a token of no sign-in, a signup session "
        "which is not good, or a number whose signup is locked",
    )
    network_factor: int = _count(
        policy.NETWORK_FACTOR,
        "how many times the limits of one address its network has (IPv4 /24, IPv6 /48)",
        most=1000,
    )
    failed_guesses_per_day: int = _count(
        policy.FAILED_GUESSES_PER_DAY, "failed guesses of a subject in 24 hours before the lock"
    )
    failed_guesses_per_30_days: int = _count(
        policy.FAILED_GUESSES_PER_30_DAYS,
        "failed guesses of a subject in 30 days before the lock",
    )
    failed_guesses_in_a_row: int = _count(
        policy.FAILED_GUESSES_IN_A_ROW,
        "failed guesses with no success in between before only an operator unlocks",
    )
    audit_days: int = _count(
        policy.AUDIT_DAYS, "days for which purge keeps audit rows", least=1, most=3650
    )
    uniform_pass_errors: bool = _flag(
        default=False, meaning="answer alike for unknown and unpaid passes and missing numbers"
    )
    service_name: str = _setting(
        check_service_name,
        "House Service Pass",
        "what messages of pass login call the service",
        takes=_NAME_TAKES,
    )
    signup_service_name: str = _setting(
        check_service_name,
        "NeoBank",
        "what messages of signup call the service",
        takes=_NAME_TAKES,
    )
    wordings: Wordings = _setting(
        _wordings,
        _NO_WORDINGS,
        "texts of your own, with the ids that operators ask for (DLT)",
        takes="the path of a TOML file",
        shown_default="none",
    )
    metrics_port: int | None = _setting(
        _whole(0, _PORTS),
        None,
        "port of a listener of its own that serves /metrics; 0 takes any free one",
        takes=_PORT_TAKES,
        shown_default="none",
    )
    traces_url: str = _setting(
        _url,
        "",
        "where a collector takes traces, by OTLP over HTTP; needs hsp-otp[traces]",
        takes="http:// or https:// and a host, perhaps a port, and the whole path, as /v1/traces",
        shown_default="none",
    )
    traces_percent: int = _setting(
        _whole(0, _WHOLE),
        _WHOLE,
        "how many of the traces that begin here are kept",
        takes=f"a whole number from 0 to {_WHOLE}",
    )
    ops_password: str = _setting(
        _password,
        "",
        "what operators sign in with at /ops/, a page that there is only where it is set",
        takes=f"{LEAST_PASSWORD} printable characters or more",
        shown_default="none",
        secret=True,
    )
    docs: bool | None = _flag(
        None, "/docs and the OpenAPI document", shown_default="on in development"
    )
    accounts: Mapping[str, Any] = attrs.field(factory=_accounts)
    """The settings of every sender's own, by its name."""

    @property
    def shows_docs(self) -> bool:
        """Whether the API's description is served."""
        return self.in_development if self.docs is None else self.docs

    @property
    def measures(self) -> bool:
        """Whether anybody looks at metrics."""
        return self.metrics_port is not None or bool(self.ops_password)

    @property
    def counts_in(self) -> str:
        """Where checks and look-ups are counted."""
        return self.usage_store or ("redis" if self.redis_url else "sql")

    @property
    def in_development(self) -> bool:
        """Whether development mode is on."""
        return self.mode == DEVELOPMENT

    @property
    def texts(self) -> GettextMessages:
        """The words that people read."""
        return GettextMessages(
            {
                Purpose.PHONE_VERIFICATION: self.service_name,
                Purpose.SIGNUP: self.signup_service_name,
            },
            LOCALE,
            self.wordings,
            web_origin=self.web_origin or None,
            android_hash=self.android_hash or None,
        )

    @property
    def policies(self) -> dict[Purpose, Policy]:
        """The numbers of every purpose."""
        login = Quota(self.login_sends_per_client_hour, HOUR)
        signup = (
            Quota(self.signup_sends_per_client_minute, MINUTE),
            Quota(self.signup_sends_per_client_hour, HOUR),
        )
        return {
            Purpose.PHONE_VERIFICATION: self._policy(self.login_code_seconds, (login,)),
            Purpose.SIGNUP: self._policy(self.signup_code_seconds, signup),
        }

    def _policy(self, code_seconds: int, client_sends: tuple[Quota, ...]) -> Policy:
        return Policy(
            digits=self.code_digits,
            lifetime=code_seconds * SECOND,
            max_attempts=self.max_attempts,
            cooldown=self.resend_cooldown_seconds * SECOND,
            failures=(
                Quota(self.failed_guesses_per_day, DAY),
                Quota(self.failed_guesses_per_30_days, 30 * DAY),
            ),
            max_run=self.failed_guesses_in_a_row,
            contact_sends=Quota(self.phone_sends_per_day, DAY),
            client_sends=client_sends,
            network_factor=self.network_factor,
        )

    @property
    def client_limits(self) -> ClientLimits:
        """The limits on what is cheap and frequent."""
        return ClientLimits(
            checks=Quota(self.checks_per_client_hour, HOUR),
            lookups=Quota(self.lookups_per_client_hour, HOUR),
            misses=Quota(self.lookup_misses_per_hour, HOUR),
            newcomer_misses=Quota(self.newcomer_misses_per_hour, HOUR),
            unsent_asks=Quota(self.unsent_asks_per_client_hour, HOUR),
            rejected=Quota(self.rejected_requests_per_client_hour, HOUR),
            network_factor=self.network_factor,
        )


def described() -> list[tuple[str, str, str, str]]:
    """Variable, default, what it takes and what it means, of every setting."""
    return [
        (name, field.metadata["default"], field.metadata["takes"], field.metadata["meaning"])
        for name, field in _variables()
    ] + [(CONFIG, "none", "the path of a TOML file", "settings by their name in lower case")]


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read the settings: the environment first, then the file that it names, then the defaults.

    Raises:
        SettingsError: An unknown name, an impossible value, or values that do not go together.
    """
    environ = os.environ if environ is None else environ
    given = {
        name: Given(text)
        for name, text in environ.items()
        if name.startswith(PREFIX) and not is_service_variable(name, text)
    }
    path = environ.get(CONFIG, "").strip()
    in_file = _given_in_file(path) if path else {}
    if CONFIG in in_file:
        raise SettingsError(f"{CONFIG}: {path!r} cannot name another file")
    known = {name for name, _ in _variables()}
    for name, one in sorted((in_file | given).items()):
        if name not in {*known, CONFIG}:
            raise SettingsError(
                f"{ascii(name)[1:-1]}: there is no such setting{one.place}; see hsp-otp settings"
            )
    # An empty variable is as good as none.
    merged = in_file | {name: one for name, one in given.items() if str(one.value).strip()}
    accounts = {
        name: provider.account(**_values(_of_provider(provider), merged))
        for name, provider in SENDERS.items()
    }
    settings = Settings(**_values(_of_house(), merged), accounts=accounts)
    _check_development(settings)
    _check_redis(settings)
    if settings.metrics_port and settings.metrics_port == settings.port:
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: got {settings.port}, which is {PREFIX}PORT; takes another"
        )
    return settings


def passed_over(environ: Mapping[str, str] | None = None) -> str:
    """
    One line about variables of settings that Kubernetes has set for a Service, and not an operator.

    Nothing where there are none.
    """
    environ = os.environ if environ is None else environ
    names = [name for name, _ in _variables() if is_service_variable(name, environ.get(name, ""))]
    if not names:
        return ""
    return f"{' and '.join(sorted(names))}: set by Kubernetes for a Service, and passed over"


def file_with_secrets() -> Path | None:
    """The file that the environment names, where it gives a setting that is secret."""
    path = os.environ.get(CONFIG, "").strip()
    secret = {name for name, field in _variables() if field.metadata["secret"]}
    return Path(path) if path and secret & _given_in_file(path).keys() else None


def check_to_serve(settings: Settings) -> None:
    """
    Make sure that there is all that serving needs beside what has defaults.

    Raises:
        SettingsError: Keys or senders are missing, or keys are unfit.
    """
    if not settings.in_development and not settings.senders:
        raise SettingsError(f"{PREFIX}SENDERS: missing; takes {SENDERS_TAKEN}")
    for name in settings.senders:
        _check_account(settings, SENDERS[name])
    _check_message(settings)
    check_secret_keys(settings)
    _check_traces(settings)
    if settings.proof_audience == settings.jwt_audience:
        raise SettingsError(
            f"{PREFIX}PROOF_AUDIENCE: got that of access tokens, {settings.jwt_audience!r}; "
            "takes another"
        )
    if not settings.jwt_keys:
        raise SettingsError(f"{PREFIX}JWT_KEYS: missing; {_jwt_keys_hint(settings.jwt_algorithm)}")
    try:
        parse_signing_keys(settings.jwt_algorithm, settings.jwt_keys)
    except ValueError as error:
        takes = "id:base64,..." if settings.jwt_algorithm == "HS256" else "id:path-to-PEM,..."
        raise SettingsError(
            f"{PREFIX}JWT_KEYS: {error}; with {PREFIX}JWT_ALGORITHM={settings.jwt_algorithm} "
            f"it takes {takes}"
        ) from None


def missing_variables(settings: Settings, sender: str) -> list[str]:
    """What a sender does not send without, and what was not given."""
    return [
        variable
        for variable, field in _of_provider(SENDERS[sender])
        if field.metadata["required"] and not getattr(settings.accounts[sender], field.name)
    ]


def _check_account(settings: Settings, provider: Provider[Any]) -> None:
    account = settings.accounts[provider.name]
    for variable in missing_variables(settings, provider.name):
        raise SettingsError(f"{variable}: missing; {provider.name} needs it")
    try:
        provider.check(account, receipts_url(settings.public_url, provider.name))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _check_message(settings: Settings) -> None:
    _check_wordings(settings)
    if not settings.web_origin and not settings.android_hash:
        return
    code = Code("0" * settings.code_digits)
    for purpose, numbers in settings.policies.items():
        text = settings.texts.sms(purpose, code, numbers.lifetime, ENGLISH).text
        if (size := len(text.encode())) > MAX_AUTOFILL_BYTES:
            name = "WEB_ORIGIN" if settings.web_origin else "ANDROID_HASH"
            long = ", or ".join(_can_be_shorter(settings, purpose))
            raise SettingsError(
                f"{PREFIX}{name}: messages with a line for autofill have {size} bytes, and may "
                f"have {MAX_AUTOFILL_BYTES}: shorten {long}"
            )


def _can_be_shorter(settings: Settings, purpose: Purpose) -> list[str]:
    """The settings that an English message with a line for autofill is made of."""
    names = {
        Purpose.PHONE_VERIFICATION: "SERVICE_NAME",
        Purpose.SIGNUP: "SIGNUP_SERVICE_NAME",
    }
    wording = settings.wordings.get((purpose, ENGLISH))
    found = ["it"] if settings.web_origin else []
    if wording is None or "{service}" in wording.text:
        found.append(f"{PREFIX}{names[purpose]}")
    if wording is not None:
        found.append(f"the text of {purpose.value}.{ENGLISH} in {PREFIX}WORDINGS")
    return found


def _check_wordings(settings: Settings) -> None:
    texts = attrs.evolve(settings, web_origin="", android_hash="").texts
    code = Code("0" * settings.code_digits)
    for purpose, language in settings.wordings:
        lifetime = settings.policies[purpose].lifetime
        found = segments(texts.sms(purpose, code, lifetime, language).text)
        if found > (most := 1 if language == ENGLISH else _MOST_SEGMENTS):
            raise SettingsError(
                f"{PREFIX}WORDINGS: the text of {purpose.value}.{language} takes {found} segments, "
                f"and may take {most}"
            )


def _check_traces(settings: Settings) -> None:
    if not settings.traces_url:
        return
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise SettingsError(
            f"{PREFIX}TRACES_URL: needs hsp-otp[traces], which is not installed here"
        )


def check_secret_keys(settings: Settings) -> None:
    """
    Make sure that there are secret keys.

    Raises:
        SettingsError: There are none.
    """
    if not settings.secret_keys:
        raise SettingsError(
            f"{PREFIX}SECRET_KEYS: missing; hsp-otp keys new DIR makes one and prints the line"
        )


def _jwt_keys_hint(algorithm: Algorithm) -> str:
    if algorithm == "HS256":
        return "takes id:base64,... of 32 bytes or more; openssl rand -base64 32 draws them"
    return f"hsp-otp keys new DIR --algorithm {algorithm} makes one and prints the line"


def _variables() -> list[tuple[str, Field]]:
    return [*_of_house(), *(one for provider in SENDERS.values() for one in _of_provider(provider))]


def _of_house() -> list[tuple[str, Field]]:
    """The settings that are nobody's own, each with its variable."""
    return [
        (PREFIX + field.name.upper(), field) for field in attrs.fields(Settings) if field.metadata
    ]


def _of_provider(provider: Provider[Any]) -> list[tuple[str, Field]]:
    """A provider's own settings. An underscore at the end spares a field a word of Python's."""
    return [
        (f"{PREFIX}{provider.name}_{field.name.rstrip('_')}".upper(), field)
        for field in attrs.fields(provider.account)
    ]


def _given_in_file(path: str) -> dict[str, Given]:
    known = {name.removeprefix(PREFIX).lower() for name, _ in _variables()}
    try:
        found = given_in_file(path, PREFIX, known)
    except ValueError as error:
        raise SettingsError(f"{CONFIG}: {path!r} {error}") from None
    return {PREFIX + name.upper(): one for name, one in found.items()}


def _values(fields: list[tuple[str, Field]], given: Mapping[str, Given]) -> dict[str, Any]:
    return {
        field.name: value
        for variable, field in fields
        if variable in given and (value := _read(variable, field, given[variable])) is not None
    }


def _read(variable: str, field: Field, given: Given) -> object:
    """The value of a setting; None where what was given is as good as nothing."""
    about = field.metadata
    takes = f"takes {about['takes']}"
    try:
        text = given.text(about["shape"]).strip()
    except WrongTypeError as error:
        raise SettingsError(f"{variable}: got {error}, {takes}{given.place}") from None
    try:
        return about["read"](text) if text else None
    except ValueError as error:
        is_secret = about["secret"] or bool(_MAY_HOLD_SECRET.search(text))
        got = "a value that is not shown" if is_secret else _shown(text)
        may_tell = isinstance(error, ReasonError) or not is_secret
        why = _QUOTED if _is_in_quotes(text) else str(error) if may_tell else ""
        reason = f" ({why})" if why else ""
        raise SettingsError(f"{variable}: got {got}, {takes}{reason}{given.place}") from None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]!r}..."


def _is_in_quotes(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _check_redis(settings: Settings) -> None:
    topology = Topology(settings.redis_topology)
    if topology is Topology.STANDALONE and len(settings.redis_url) > 1:
        raise SettingsError(
            f"{PREFIX}REDIS_URL: got several, takes one where {PREFIX}REDIS_TOPOLOGY is standalone"
        )
    if topology is not Topology.STANDALONE and not settings.redis_url:
        raise SettingsError(
            f"{PREFIX}REDIS_URL: missing; {PREFIX}REDIS_TOPOLOGY is {topology.value}"
        )
    if (topology is Topology.SENTINEL) != bool(settings.redis_sentinel_service):
        raise SettingsError(
            f"{PREFIX}REDIS_SENTINEL_SERVICE: goes with {PREFIX}REDIS_TOPOLOGY=sentinel, "
            "and each needs the other"
        )


def _check_development(settings: Settings) -> None:
    stores = (("CHALLENGE_STORE", settings.challenge_store), ("USAGE_STORE", settings.counts_in))
    for name, store in stores:
        if store == "redis" and not settings.redis_url:
            raise SettingsError(f"{PREFIX}REDIS_URL: missing; {PREFIX}{name} is redis")
        if store == "memory" and not settings.in_development:
            raise SettingsError(f"{PREFIX}{name}: got 'memory', which is for development mode")
        if store == "memory" and settings.workers > 1:
            raise SettingsError(
                f"{PREFIX}{name}: got 'memory', which takes one worker; "
                f"{PREFIX}WORKERS is {settings.workers}"
            )
    for name in settings.senders:
        if SENDERS[name].development_only and not settings.in_development:
            raise SettingsError(f"{PREFIX}SENDERS: got {name!r}, which is for development mode")

"""Every setting: where it comes from, what it takes, and what it means."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

import attrs
import phonenumbers
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from hsp_otp.adapters.jwt import Algorithm, parse_signing_keys
from hsp_otp.adapters.keys import parse_secret_keys
from hsp_otp.adapters.messages import (
    LOCALE,
    MAX_AUTOFILL_BYTES,
    GettextMessages,
    check_service_name,
)
from hsp_otp.adapters.redis.client import Topology
from hsp_otp.adapters.sms.provider import URL_TAKES, Provider
from hsp_otp.adapters.sms.provider import setting as _setting
from hsp_otp.adapters.sms.provider import text as _text
from hsp_otp.adapters.sms.provider import url as _url
from hsp_otp.adapters.wordings import read_wordings
from hsp_otp.domain import policy
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import ENGLISH, Purpose
from hsp_otp.domain.operators import LEAST_PASSWORD
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.segments import segments
from hsp_otp.entrypoints.http.client_address import (
    HEADERS,
    X_FORWARDED_FOR,
    Network,
    parse_trusted_proxies,
)
from hsp_otp.entrypoints.senders import SENDERS, receipts_url
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

_WHOLE: Final = 100
"""In percent."""

Field: TypeAlias = "attrs.Attribute[Any]"

_MOST_SEGMENTS: Final = 2
"""Of a text that is not in English."""

_NO_WORDINGS: Final[Wordings] = {}

T = TypeVar("T")
S = TypeVar("S", bound=str)


class SettingsError(ValueError):
    """One line that names the variable, what it got (secrets never) and what it takes."""


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
        read, default, meaning, takes="true/false, yes/no or 1/0", shown_default=shown_default
    )


def _region(text: str) -> str:
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError
    return text.upper()


def _regions(text: str) -> frozenset[str]:
    return frozenset(_region(part.strip()) for part in text.split(","))


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError from None
    if not url.database:
        raise ValueError
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
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname or parts.port == 0:
            raise ValueError
        if not re.fullmatch(r"(/[0-9]{0,3})?", parts.path) or parts.query or parts.fragment:
            raise ValueError
    return urls


def _senders(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or not SENDERS.keys() >= set(names):
        raise ValueError
    return names


def _wordings(text: str) -> Wordings:
    return read_wordings(text, GettextMessages({}).languages)


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
    host: str = _setting(_text, "127.0.0.1", "address to listen on", takes="a host or address")
    port: int = _count(8000, "port to listen on; 0 takes any free one", most=_PORTS)
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
        takes="redis:// or rediss:// and a host, comma separated",
        shown_default="none",
        secret=True,
    )
    redis_topology: str = _choice(
        Topology.STANDALONE.value,
        "how the servers of Redis hang together",
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
        takes="a host name without scheme",
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
        parse_secret_keys,
        (),
        "keys of codes, number fingerprints and refresh tokens; the first writes, all verify",
        takes="id:base64,... of 32 bytes or more each",
        shown_default="generated in development",
        secret=True,
    )
    jwt_algorithm: Algorithm = _choice("ES256", "algorithm of access tokens", *ALGORITHMS)
    jwt_keys: str = _setting(
        _text,
        "",
        "keys of access tokens; the first signs",
        takes="id:path-to-PEM,... or, for HS256, id:base64,...",
        shown_default="generated in development",
        secret=True,
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
        takes="CIDRs, comma separated, and no wildcard",
        shown_default="none",
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
        "requests from one address in an hour that name a token or a signup session which is not "
        "good, or a number whose signup is locked",
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
        takes="1 to 40 characters of the GSM-7 alphabet",
    )
    signup_service_name: str = _setting(
        check_service_name,
        "NeoBank",
        "what messages of signup call the service",
        takes="1 to 40 characters of the GSM-7 alphabet",
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
        takes=f"a whole number from 0 to {_PORTS}",
        shown_default="none",
    )
    traces_url: str = _setting(
        _url,
        "",
        "where a collector takes traces, by OTLP over HTTP; needs hsp-otp[traces]",
        takes=f"{URL_TAKES}, with the whole path, as /v1/traces",
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
            phone_sends=Quota(self.phone_sends_per_day, DAY),
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
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    path = given.pop(CONFIG, "")
    merged = {**(_from_file(path) if path else {}), **given}
    if unknown := merged.keys() - {name for name, _ in _variables()}:
        raise SettingsError(f"{min(unknown)}: there is no such setting; see hsp-otp settings")
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
        raise SettingsError(_missing_key("JWT_KEYS"))
    try:
        parse_signing_keys(settings.jwt_algorithm, settings.jwt_keys)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}JWT_KEYS: {error}") from None


def _check_account(settings: Settings, provider: Provider[Any]) -> None:
    account = settings.accounts[provider.name]
    for variable, field in _of_provider(provider):
        if field.metadata["required"] and not getattr(account, field.name):
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
    names = {
        Purpose.PHONE_VERIFICATION: "SERVICE_NAME",
        Purpose.SIGNUP: "SIGNUP_SERVICE_NAME",
    }
    for purpose, numbers in settings.policies.items():
        text = settings.texts.sms(purpose, code, numbers.lifetime, ENGLISH).text
        if (size := len(text.encode())) > MAX_AUTOFILL_BYTES:
            raise SettingsError(
                f"{PREFIX}WEB_ORIGIN: messages with a line for autofill have {size} bytes, and may "
                f"have {MAX_AUTOFILL_BYTES}: shorten it or {PREFIX}{names[purpose]}"
            )


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
        raise SettingsError(_missing_key("SECRET_KEYS"))


def _missing_key(name: str) -> str:
    return f"{PREFIX}{name}: missing; hsp-otp keys new DIR makes one and prints the line"


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


def _values(fields: list[tuple[str, Field]], given: Mapping[str, str]) -> dict[str, Any]:
    # An empty variable is as good as none.
    return {
        field.name: _read(variable, field, text)
        for variable, field in fields
        if (text := given.get(variable, "").strip())
    }


def _read(variable: str, field: Field, text: str) -> object:
    try:
        return field.metadata["read"](text)
    except ValueError as error:
        got = "a value that is not shown" if field.metadata["secret"] else repr(text[:80])
        why = f" ({error})" if str(error) else ""
        raise SettingsError(
            f"{variable}: got {got}, takes {field.metadata['takes']}{why}"
        ) from None


def _from_file(path: str) -> dict[str, str]:
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{CONFIG}: cannot read {path!r}: {error.strerror}") from None
    except ValueError:
        # The parser's own words repeat the text, and it may be a secret.
        raise SettingsError(f"{CONFIG}: {path!r} is not TOML in UTF-8") from None
    return {PREFIX + name.upper(): _flat(value) for name, value in found.items()}


def _flat(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ",".join(str(item) for item in cast("list[object]", value))
        case _:
            return str(value)


def _check_redis(settings: Settings) -> None:
    topology = Topology(settings.redis_topology)
    if topology is Topology.STANDALONE and len(settings.redis_url) > 1:
        raise SettingsError(
            f"{PREFIX}REDIS_URL: got several, takes one unless {PREFIX}REDIS_TOPOLOGY is set"
        )
    if topology is not Topology.STANDALONE and not settings.redis_url:
        raise SettingsError(f"{PREFIX}REDIS_URL: missing; {PREFIX}REDIS_TOPOLOGY is set")
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
            raise SettingsError(f"{PREFIX}{name}: got 'memory', which takes one worker")
    for name in settings.senders:
        if SENDERS[name].development_only and not settings.in_development:
            raise SettingsError(f"{PREFIX}SENDERS: got {name!r}, which is for development mode")

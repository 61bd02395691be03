"""The model of all settings: defaults, accepted values and meanings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
from sqlalchemy import make_url

from hsp_otp.adapters.jwt import Algorithm
from hsp_otp.adapters.messages import LOCALE, GettextMessages, check_service_name
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.senders.provider import URL_TAKES, Provider, Shape
from hsp_otp.adapters.senders.provider import setting as _setting
from hsp_otp.adapters.senders.provider import text as _text
from hsp_otp.adapters.senders.provider import url as _url
from hsp_otp.domain import policy
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import Language
from hsp_otp.domain.operator_sessions import LEAST_PASSWORD
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import APP_PURPOSES, FLOWS, PURPOSES, Flow, Purpose, PurposeRow
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.wordings import Wordings
from hsp_otp.entrypoints.client_address import (
    HEADERS,
    X_FORWARDED_FOR,
    Network,
    parse_trusted_proxies,
)
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings import readers
from hsp_otp.entrypoints.settings.branding import Branding
from hsp_otp.entrypoints.settings.guard import GuardSettings
from hsp_otp.entrypoints.settings.readers import choice, count, flag

PREFIX: Final = "HSP_OTP_"

SENDERS_TAKEN: Final = "a comma-separated list, in the order to try them, of " + ", ".join(
    f"{name} (development only)" if provider.development_only else name
    for name, provider in SENDERS.items()
)

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "HS256")

DEVELOPMENT: Final = "development"
PRODUCTION: Final = "production"

_PORT_TAKES: Final = f"a whole number from 0 to {readers.PORTS}"

_WHOLE: Final = 100
"""All traces, in percent."""

Field: TypeAlias = "attrs.Attribute[Any]"

_NAME_TAKES: Final = "1 to 40 letters of the GSM-7 alphabet, digits, spaces and &'()+,-.!"

_RETURN_URL_TAKES: Final = (
    "https:// and a host in lower case, optionally with a port, a path and a query; in development "
    "also http:// and a loopback address"
)

_NO_WORDINGS: Final[Wordings] = {}


_WINDOWS: Final = {MINUTE: "a minute", HOUR: "an hour", DAY: "a day"}


def _numbers_of(row: PurposeRow) -> type[Any]:
    """The class of what a purpose's own settings hold."""
    fields: dict[str, Any] = {
        "code_seconds": count(
            row.code_seconds,
            f"lifetime of a code of {row.title}, seconds",
            least=1,
            most=policy.MAX_CODE_SECONDS,
        )
    }
    for end, quota in row.client_sends.items():
        window = _WINDOWS[quota.window]
        fields[end] = count(quota.limit, f"sends of {row.title} from one address in {window}")
    return attrs.make_class("Numbers", fields, frozen=True, kw_only=True)


NUMBERS: Final = {purpose: _numbers_of(row) for purpose, row in PURPOSES.items()}
"""The class of each purpose's own settings."""


def _numbers() -> dict[Purpose, Any]:
    return {purpose: made() for purpose, made in NUMBERS.items()}


PAGES: Final = {flow: row.page for flow, row in FLOWS.items() if row.page}
"""The flows with pages, and the prefixes of the pages' settings."""


def _branding() -> dict[Flow, Branding]:
    return {flow: Branding() for flow in PAGES}


def _accounts() -> dict[str, Any]:
    return {name: provider.account() for name, provider in SENDERS.items()}


@attrs.frozen(kw_only=True)
class UsedSender:
    """
    A sender that the service uses.

    Attributes:
        place: Which of its provider's senders it is, from 0.
    """

    name: str
    provider: Provider[Any]
    account: Any = attrs.field(repr=False)
    place: int


@attrs.frozen(kw_only=True)
class Settings:
    """All settings, read once."""

    mode: str = choice(
        PRODUCTION,
        "development allows the console sender, generated keys and demo data",
        PRODUCTION,
        DEVELOPMENT,
    )
    host: str = _setting(
        readers.host,
        "127.0.0.1",
        "address to listen on",
        takes="an address or a host name, in ASCII",
    )
    port: int = _setting(
        readers.whole(0, readers.PORTS),
        8000,
        "port to listen on; 0 chooses any free port",
        takes=_PORT_TAKES,
    )
    workers: int = count(1, "number of worker processes", least=1, most=64)
    keep_alive_seconds: int = count(
        75, "seconds to keep an idle connection open between two requests", least=1, most=3600
    )
    database_url: str = _setting(
        readers.database_url,
        "sqlite+aiosqlite:///hsp-otp.db",
        "SQL database",
        takes="sqlite+aiosqlite:/// and the path of a file, or postgresql+asyncpg://"
        "user:password@host:port/name, optionally with ?host= for a socket's folder and "
        "?ssl=require or ?ssl=verify-full",
        secret=True,
    )
    redis_url: tuple[str, ...] = _setting(
        readers.redis_urls,
        (),
        "Redis 7 or newer, or Valkey: one server, some nodes of a cluster, or the sentinels",
        takes="redis:// or rediss://, optionally user:password@, a host, and optionally :port and "
        "/number; several separated by commas",
        shown_default="none",
        secret=True,
        shape=Shape.LIST,
    )
    redis_topology: str = choice(
        Topology.STANDALONE.value,
        "Redis topology",
        *(one.value for one in Topology),
    )
    redis_sentinel_service: str = _setting(
        _text, "", "name of the service at the sentinels", takes="a text", shown_default="none"
    )
    challenge_store: str = choice(
        "sql",
        "store of challenges, failed guesses and the limits on sends; "
        "memory only in development, with one worker",
        "sql",
        "redis",
        "memory",
    )
    usage_store: str = choice(
        "",
        "store of the counts of checks and look-ups; memory only in development, with one worker",
        "sql",
        "redis",
        "memory",
        shown_default="redis if HSP_OTP_REDIS_URL is set, else sql",
    )
    senders: tuple[str, ...] = _setting(
        readers.sender_names,
        (),
        "senders of messages, tried in order, for each channel, until one accepts the message",
        takes=SENDERS_TAKEN,
        shown_default="console in development",
        shape=Shape.LIST,
    )
    public_url: str = _setting(
        _url,
        "",
        "public URL at which providers reach this service; required for delivery receipts",
        takes=URL_TAKES,
        shown_default="none",
    )
    cors_origins: tuple[str, ...] = _setting(
        readers.origins,
        (),
        "origins whose pages may call this API from a browser, besides the service's own",
        takes="comma-separated origins such as https://www.example.com: http:// or https://, a "
        "host and optionally a port, without a path, a trailing slash or wildcards",
        shown_default="none",
        shape=Shape.LIST,
    )
    login_return_url: str = _setting(
        readers.return_url,
        "",
        "URL of another site, to which the page of pass login posts a code for tokens",
        takes=_RETURN_URL_TAKES,
        shown_default="none",
    )
    signup_return_url: str = _setting(
        readers.return_url,
        "",
        "URL of another site, to which the page of signup posts the proof",
        takes=_RETURN_URL_TAKES,
        shown_default="none",
    )
    web_origin: str = _setting(
        readers.host_name,
        "",
        "host name in the last line of messages, for autofill in browsers",
        takes="a host name with a dot, of 80 characters at most, without scheme or port",
        shown_default="none",
    )
    android_hash: str = _setting(
        readers.android_hash,
        "",
        "hash in the last line of messages, for Android's SMS Retriever",
        takes="11 characters of base64",
        shown_default="none",
    )
    secret_keys: tuple[Key, ...] = _setting(
        readers.secret_keys,
        (),
        "keys for codes, number fingerprints and refresh tokens; the first writes, all verify",
        takes="id:base64,... of 32 bytes or more each",
        shown_default="generated in development",
        secret=True,
        shape=Shape.LIST,
    )
    jwt_algorithm: Algorithm = choice("ES256", "algorithm of access tokens", *ALGORITHMS)
    jwt_keys: str = _setting(
        _text,
        "",
        "keys for access tokens; the first signs",
        takes="id:path-to-PEM,... or, for HS256, id:base64,...",
        shown_default="generated in development",
        secret=True,
        shape=Shape.LIST,
    )
    jwt_issuer: str = _setting(
        _text, "hsp-otp", "issuer of access tokens and proofs", takes="a text"
    )
    jwt_audience: str = _setting(_text, "hsp-otp", "audience of access tokens", takes="a text")
    token_email: bool = flag(
        default=False, meaning="add the user's e-mail address to access tokens, as `email`"
    )
    proof_audience: str = _setting(
        _text,
        "hsp-otp-signup",
        "audience of proofs, for the backend of the next signup steps",
        takes="a text other than the audience of access tokens",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        parse_trusted_proxies,
        (),
        "proxies that are trusted to name their callers",
        takes="comma-separated addresses and CIDRs, without wildcards",
        shown_default="none",
        shape=Shape.LIST,
    )
    forwarded_header: str = choice(
        X_FORWARDED_FOR, "header in which trusted proxies name their callers", *HEADERS
    )
    default_region: str = _setting(
        readers.region,
        "IN",
        "region of numbers in national format",
        takes="an ISO 3166-1 alpha-2 code",
    )
    signup_regions: frozenset[str] = _setting(
        readers.regions,
        frozenset({"IN"}),
        "regions whose numbers may sign up",
        takes="comma-separated ISO 3166-1 alpha-2 codes",
        shown_default="IN",
        shape=Shape.LIST,
    )
    max_attempts: int = count(policy.MAX_ATTEMPTS, "guesses judged per code", least=1, most=100)
    code_digits: int = count(
        policy.CODE_DIGITS,
        "number of digits in a code",
        least=policy.CODE_DIGITS_RANGE[0],
        most=policy.CODE_DIGITS_RANGE[1],
    )
    access_token_seconds: int = count(
        policy.ACCESS_TOKEN_SECONDS, "lifetime of an access token in seconds", least=1, most=86_400
    )
    refresh_token_days: int = count(
        policy.REFRESH_TOKEN_DAYS,
        "lifetime of a refresh token's family in days, from the sign-in",
        least=1,
        most=365,
    )
    phone_sends_per_day: int = count(policy.PHONE_SENDS_PER_DAY, "sends to one number in 24 hours")
    calls_per_day: int = count(
        policy.CALLS_PER_DAY, "calls to one number in 24 hours, among those sends"
    )
    email_sends_per_day: int = count(
        policy.EMAIL_SENDS_PER_DAY, "sends to one mailbox in 24 hours, for all apps together"
    )
    known_sends_per_day: int = count(
        policy.SENDS_KEPT_FOR_KNOWN,
        "how many of the sends to one number are kept for known devices",
    )
    others_per_network_day: int = count(
        policy.SENDS_OF_ONE_NETWORK,
        "sends to one number in 24 hours that one network gets on devices that are not known",
    )
    device_days: int = count(
        policy.DEVICE_DAYS,
        "days for which a device stays known after its last success",
        least=1,
        most=3650,
    )
    fresh_code_seconds: int = count(
        policy.FRESH_CODE_SECONDS,
        "seconds in which another network cannot replace a code",
        most=policy.MAX_CODE_SECONDS,
    )
    bind_guesses: bool = flag(
        default=True,
        meaning="judge a guess only with its challenge's id, or from the network that asked",
    )
    work_seconds: int = count(
        policy.WORK_SECONDS,
        "seconds that the least work takes a phone, before strangers get more codes",
        most=10,
    )
    resend_cooldown_seconds: int = count(
        policy.RESEND_COOLDOWN_SECONDS, "seconds between sends for the same subject and purpose"
    )
    lookups_per_client_hour: int = count(
        policy.LOOKUPS_PER_CLIENT_HOUR,
        "pass look-ups per client address in an hour; a miss counts double",
    )
    lookup_misses_per_hour: int = count(
        policy.LOOKUP_MISSES_PER_HOUR,
        "missed look-ups of all clients in an hour after which a newcomer, an address that nobody "
        "has signed in from, may miss only a few times",
    )
    newcomer_misses_per_hour: int = count(
        policy.NEWCOMER_MISSES_PER_HOUR,
        "missed look-ups per newcomer's address in an hour, once HSP_OTP_LOOKUP_MISSES_PER_HOUR "
        "is reached",
    )
    checks_per_client_hour: int = count(
        policy.CHECKS_PER_CLIENT_HOUR, "presented codes per client address in an hour"
    )
    unsent_asks_per_client_hour: int = count(
        policy.UNSENT_ASKS_PER_CLIENT_HOUR,
        "requests for a code per client address in an hour while every sender is being skipped",
    )
    rejected_requests_per_client_hour: int = count(
        policy.REJECTED_REQUESTS_PER_CLIENT_HOUR,
        "requests per client address in an hour that carry a token of no sign-in, an invalid "
        "signup session, or a number whose signup is locked",
    )
    failed_authentications_per_client_minute: int = count(
        policy.FAILED_AUTHENTICATIONS_PER_CLIENT_MINUTE,
        "requests per client address in a minute without a valid API key where one is required",
    )
    network_factor: int = count(
        policy.NETWORK_FACTOR,
        "factor by which a network's limits exceed one address's (IPv4 /24, IPv6 /48)",
        most=1000,
    )
    failed_guesses_per_day: int = count(
        policy.FAILED_GUESSES_PER_DAY, "failed guesses per subject in 24 hours before the lock"
    )
    failed_guesses_per_30_days: int = count(
        policy.FAILED_GUESSES_PER_30_DAYS,
        "failed guesses per subject in 30 days before the lock",
    )
    failed_guesses_in_a_row: int = count(
        policy.FAILED_GUESSES_IN_A_ROW,
        "failed guesses without a success before only an operator can unlock",
    )
    audit_days: int = count(
        policy.AUDIT_DAYS, "days after which purge deletes audit rows", least=1, most=3650
    )
    uniform_pass_errors: bool = flag(
        default=False,
        meaning="give the same answer for unknown passes, unpaid passes and missing numbers",
    )
    service_name: str = _setting(
        check_service_name,
        "House Service Pass",
        "name of the service in messages and on the page of pass login",
        takes=_NAME_TAKES,
    )
    signup_service_name: str = _setting(
        check_service_name,
        "NeoBank",
        "name of the service in messages and on the page of signup",
        takes=_NAME_TAKES,
    )
    signup_steps: Mapping[Language, tuple[str, ...]] | None = _setting(
        readers.steps,
        None,
        "titles of the steps that follow the phone number in a signup",
        takes=f"1 to {readers.MOST_STEPS} titles separated by commas, for several languages such "
        "as en: Your details, Account; es: Sus datos, Cuenta; or none",
        shown_default="personal details, Aadhaar, PAN, account and password",
        shape=Shape.LIST,
    )
    wordings: Wordings = _setting(
        readers.wordings_file,
        _NO_WORDINGS,
        "custom message texts, with the ids that telecom operators require (DLT)",
        takes="the path of a TOML file",
        shown_default="none",
    )
    metrics_port: int | None = _setting(
        readers.whole(0, readers.PORTS),
        None,
        "port of the separate listener for /metrics; 0 chooses any free port",
        takes=_PORT_TAKES,
        shown_default="none",
    )
    traces_url: str = _setting(
        _url,
        "",
        "URL of the collector for traces, by OTLP over HTTP; needs hsp-otp[traces]",
        takes="http:// or https:// and a host, optionally a port, and the whole path, such as "
        "/v1/traces",
        shown_default="none",
    )
    traces_percent: int = _setting(
        readers.whole(0, _WHOLE),
        _WHOLE,
        "percentage to keep of the traces that begin in this service",
        takes=f"a whole number from 0 to {_WHOLE}",
    )
    ops_password: str = _setting(
        readers.password,
        "",
        "password that operators at /ops/ share",
        takes=f"{LEAST_PASSWORD} printable characters or more",
        shown_default="none",
        secret=True,
    )
    ops_users: Path | None = _setting(
        Path,
        None,
        "operators at /ops/, each with a password; hsp-otp ops add NAME makes the file",
        takes="the path of a file",
        shown_default="none",
    )
    docs: bool | None = flag(
        None, "serve /docs and the OpenAPI document", shown_default="on in development"
    )
    verify_api: bool | None = flag(
        None,
        "serve /v1/verifications and /v1/standing, the verification API for other backends",
        shown_default="on in development",
    )
    twilio_verify: bool | None = flag(
        None,
        "serve /v2/, the verification API for clients of Twilio Verify",
        shown_default="on in development",
    )
    accounts: Mapping[str, Any] = attrs.field(factory=_accounts)
    """The settings of every sender's own, by its name."""
    numbers: Mapping[Purpose, Any] = attrs.field(factory=_numbers)
    """The settings of every purpose's own, as `NUMBERS` makes them."""
    guard: GuardSettings = attrs.field(factory=GuardSettings)
    """The settings of the guard against toll fraud."""
    branding: Mapping[Flow, Branding] = attrs.field(factory=_branding)
    """The settings of every page's own, without the names; see `brand`."""
    configured: frozenset[Flow] = frozenset()
    """The flows whose name, branding or return address is set."""

    def brand(self, flow: Flow) -> Branding:
        """Return whose page that of *flow* is."""
        return attrs.evolve(self.branding[flow], name=getattr(self, FLOWS[flow].service_name))

    @property
    def only_flow(self) -> Flow | None:
        """The flow that this service is there for, if exactly one is configured."""
        return next(iter(self.configured)) if len(self.configured) == 1 else None

    @property
    def shows_docs(self) -> bool:
        """Whether the API's description is served."""
        return self.in_development if self.docs is None else self.docs

    @property
    def serves_verifications(self) -> bool:
        """Whether the verification API is served."""
        return self.in_development if self.verify_api is None else self.verify_api

    @property
    def serves_twilio_verify(self) -> bool:
        """Whether the verification API is served to Twilio's clients."""
        return self.in_development if self.twilio_verify is None else self.twilio_verify

    @property
    def has_ops(self) -> bool:
        """Whether the operators' page is served."""
        return bool(self.ops_password) or self.ops_users is not None

    @property
    def measures(self) -> bool:
        """Whether metrics are used, by the listener or the operators' page."""
        return self.metrics_port is not None or self.has_ops

    @property
    def counts_in(self) -> str:
        """The store of the counts of checks and look-ups."""
        return self.usage_store or ("redis" if self.redis_url else "sql")

    @property
    def used_senders(self) -> dict[str, UsedSender]:
        """The senders by name, in the order in which they are tried."""
        by_default = tuple(name for name, one in SENDERS.items() if one.development_only)
        found: dict[str, UsedSender] = {}
        for name in self.senders or by_default:
            provider, account = SENDERS[name], self.accounts[name]
            for place in range(provider.count(account)):
                own = name if place == 0 else f"{name}-{place + 1}"
                found[own] = UsedSender(name=own, provider=provider, account=account, place=place)
        return found

    @property
    def in_development(self) -> bool:
        """Whether development mode is on."""
        return self.mode == DEVELOPMENT

    @property
    def development_folder(self) -> Path:
        """The folder of the files that development mode keeps beside the database."""
        url = make_url(self.database_url)
        # A database server has no folder for our files, so they go into the current folder.
        kept = url.database if url.get_backend_name() == "sqlite" else "hsp-otp"
        return Path(f"{kept}.keys")

    @property
    def texts(self) -> GettextMessages:
        """The translated texts."""
        return GettextMessages(
            {
                purpose: getattr(self, FLOWS[row.flow].service_name)
                for purpose, row in PURPOSES.items()
            },
            LOCALE,
            self.wordings,
            web_origin=self.web_origin or None,
            android_hash=self.android_hash or None,
        )

    @property
    def policies(self) -> dict[Purpose, Policy]:
        """The numbers of every purpose."""
        return {
            purpose: attrs.evolve(
                self._policy,
                lifetime=self.numbers[purpose].code_seconds * SECOND,
                client_sends=tuple(
                    Quota(getattr(self.numbers[purpose], end), quota.window)
                    for end, quota in row.client_sends.items()
                ),
            )
            for purpose, row in PURPOSES.items()
        }

    @property
    def app_policies(self) -> dict[Purpose, Policy]:
        """The numbers of every purpose of apps, where an app has no others."""
        return {
            purpose: attrs.evolve(self._policy.for_apps, lifetime=row.code_seconds * SECOND)
            for purpose, row in APP_PURPOSES.items()
        }

    @property
    def _policy(self) -> Policy:
        """The numbers that all purposes share."""
        return Policy(
            digits=self.code_digits,
            max_attempts=self.max_attempts,
            cooldown=self.resend_cooldown_seconds * SECOND,
            call_cooldown=policy.CALL_COOLDOWN_SECONDS * SECOND
            if self.resend_cooldown_seconds
            else 0,
            failures=(
                Quota(self.failed_guesses_per_day, DAY),
                Quota(self.failed_guesses_per_30_days, 30 * DAY),
            ),
            max_run=self.failed_guesses_in_a_row,
            contact_sends=Quota(self.phone_sends_per_day, DAY),
            calls=Quota(self.calls_per_day, DAY),
            mailbox_sends=Quota(self.email_sends_per_day, DAY),
            sends_kept_for_known=self.known_sends_per_day,
            sends_of_one_network=self.others_per_network_day,
            asks_for_work=self.work_seconds > 0,
            fresh_for=self.fresh_code_seconds * SECOND,
            binds_guesses=self.bind_guesses,
            devices_for=self.device_days * DAY,
            network_factor=self.network_factor,
        )

    @property
    def client_limits(self) -> ClientLimits:
        """The limits on cheap and frequent requests."""
        return ClientLimits(
            checks=Quota(self.checks_per_client_hour, HOUR),
            lookups=Quota(self.lookups_per_client_hour, HOUR),
            misses=Quota(self.lookup_misses_per_hour, HOUR),
            newcomer_misses=Quota(self.newcomer_misses_per_hour, HOUR),
            unsent_asks=Quota(self.unsent_asks_per_client_hour, HOUR),
            rejected=Quota(self.rejected_requests_per_client_hour, HOUR),
            authentications=Quota(self.failed_authentications_per_client_minute, MINUTE),
            network_factor=self.network_factor,
        )


def variables() -> list[tuple[str, Field]]:
    """Return every setting with its variable, each once; senders may share some."""
    found: dict[str, Field] = {}
    for name, field in (
        *common_variables(),
        *guard_variables(),
        *(one for purpose in PURPOSES for one in purpose_variables(purpose)),
        *(one for flow in PAGES for one in branding_variables(flow)),
        *(one for provider in SENDERS.values() for one in sender_variables(provider)),
    ):
        found.setdefault(name, field)
    return list(found.items())


def common_variables() -> list[tuple[str, Field]]:
    """Return the settings that belong to no sender, with their variables."""
    return [
        (PREFIX + field.name.upper(), field) for field in attrs.fields(Settings) if field.metadata
    ]


def guard_variables() -> list[tuple[str, Field]]:
    """Return the settings of the guard against toll fraud."""
    return [
        (PREFIX + (field.metadata["variable"] or field.name.upper()), field)
        for field in attrs.fields(GuardSettings)
    ]


def purpose_variables(purpose: Purpose) -> list[tuple[str, Field]]:
    """A purpose's own settings."""
    begins = PURPOSES[purpose].settings
    return [
        (f"{PREFIX}{begins}_{field.name}".upper(), field)
        for field in attrs.fields(NUMBERS[purpose])
    ]


def branding_variables(flow: Flow) -> list[tuple[str, Field]]:
    """Return the settings of a page's look and links, but for the name."""
    return [
        (f"{PREFIX}{PAGES[flow]}_{field.name}".upper(), field)
        for field in attrs.fields(Branding)
        if field.metadata
    ]


def page_variables(flow: Flow) -> dict[str, str]:
    """Return the variables that make a page one's own, by their names in a table of a file."""
    begins = f"{PREFIX}{PAGES[flow].upper()}_"
    return {
        "name": f"{PREFIX}{FLOWS[flow].service_name.upper()}",
        **{name.removeprefix(begins).lower(): name for name, _ in branding_variables(flow)},
    }


def sender_variables(provider: Provider[Any]) -> list[tuple[str, Field]]:
    """Return a provider's settings; a field's trailing underscore avoids a Python keyword."""
    begins = provider.name.replace("-", "_")
    return [
        (
            PREFIX + (field.metadata["variable"] or f"{begins}_{field.name.rstrip('_')}".upper()),
            field,
        )
        for field in attrs.fields(provider.account)
    ]

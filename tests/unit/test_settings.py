"""Settings of senders, of messages and of the purge: docs/contract.md, 6, 7 and 9."""

import base64
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain import quota
from hsp_otp.domain.code import Code
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.purposes import Purpose
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.load import described, load
from hsp_otp.entrypoints.settings.model import PREFIX, Settings, sender_variables

KEY = base64.b64encode(bytes(32)).decode()

KEYS = {"SECRET_KEYS": f"k1:{KEY}", "JWT_ALGORITHM": "HS256", "JWT_KEYS": f"k1:{KEY}"}

TWILIO = {
    "SENDERS": "twilio",
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "fedcba9876543210fedcba9876543210",
    "TWILIO_FROM": "+15005550006",
}


def read(**given: str) -> Settings:
    """The settings of variables by their names without the prefix."""
    return load({f"HSP_OTP_{name}": text for name, text in given.items()})


def refused(**given: str) -> str:
    """The one line about variables that cannot be read or served with."""
    with pytest.raises(SettingsError) as caught:
        check_to_serve(read(**given))
    line = str(caught.value)
    assert "\n" not in line
    assert TWILIO["TWILIO_AUTH_TOKEN"] not in line
    return line


def without(name: str) -> dict[str, str]:
    """All that serving with Twilio takes but for one variable."""
    return {key: value for key, value in (KEYS | TWILIO).items() if key != name}


def test_defaults() -> None:
    """Nobody sends by default, Twilio is where it is, and audit rows are kept for 90 days."""
    settings = Settings()
    assert settings.senders == ()
    assert settings.accounts["twilio"].base_url == "https://api.twilio.com"
    assert (settings.public_url, settings.web_origin, settings.android_hash) == ("", "", "")
    assert settings.audit_days == 90


def test_production_serves_with_twilio() -> None:
    """An account, its token and a sender are all that production needs beside its keys."""
    settings = read(**KEYS, **TWILIO)
    check_to_serve(settings)
    assert settings.senders == ("twilio",)
    assert not settings.in_development


def test_a_service_instead_of_a_number() -> None:
    """A messaging service takes the place of a number."""
    check_to_serve(read(**without("TWILIO_FROM"), TWILIO_MESSAGING_SERVICE_SID="MG1"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "SENDERS",
            "HSP_OTP_SENDERS: missing; takes a comma-separated list, in the order to try them, of ",
        ),
        ("TWILIO_ACCOUNT_SID", "HSP_OTP_TWILIO_ACCOUNT_SID: missing; twilio needs it"),
        ("TWILIO_AUTH_TOKEN", "HSP_OTP_TWILIO_AUTH_TOKEN: missing; twilio needs it"),
        (
            "TWILIO_FROM",
            "HSP_OTP_TWILIO_FROM: twilio needs either this or HSP_OTP_TWILIO_MESSAGING_SERVICE_SID",
        ),
        ("SECRET_KEYS", "HSP_OTP_SECRET_KEYS: missing; "),
        ("JWT_KEYS", "HSP_OTP_JWT_KEYS: missing; "),
    ],
)
def test_what_is_missing_is_named(name: str, says: str) -> None:
    """Production does not start without what Twilio and the keys need, and says what it is."""
    assert refused(**without(name)).startswith(says)


def test_a_number_and_a_service() -> None:
    """Both a number and a service would leave open which of them sends."""
    line = refused(**KEYS, **TWILIO, TWILIO_MESSAGING_SERVICE_SID="MG1")
    assert line == (
        "HSP_OTP_TWILIO_FROM: twilio needs either this or HSP_OTP_TWILIO_MESSAGING_SERVICE_SID"
    )


@pytest.mark.parametrize("senders", ["twillio", "twilio,twilio", "twilio,", "Twilio", ","])
def test_senders_that_are_none(senders: str) -> None:
    """Names of senders that there are, each of them once, and nothing else."""
    assert refused(SENDERS=senders) == (
        f"HSP_OTP_SENDERS: got {senders!r}, takes a comma-separated list, in the order "
        "to try them, of console (development only), console-email "
        "(development only), console-voice (development only), console-whatsapp (development "
        "only), meta-whatsapp, smtp, twilio, twilio-voice, twilio-whatsapp, vonage, vonage-voice, "
        "webhook"
    )


def test_senders_in_their_order() -> None:
    """Several senders are tried in the order in which they are given."""
    settings = read(MODE="development", SENDERS=" twilio , console")
    assert settings.senders == ("twilio", "console")


@pytest.mark.parametrize("senders", ["console", "twilio,console"])
def test_the_console_is_for_development(senders: str) -> None:
    """Production refuses the sender that shows codes, also as the last one."""
    assert refused(SENDERS=senders) == (
        "HSP_OTP_SENDERS: got 'console', which is only for development mode"
    )


def test_the_token_is_shown_nowhere() -> None:
    """Neither settings nor errors show the token."""
    assert TWILIO["TWILIO_AUTH_TOKEN"] not in repr(read(**TWILIO))
    line = refused(**(TWILIO | {"TWILIO_AUTH_TOKEN": f"{TWILIO['TWILIO_AUTH_TOKEN']}\x07"}))
    assert line == (
        "HSP_OTP_TWILIO_AUTH_TOKEN: got a value that is not shown, takes a text "
        "(it has an unprintable character)"
    )


@pytest.mark.parametrize("name", ["PUBLIC_URL", "TWILIO_BASE_URL"])
@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("https://otp.example.com", "https://otp.example.com"),
        ("https://otp.example.com/", "https://otp.example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/otp/", "http://[::1]:8000/otp"),
        ("https://example.com/~house/otp-1", "https://example.com/~house/otp-1"),
    ],
)
def test_addresses(name: str, text: str, read_as: str) -> None:
    """An address is http or https, a host, and perhaps a port and a path; no slash at its end."""
    settings = read(**{name: text})
    found = {
        "PUBLIC_URL": settings.public_url,
        "TWILIO_BASE_URL": settings.accounts["twilio"].base_url,
    }
    assert found[name] == read_as


@pytest.mark.parametrize("name", ["PUBLIC_URL", "TWILIO_BASE_URL"])
@pytest.mark.parametrize(
    "text",
    [
        "otp.example.com",
        "ftp://otp.example.com",
        "//otp.example.com",
        "https://",
        "https:///callbacks",
        "https://otp.example.com:http",
        "https://otp.example.com:99999",
        "https://otp.example.com:0",
        "https://otp .example.com",
        "https://otp.ex\tample.com",
        "https://[::1",
        "https://otp.exämple.com",
    ],
)
def test_addresses_that_are_none(name: str, text: str) -> None:
    """What a client would read in another way, or sign in with, is refused."""
    line = refused(**{name: text})
    assert line.startswith(f"HSP_OTP_{name}: got {text!r}, takes http:// or https:// and a host")


@pytest.mark.parametrize("name", ["PUBLIC_URL", "TWILIO_BASE_URL", "WEBHOOK_URL", "TRACES_URL"])
@pytest.mark.parametrize(
    "text",
    [
        "https://otp.example.com?key=s3cret",
        "https://otp.example.com/#s3cret",
        "https://user:s3cret@otp.example.com",
        "https://s3cret@otp.example.com/v1/traces",
    ],
)
def test_an_address_with_a_secret_is_not_shown(name: str, text: str) -> None:
    """An address may say who signs in, or have a key in its query: such a one is never repeated."""
    line = refused(**{name: text})
    assert line.startswith(
        f"HSP_OTP_{name}: got a value that is not shown, takes http:// or https:// and a host"
    )
    assert "s3cret" not in line


@pytest.mark.parametrize(
    ("text", "read_as"),
    [("example.com", "example.com"), ("OTP.Example.com", "otp.example.com"), ("a-1.in", "a-1.in")],
)
def test_origins(text: str, read_as: str) -> None:
    """An origin is a host name, in lower case."""
    assert read(WEB_ORIGIN=text).web_origin == read_as


@pytest.mark.parametrize(
    "text",
    [
        *("https://example.com", "example.com/", "example.com:443", "@example.com", "example"),
        *("-a.com", "a-.com", "a..com", ".com", "127.0.0.1", "exämple.com", "example.com #1"),
        f"{'a' * 77}.com",
    ],
)
def test_origins_that_are_none(text: str) -> None:
    """A scheme, a port, a path or anything else that is no host name is refused."""
    assert refused(WEB_ORIGIN=text) == (
        f"HSP_OTP_WEB_ORIGIN: got {text!r}, takes a host name with a dot, of 80 characters at "
        "most, without scheme or port"
    )


CORS_TAKES = (
    "takes comma-separated origins such as https://www.example.com: http:// or https://, a host "
    "and optionally a port, without a path, a trailing slash or wildcards"
)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("https://www.example.com", ("https://www.example.com",)),
        (
            " https://a.example , http://b.example:8080",
            ("https://a.example", "http://b.example:8080"),
        ),
        ("HTTPS://WWW.Example.com", ("https://www.example.com",)),
        ("https://a.example:443,http://a.example:80", ("https://a.example", "http://a.example")),
        (
            "https://a.example:80,http://a.example:443",
            ("https://a.example:80", "http://a.example:443"),
        ),
        ("http://localhost:3000", ("http://localhost:3000",)),
        ("http://127.0.0.1:3000", ("http://127.0.0.1:3000",)),
        ("http://[0:0::1]:3000", ("http://[::1]:3000",)),
    ],
)
def test_origins_of_other_pages(text: str, read_as: tuple[str, ...]) -> None:
    """Origins are written as browsers send them: in lower case and without the usual port."""
    assert read(CORS_ORIGINS=text).cors_origins == read_as


@pytest.mark.parametrize(
    "entry",
    [
        *("*", "null", "https://*", "https://*.example.com", "https://a.example/"),
        *("https://a.example/path", "a.example", "a.example:443", "//a.example", "https://"),
        *("ftp://a.example", "https:a.example", "https://a.example:", "https://a..example"),
        *("https://exämple.com", "https://a.example https://b.example", "https://[::g]", ","),
    ],
)
@pytest.mark.parametrize("beside", ["", "https://b.example,"])
def test_origins_of_other_pages_that_are_none(entry: str, beside: str) -> None:
    """Wildcards, paths, bare hosts and anything else that no browser sends end the start."""
    line = refused(CORS_ORIGINS=beside + entry)
    assert line.startswith(f"HSP_OTP_CORS_ORIGINS: got {beside + entry!r}, {CORS_TAKES} (")


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_an_origin_with_no_possible_port(port: str) -> None:
    """A port outside 1 to 65535 ends the start."""
    origin = f"https://a.example:{port}"
    assert refused(CORS_ORIGINS=origin) == (
        f"HSP_OTP_CORS_ORIGINS: got {origin!r}, {CORS_TAKES} "
        f"({origin!r} has a port that is not from 1 to 65535)"
    )


@pytest.mark.parametrize(
    "entry",
    ["https://user:s3cret@a.example", "https://a.example?s3cret", "https://a.example#s3cret"],
)
def test_an_origin_with_a_secret_is_not_shown(entry: str) -> None:
    """Credentials are no part of an origin, and stand in no message."""
    assert refused(CORS_ORIGINS=entry) == (
        f"HSP_OTP_CORS_ORIGINS: got a value that is not shown, {CORS_TAKES}"
    )


def test_a_hash() -> None:
    """A hash is eleven characters of base64."""
    assert read(ANDROID_HASH="FA+9qCX9VSu").android_hash == "FA+9qCX9VSu"


@pytest.mark.parametrize("text", ["FA+9qCX9VS", "FA+9qCX9VSuu", "FA-9qCX9VSu", "FA+9qCX9VS\n1"])
def test_hashes_that_are_none(text: str) -> None:
    """What has another length or other characters is refused."""
    assert refused(ANDROID_HASH=text) == (
        f"HSP_OTP_ANDROID_HASH: got {text!r}, takes 11 characters of base64"
    )


def test_a_message_that_is_too_long_with_autofill() -> None:
    """A message of more than 140 bytes with a line for autofill stops the start, by one line."""
    fits = {"SERVICE_NAME": "W" * 31, "WEB_ORIGIN": "example.com", "ANDROID_HASH": "FA+9qCX9VSu"}
    check_to_serve(read(**KEYS, **TWILIO, **fits))
    assert refused(**KEYS, **TWILIO, **(fits | {"SERVICE_NAME": "W" * 32})) == (
        "HSP_OTP_WEB_ORIGIN: messages with the line for autofill have 141 bytes, and the limit "
        "is 140; shorten it, or HSP_OTP_SERVICE_NAME"
    )
    assert "have 141 bytes" in refused(
        **KEYS, **TWILIO, **(fits | {"SERVICE_NAME": f"{'W' * 30}é"})
    )
    check_to_serve(read(**KEYS, **TWILIO, SERVICE_NAME="W" * 40))


def test_the_texts_have_what_is_set() -> None:
    """Messages end in the line that the settings ask for."""
    settings = read(WEB_ORIGIN="example.com", ANDROID_HASH="FA+9qCX9VSu", SERVICE_NAME="NeoBank")
    text = settings.texts.sms(Purpose.PHONE_VERIFICATION, Code("012345"), 600_000_000, ENGLISH).text
    assert text == (
        "012345 is your NeoBank code. It expires in 10 minutes. Do not share it with anyone.\n"
        "@example.com #012345 FA+9qCX9VSu"
    )


@pytest.mark.parametrize("days", ["0", "3651", "-1", "ninety"])
def test_days_of_audit_that_are_none(days: str) -> None:
    """Audit rows are kept for a day at least, and for ten years at most."""
    assert refused(AUDIT_DAYS=days) == (
        f"HSP_OTP_AUDIT_DAYS: got {days!r}, takes a whole number from 1 to 3650"
    )


def test_no_window_is_longer_than_what_a_purge_keeps() -> None:
    """Every window that a usage is counted in, and how long clients are known, is a day at most."""
    policies, limits = Settings().policies, Settings().client_limits
    sends = [quota for one in policies.values() for quota in (one.contact_sends, *one.client_sends)]
    quotas = (*sends, limits.checks, limits.lookups)
    windows = [*(one.window for one in quotas), limits.misses.window, limits.known_for]
    assert max(windows) == 86_400_000_000 == quota.LONGEST_WINDOW


# --- Settings of a sender's own

VONAGE = {
    "SENDERS": "vonage",
    "VONAGE_API_KEY": "a1b2c3d4",
    "VONAGE_API_SECRET": "Zyxwvut9876543210",
    "VONAGE_FROM": "HOUSES",
    "VONAGE_SIGNATURE_SECRET": "abcdefghijklmnopqrstuvwxyz012345",
}
WEBHOOK_KEY = base64.b64encode(b"\xfb\xff" * 16).decode()
WEBHOOK = {"SENDERS": "webhook", "WEBHOOK_URL": "https://sms.internal/send"}


@pytest.mark.parametrize("name", ["VONAGE_API_KEY", "VONAGE_API_SECRET", "VONAGE_FROM"])
def test_what_vonage_needs(name: str) -> None:
    """Production does not start without what Vonage needs; receipts are not needed."""
    check_to_serve(read(**KEYS, **VONAGE))
    check_to_serve(read(**KEYS, **(VONAGE | {"VONAGE_SIGNATURE_SECRET": ""})))
    line = refused(**KEYS, **(VONAGE | {name: " "}))
    assert line == f"HSP_OTP_{name}: missing; vonage needs it"


def test_every_sender_in_the_list_is_checked() -> None:
    """What the last in the list lacks stops the start too; what is not in it is not asked for."""
    both = KEYS | VONAGE | TWILIO | {"SENDERS": "twilio,vonage"}
    check_to_serve(read(**both))
    line = refused(**(both | {"VONAGE_FROM": ""}))
    assert line == "HSP_OTP_VONAGE_FROM: missing; vonage needs it"
    check_to_serve(read(**(both | {"VONAGE_FROM": "", "SENDERS": "twilio"})))


def test_an_address_that_is_too_long_for_vonage() -> None:
    """Vonage takes callbacks of 100 characters; a longer one stops the start."""
    fits = f"https://{'a' * 54}.example.com"
    assert len(f"{fits}/callbacks/vonage/status/") == 100 - 1
    check_to_serve(read(**KEYS, **VONAGE, PUBLIC_URL=f"{fits}m"))
    assert refused(**KEYS, **VONAGE, PUBLIC_URL=f"{fits}mm") == (
        "HSP_OTP_PUBLIC_URL: vonage takes addresses of 100 characters, and that of its receipts "
        "has 101"
    )


@pytest.mark.parametrize("front", ["", "whsec_"])
@pytest.mark.parametrize("key", [WEBHOOK_KEY, WEBHOOK_KEY.replace("+", "-").replace("/", "_")])
@pytest.mark.parametrize("padding", ["", "="])
def test_keys_of_a_webhook(front: str, key: str, padding: str) -> None:
    """A key is base64 in either alphabet, padded or not, with or without its prefix."""
    settings = read(**KEYS, **WEBHOOK, WEBHOOK_SECRET=front + key.rstrip("=") + padding)
    check_to_serve(settings)
    assert settings.accounts["webhook"].secret == b"\xfb\xff" * 16
    assert "xfb" not in repr(settings)


@pytest.mark.parametrize("size", [23, 65])
def test_keys_of_another_size(size: int) -> None:
    """A key has 24 to 64 bytes, and what was given is not shown."""
    line = refused(**KEYS, **WEBHOOK, WEBHOOK_SECRET=base64.b64encode(bytes(size)).decode())
    assert line == (
        "HSP_OTP_WEBHOOK_SECRET: got a value that is not shown, takes base64 of 24 to 64 bytes, "
        "with or without the prefix whsec_"
    )


@pytest.mark.parametrize("name", ["WEBHOOK_URL", "WEBHOOK_SECRET"])
def test_what_a_webhook_needs(name: str) -> None:
    """Production does not start without an address and a key."""
    line = refused(**KEYS, **(WEBHOOK | {"WEBHOOK_SECRET": WEBHOOK_KEY} | {name: ""}))
    assert line == f"HSP_OTP_{name}: missing; webhook needs it"


def test_every_setting_is_described() -> None:
    """What is printed names every variable once, those of senders too, and says what it means."""
    names = [name for name, *_ in described()]
    assert len(names) == len(set(names))
    assert {"HSP_OTP_SENDERS", "HSP_OTP_TWILIO_FROM", "HSP_OTP_VONAGE_BASE_URL"} <= set(names)
    assert all(takes and meaning for _, _, takes, meaning in described())


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:///otp.db",
        "postgresql+asyncpg://otp:pw@db.example.com:5432/otp",
        "postgresql+asyncpg://otp@db.example.com/otp?ssl=verify-full",
        "postgresql+asyncpg://otp:pw@/otp?host=/run/postgresql",
        "postgresql+asyncpg://otp:pw@[2001:db8::1]/otp?ssl=require",
    ],
)
def test_databases(url: str) -> None:
    """A file of SQLite or a server of PostgreSQL, by a host or by a socket, is a database."""
    assert read(DATABASE_URL=url).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "otp.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///otp.db?mode=ro",
        "postgresql://otp:verysecret@db/otp",
        "postgresql+psycopg://otp:verysecret@db/otp",
        "postgresql+asyncpg:///otp",
        "postgresql+asyncpg://otp:verysecret@db",
        "postgresql+asyncpg://otp:verysecret@db:port/otp",
        "postgresql+asyncpg://otp:verysecret@one,two/otp",
        "postgresql+asyncpg://otp:verysecret@db/otp?host=/run/postgresql",
        "postgresql+asyncpg://otp:verysecret@/otp?host=one&host=two",
        "postgresql+asyncpg://otp:verysecret@db/otp?ssl=prefer",
        "postgresql+asyncpg://otp:verysecret@db/otp?sslmode=require",
        "postgresql+asyncpg://otp:verysecret@db/otp?prepared_statement_cache_size=0",
    ],
)
def test_what_is_no_database(url: str) -> None:
    """Other drivers, no name, several servers, and options that are not ours are refused."""
    line = refused(DATABASE_URL=url)
    assert line.startswith("HSP_OTP_DATABASE_URL: got a value that is not shown, takes sqlite+")
    assert "verysecret" not in line


# --- Every sentence about a value that is refused is true


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_port_0_is_any_free_one(name: str) -> None:
    """No text says that 0 disables a port: 0 chooses any free one."""
    assert read(**{name: "0"}) is not None
    assert refused(**{name: "x"}) == (
        f"HSP_OTP_{name}: got 'x', takes a whole number from 0 to 65535"
    )
    (meaning,) = (told for variable, _, _, told in described() if variable == f"HSP_OTP_{name}")
    assert "0 chooses any free port" in meaning


def test_what_0_switches_off() -> None:
    """Only the texts of limits say that 0 disables them, never those of ports."""
    off = {name for name, _, takes, _ in described() if "0 disables it" in takes}
    assert {"HSP_OTP_PHONE_SENDS_PER_DAY", "HSP_OTP_FAILED_GUESSES_IN_A_ROW"} <= off
    units = ("_DAY", "_DAYS", "_HOUR", "_MINUTE", "_SECONDS", "_IN_A_ROW", "_FACTOR", "_DEBT")
    assert [name for name in off if not name.endswith(units)] == []


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_value_are_told(quote: str) -> None:
    """Who writes quotes where nobody takes them away is told, of a secret too."""
    told = " (the quotes around it are part of the value)"
    assert refused(PORT=f"{quote}8000{quote}").endswith(f"from 0 to 65535{told}")
    assert refused(SECRET_KEYS=f"{quote}k1:{KEY}{quote}").endswith(f"or more each{told}")
    assert not refused(PORT=quote).endswith(told)


def test_white_space_around_a_value() -> None:
    """White space around a value does not count, and nothing but that is as good as nothing."""
    settings = read(PORT=" 8001\n", SERVICE_NAME="\t")
    assert (settings.port, settings.service_name) == (8001, "House Service Pass")


def test_a_long_value_is_shown_in_part() -> None:
    """A value that is too long to be shown is cut off, and that is to be seen."""
    line = refused(DEFAULT_REGION="X" * 201)
    assert line.startswith(f"HSP_OTP_DEFAULT_REGION: got '{'X' * 200}'..., takes an ISO")


def test_a_region_without_numbers() -> None:
    """A region that ISO 3166-1 has, and that has no numbers, is told what it lacks."""
    assert refused(DEFAULT_REGION="AQ") == (
        "HSP_OTP_DEFAULT_REGION: got 'AQ', takes an ISO 3166-1 alpha-2 code "
        "('AQ' has no phone numbers)"
    )


SECRETS = {
    name
    for name, field in [
        *((one.name.upper(), one) for one in attrs.fields(Settings) if one.metadata),
        *(
            (variable.removeprefix(PREFIX), one)
            for provider in SENDERS.values()
            for variable, one in sender_variables(provider)
        ),
    ]
    if field.metadata["secret"]
}


def test_what_is_secret() -> None:
    """Keys, tokens, passwords, and addresses that hold one."""
    assert {
        *("DATABASE_URL", "REDIS_URL", "SECRET_KEYS", "JWT_KEYS", "OPS_PASSWORD"),
        *("TWILIO_AUTH_TOKEN", "VONAGE_API_SECRET", "VONAGE_SIGNATURE_SECRET", "WEBHOOK_SECRET"),
        *("SMTP_URL", "SMTP_SIGNATURE_SECRET", "VONAGE_PRIVATE_KEY"),
        *("META_ACCESS_TOKEN", "META_APP_SECRET", "META_VERIFY_TOKEN"),
    } == SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize(
    "text",
    [
        "redis://user:s3cret/more@host",
        "redis://user:s3cret#more@host",
        "redis://:s3cr℀et@host",
        "redis://[s3cret",
        "postgresql+asyncpg://otp:pa:s3cret@db/otp",
        "postgresql+asyncpg://otp:p@ss:s3cret@db:5432/otp",
        "postgresql+asyncpg://otp:pw@db:s3cret/otp",
        "k1:s3cret",
        "s3cret:k1",
        "whsec_s3cret",
        "s3cret\x07",
    ],
)
def test_no_reason_repeats_a_secret(name: str, text: str) -> None:
    """Why a secret cannot be read is told without any part of it, whatever the library says."""
    assert "s3cr" not in refused(**{name: text})


@given(
    name=st.sampled_from(sorted(SECRETS - {"JWT_KEYS"})),
    front=st.sampled_from(["", "redis://", "postgresql+asyncpg://otp:", "k1:"]),
    parts=st.lists(
        st.sampled_from(["ZQXJ", ":", "/", "@", "#", "?", "[", "]", "%", ",", " ", "℀", "é", "5"]),
        min_size=1,
        max_size=8,
    ),
)
def test_no_part_of_a_secret_is_told(name: str, front: str, parts: list[str]) -> None:
    """Whatever stands where a secret belongs, no letter of it gets into the line."""
    try:
        read(**{name: front + "".join(parts)})
    except SettingsError as error:
        assert "ZQXJ" not in str(error)  # noqa: PT017 - it may also be read


def test_what_jwt_keys_take(tmp_path: Path) -> None:
    """Keys that are missing or unfit are told what their algorithm takes, and how to make them."""
    keys = {**TWILIO, "SECRET_KEYS": f"k1:{KEY}"}
    assert refused(**keys, JWT_ALGORITHM="HS256") == (
        "HSP_OTP_JWT_KEYS: missing; takes id:base64,... of 32 bytes or more; openssl rand -base64 "
        "32 generates them"
    )
    assert refused(**keys, JWT_ALGORITHM="EdDSA") == (
        "HSP_OTP_JWT_KEYS: missing; hsp-otp keys new DIR --algorithm EdDSA makes one and prints "
        "the line"
    )
    assert refused(**keys, JWT_ALGORITHM="HS256", JWT_KEYS="k1:/etc/k1.pem") == (
        "HSP_OTP_JWT_KEYS: entry 1: not base64; with HSP_OTP_JWT_ALGORITHM=HS256 it takes "
        "id:base64,..."
    )
    assert refused(**keys, JWT_KEYS=f"k1:{tmp_path}/none.pem") == (
        "HSP_OTP_JWT_KEYS: entry 1: its file cannot be read: No such file or directory; with "
        "HSP_OTP_JWT_ALGORITHM=ES256 it takes id:path-to-PEM,..."
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"REDIS_URL": "redis://a,redis://b", "REDIS_TOPOLOGY": "standalone"},
            "HSP_OTP_REDIS_URL: got several; takes one if HSP_OTP_REDIS_TOPOLOGY is standalone",
        ),
        (
            {"REDIS_TOPOLOGY": "cluster"},
            "HSP_OTP_REDIS_URL: missing; HSP_OTP_REDIS_TOPOLOGY is cluster",
        ),
        (
            {"CHALLENGE_STORE": "memory", "MODE": "development", "WORKERS": "2"},
            (
                "HSP_OTP_CHALLENGE_STORE: got 'memory', which works with one worker only; "
                "HSP_OTP_WORKERS is 2"
            ),
        ),
    ],
)
def test_what_does_not_go_together(more: dict[str, str], says: str) -> None:
    """Of settings that contradict each other both are named, with what they are."""
    assert refused(**more) == says


RETURNS = ("LOGIN_RETURN_URL", "SIGNUP_RETURN_URL")


@pytest.mark.parametrize("name", RETURNS)
@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/signed-in/?from=otp&to=%2Fhome",
        "https://shop.example:8443/",
        "https://192.0.2.1/",
        "http://localhost:8001/step-2/",
        "http://127.0.0.1/",
        "http://127.1.2.3:65535/",
    ],
)
def test_addresses_to_return_to(name: str, url: str) -> None:
    """Https anywhere, http on this machine in development; it is kept as it was written."""
    settings = read(**{name: url, "MODE": "development"})
    assert getattr(settings, name.lower()) == url
    if url.startswith("http:"):
        assert refused(**KEYS, **{name: url}) == (
            f"HSP_OTP_{name}: got {url!r}; http is only for development mode, takes https"
        )


@pytest.mark.parametrize("name", RETURNS)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://shop.example/#top", "it has a fragment, which a form does not send"),
        ("https://asha@shop.example/", "it has a user name or an @ in its path"),
        ("https://shop.example@other.example/", "it has a user name or an @ in its path"),
        ("http://shop.example/", "http is for loopback addresses only"),
        ("http://localhost.shop.example/", "http is for loopback addresses only"),
        ("http://127.0.0.1.shop.example/", "http is for loopback addresses only"),
    ],
)
def test_why_an_address_is_not_returned_to(name: str, url: str, reason: str) -> None:
    """One line names the variable, what it takes and the mistake."""
    line = refused(MODE="development", **{name: url})
    assert line.startswith(f"HSP_OTP_{name}: got ")
    assert ", takes https:// and a host in lower case, optionally with a port, " in line
    assert line.endswith(f"({reason})")


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "//shop.example/",
        "/signed-in/",
        "https://",
        "https:///path",
        "https://shop.example:0/",
        "https://shop.example:65536/",
        "https://Shop.example/",
        "https://*.shop.example/",
        "https://shop.example;script-src *",
        "https://shop.example/ a",
        'https://shop.example/"a',
        "https://[::1]/",
        "https://-shop.example/",
        "https://shop.example\\@other.example/",
        "javascript://shop.example/%0aalert(1)",
        "ftp://shop.example/",
    ],
)
def test_what_is_no_address_to_return_to(url: str) -> None:
    """Nothing that two readers could understand differently, or that would end up in a policy."""
    assert "HSP_OTP_LOGIN_RETURN_URL: got " in refused(MODE="development", LOGIN_RETURN_URL=url)

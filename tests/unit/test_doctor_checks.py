"""What doctor judges without asking anybody: docs/contract.md, section 10."""

import base64
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.jwt import new_signing_key_pem
from hsp_otp.adapters.operator_accounts import new_account, text_of
from hsp_otp.adapters.sql.server_checks import Rights
from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.keys import Key
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.entrypoints.cli.doctor_checks import (
    Finding,
    Status,
    of_api_keys,
    of_apps,
    of_callers,
    of_clock,
    of_exchange,
    of_keys,
    of_operators,
    of_outside,
    of_private_files,
    of_purge,
    of_rights,
    of_test_contacts,
    ok,
    warning,
    worst,
    wrong,
)
from hsp_otp.entrypoints.private_files import write_private_file
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from tests.world import START

NOW = Instant(1_800_000_000_000_000)
DRAWN = base64.b64encode(bytes(range(7, 39))).decode()
OTHER = base64.b64encode(bytes(range(50, 82))).decode()


def settings(**given: str) -> Settings:
    """Settings by their names without the prefix."""
    return load({f"HSP_OTP_{name}": value for name, value in given.items()})


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    """How bad each is, and what it says."""
    return [(one.status.value, one.says) for one in findings]


def test_keys_that_are_good(tmp_path: Path) -> None:
    """Keys that were drawn, each for itself, are fine."""
    pem = tmp_path / "a.pem"
    pem.write_bytes(new_signing_key_pem("ES256"))
    pem.chmod(0o600)
    found = of_keys(settings(SECRET_KEYS=f"a:{DRAWN},b:{OTHER}", JWT_KEYS=f"a:{pem}"))
    assert told(list(found)) == [("ok", "2 secret keys")]
    assert told(list(of_keys(settings()))) == [
        ("ok", "generated beside the database, in development mode")
    ]


def test_keys_that_are_not(tmp_path: Path) -> None:
    """Made up, kept twice or open to others: each is told by its id, and no key is shown."""
    pem = tmp_path / "a.pem"
    pem.write_bytes(new_signing_key_pem("EdDSA"))
    pem.chmod(0o644)
    flat = base64.b64encode(b"x" * 32).decode()
    found = list(
        of_keys(
            settings(
                SECRET_KEYS=f"a:{flat},b:{DRAWN},c:{DRAWN}",
                JWT_ALGORITHM="EdDSA",
                JWT_KEYS=f"a:{pem},b:{pem}",
            )
        )
    )
    assert told(found) == [
        ("wrong", "secret key 'a' is not random"),
        ("warning", "two secret keys with different ids are the same"),
        ("warning", "other users may access the PEM file of JWT key 'a'"),
        ("warning", "other users may access the PEM file of JWT key 'b'"),
        ("warning", "two JWT keys with different ids are the same"),
    ]
    assert all(one.do for one in found)
    assert flat not in repr(found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_files_that_others_may_open(tmp_path: Path, mode: int) -> None:
    """Files that the group or everybody may open are told; those that are not there are fine."""
    file, other = tmp_path / "otp.db", tmp_path / "otp.db-wal"
    file.touch(mode=0o600)
    assert list(of_private_files("database", [file, other])) == []
    file.chmod(mode)
    (found,) = of_private_files("database", [file, other])
    assert found == warning(
        "database", f"other users may access {str(file)!r}", "set its mode to 600"
    )


@pytest.mark.parametrize(
    ("rights", "says"),
    [
        (Rights.ROWS, []),
        (Rights.SCHEMA, [("warning", "the service's user may change the schema")]),
        (Rights.SUPERUSER, [("warning", "the service's user is a superuser")]),
    ],
)
def test_rights_in_the_database(rights: Rights, says: list[tuple[str, str]]) -> None:
    """A service that may do more than read and write rows is told, but in development."""
    assert told(list(of_rights("database", rights, settings()))) == says
    assert list(of_rights("database", rights, settings(MODE="development"))) == []


def api_key(number: int, ring_key: str, *, revoked: bool = False) -> ApiKey:
    """A key whose digest *ring_key* made."""
    return ApiKey(
        id=f"{number:032}",
        name="shop",
        scopes=frozenset(Scope),
        made_at=NOW,
        revoked_at=NOW if revoked else None,
        ring_key_id=ring_key,
        digest=b"",
    )


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ([], ["ok 0 in use"]),
        (["k2", "k2"], ["ok 2 in use"]),
        (
            ["k2", "k1", "k1"],
            ["warning 2 API keys would end with secret key 'k1', which is no longer the first"],
        ),
        (
            ["k0", "k1"],
            [
                "warning 1 API key ended with secret key 'k0', which is not configured",
                "warning 1 API key would end with secret key 'k1', which is no longer the first",
            ],
        ),
    ],
)
def test_api_keys_and_the_secret_keys_behind_them(keys: list[str], says: list[str]) -> None:
    """Keys of a removed secret key have ended, those of an older one would end; no revoked one."""
    settings = Settings(secret_keys=(Key("k2", b""), Key("k1", b"")))
    revoked = [api_key(99, one, revoked=True) for one in ("k0", "k1")]
    found = of_api_keys([*(api_key(*one) for one in enumerate(keys)), *revoked], settings)
    assert [f"{one.status.value} {one.says}" for one in found] == says


def test_a_return_address_without_a_key() -> None:
    """If pass login leads back, some API key has to exchange its codes; revoked ones cannot."""
    back = settings(LOGIN_RETURN_URL="https://shop.example.com/in/")
    good, gone = api_key(1, "k1"), api_key(2, "k1", revoked=True)
    others = attrs.evolve(good, scopes=frozenset({Scope.PASSES}))
    (missing,) = of_exchange([gone, others], back)
    assert missing.status is Status.WARNING
    assert missing.do.endswith("hsp-otp api-keys new --name NAME --scopes exchange")
    assert told(list(of_exchange([gone, good], back))) == [
        ("ok", "1 API key may exchange codes of sign-ins")
    ]
    assert list(of_exchange([], settings())) == []


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ([-1], "ok there are none"),
        (
            [0, 1],
            "warning 1 with a fixed code is alive, the last until 2027-01-15 08:00:00 UTC",
        ),
        (
            [5_000_000, 1_000_000],
            "warning 2 with a fixed code are alive, the last until 2027-01-15 08:00:05 UTC",
        ),
    ],
)
def test_test_contacts_that_are_alive(ends: list[int], says: str) -> None:
    """Doctor warns while any test contact is alive, and says when the last one ends."""
    stored = [
        KeptTestContact(
            id="t1",
            app_id="shop",
            contact="***-***-3210",
            fingerprint="k1:1",
            digits=6,
            key_id="k1",
            digest=b"",
            reason="a review",
            added_at=START,
            ends_at=Instant(NOW + end),
        )
        for end in ends
    ]
    found = of_test_contacts(stored, NOW)
    assert f"{found.status.value} {found.says}" == says


def test_api_keys_under_generated_keys() -> None:
    """Without configured secret keys, in development, there is nothing to compare them with."""
    assert list(of_api_keys([api_key(0, "dev")], Settings())) == []


def test_apps_and_their_senders() -> None:
    """A sender that an app names has to be configured, or its messages go nowhere."""
    settings = Settings(senders=("twilio",))
    names = {"shop": ("vonage", "twilio"), "club": ("twilio",), "bank": ()}
    apps = [
        App(
            id=name,
            account_id="acme",
            name=name,
            rules=AppRules(service_name="Shop", senders={Channel.SMS: senders}),
            made_at=START,
            changed_at=START,
        )
        for name, senders in names.items()
    ]
    assert [f"{one.status.value} {one.says}" for one in of_apps(apps, settings)] == [
        "warning app shop names sender 'vonage', which is not configured"
    ]
    assert [f"{one.status.value} {one.says}" for one in of_apps(apps[1:], settings)] == [
        "ok 2 apps"
    ]
    assert list(of_apps([], settings)) == []


def test_a_key_that_is_shared() -> None:
    """What other backends have to know is no secret key of ours."""
    found = list(
        of_keys(
            settings(
                SECRET_KEYS=f"a:{DRAWN}", JWT_ALGORITHM="HS256", JWT_KEYS=f"b:{OTHER},c:{DRAWN}"
            )
        )
    )
    assert told(found) == [
        ("wrong", "JWT key 'c' is also a secret key, so other backends know the key")
    ]
    assert found[0].do == "make another key for HSP_OTP_JWT_KEYS: openssl rand -base64 32"


def test_a_key_that_a_provider_has() -> None:
    """What signs for a provider is no secret key of ours either."""
    given = {"SENDERS": "webhook", "WEBHOOK_URL": "https://a.example.com"}
    found = of_keys(settings(SECRET_KEYS=f"a:{DRAWN}", WEBHOOK_SECRET=DRAWN, **given))
    assert told(list(found)) == [
        ("wrong", "a secret of sender webhook is also a secret key, so somebody else knows the key")
    ]
    found = of_keys(settings(SECRET_KEYS=f"a:{DRAWN}", WEBHOOK_SECRET=OTHER, **given))
    assert told(list(found)) == [("ok", "1 secret key")]


@pytest.mark.parametrize(
    ("off", "status", "says"),
    [
        (0, "ok", "its clock agrees with this machine's"),
        (SECOND, "ok", "its clock agrees with this machine's"),
        (SECOND + 1, "warning", "its clock differs from this machine's by 1.0 s"),
        (5 * SECOND, "warning", "its clock differs from this machine's by 5.0 s"),
        (5 * SECOND + 1, "wrong", "its clock differs from this machine's by 5.0 s"),
    ],
)
def test_clocks(off: int, status: str, says: str) -> None:
    """More than 5 s off is wrong and more than 1 s worth telling, whichever way."""
    asked, answered = NOW, after(NOW, SECOND)
    for theirs in (after(answered, off), after(asked, -off)):
        found = of_clock("clock", theirs, asked, answered)
        assert (found.status.value, found.says) == (status, says)


def test_purge() -> None:
    """Rows that are more than two days past their time are worth telling."""

    def found(audit_days: int, send_days: int) -> Status:
        rows, sends = (after(NOW, -days * DAY - HOUR) for days in (audit_days, send_days))
        return of_purge(settings(AUDIT_DAYS="30"), rows, sends, NOW).status

    assert of_purge(settings(), None, None, NOW).status is Status.OK
    assert found(32, 9) is Status.OK
    assert found(33, 9) is Status.WARNING
    assert found(32, 10) is Status.WARNING


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({}, "warning", "none, so providers are not asked for delivery receipts"),
        ({"MODE": "development"}, "ok", "none, in development mode"),
        ({"PUBLIC_URL": "https://otp.example.com"}, "ok", "https, and not an internal address"),
        (
            {"PUBLIC_URL": "http://otp.example.com"},
            "warning",
            "not https: receipts arrive unencrypted",
        ),
        *(
            ({"PUBLIC_URL": url}, "wrong", "providers cannot reach that host from outside")
            for url in ("https://10.0.0.1", "https://localhost", "https://otp.internal")
        ),
    ],
)
def test_public_urls(given: dict[str, str], status: str, says: str) -> None:
    """Providers have to reach the service, and by https."""
    found = next(iter(of_outside(settings(**given))))
    assert (found.status.value, found.says) == (status, says)


def test_other_origins() -> None:
    """In production, a page that may call the API has to come by https."""
    origins = "https://www.example.com,http://shop.example.com"
    production, development = (
        [one for one in of_outside(settings(**given)) if one.check == "other origins"]
        for given in (
            {"CORS_ORIGINS": origins},
            {"CORS_ORIGINS": origins, "MODE": "development"},
        )
    )
    assert told(production) == [
        (
            "warning",
            (
                "http://shop.example.com is not https: anybody between a visitor and that page can "
                "change the page"
            ),
        )
    ]
    assert told(development) == [("ok", "https://www.example.com, http://shop.example.com")]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.com", "warning"),
        ("otp.example.com:8443", "ok"),
        ("a.b.c.example.com", "ok"),
        ("a.b.c.d.example.com", "warning"),
        ("192.0.2.1", "ok"),
        ("otp", "ok"),
    ],
)
def test_hosts_for_twilios_clients(host: str, status: str) -> None:
    """The one for Node changes hosts of two, and of six or more names."""
    given = {"TWILIO_VERIFY": "true", "PUBLIC_URL": f"https://{host}"}
    *_, found = of_outside(settings(**given))
    assert (found.check, found.status.value) == ("twilio verify", status)
    assert len(list(of_outside(settings(PUBLIC_URL=f"https://{host}")))) == 2
    assert len(list(of_outside(settings(TWILIO_VERIFY="true")))) == 2


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "warning"),
        ({"HOST": "localhost"}, "warning"),
        ({"HOST": "0.0.0.0"}, "ok"),  # noqa: S104 - an address to listen on
        ({"MODE": "development"}, "ok"),
        ({"TRUSTED_PROXIES": "10.1.0.0/16"}, "ok"),
        ({"TRUSTED_PROXIES": "10.0.0.0/7"}, "warning"),
        ({"TRUSTED_PROXIES": "2000::/3"}, "warning"),
    ],
)
def test_proxies(given: dict[str, str], status: str) -> None:
    """Behind a proxy somebody has to be trusted, and not half of the world."""
    assert list(of_outside(settings(**given)))[1].status.value == status


@pytest.mark.parametrize(
    ("requests", "status"),
    [
        ({}, "ok"),
        ({"203.0.113.9": 5, "2001:db8::/64": 5, "unknown": 5}, "ok"),
        ({"203.0.113.9": 5, "10.1.0.1": 7}, "warning"),
        ({"2001:db8:ffff::/64": 1}, "warning"),
        ({"::/64": 1}, "warning"),
    ],
)
def test_callers_of_a_silent_proxy(requests: dict[str, int], status: str) -> None:
    """Requests that counted for a trusted proxy itself show that it does not name its callers."""
    proxies = "10.1.0.0/16,2001:db8:ffff::1,::1"
    found = of_callers(settings(TRUSTED_PROXIES=proxies), requests)
    assert (found.check, found.status.value) == ("callers", status)
    if "10.1.0.1" in requests:
        assert found.says.startswith(
            "trusted proxies themselves, such as 10.1.0.1, were charged for 7 of"
        )
        assert "as 10.1.0.1," in found.says
        assert "x-forwarded-for" in found.do


def test_how_bad_it_is() -> None:
    """The worst of the findings counts, and nothing found is fine."""
    findings = [ok("a", ""), wrong("b", "", ""), warning("c", "", "")]
    assert worst(findings) is Status.WRONG
    assert worst(findings[::2]) is Status.WARNING
    assert worst([]) is Status.OK


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"PUBLIC_URL": "https://otp.example.com"}, Status.OK),
        ({"MODE": "development"}, Status.OK),
        ({"PUBLIC_URL": "http://otp.example.com"}, Status.WARNING),
        ({}, Status.WARNING),
    ],
)
def test_the_operators_page(given: dict[str, str], status: Status) -> None:
    """Where it is on, its cookie is to go by https; where it is off, nothing is said."""
    on = of_outside(settings(OPS_PASSWORD="p" * 16, **given))
    assert [one.status for one in on if one.check == "operators"] == [status]
    assert "operators" not in [one.check for one in of_outside(settings(**given))]


def test_the_operators_accounts(tmp_path: Path) -> None:
    """The file is to be readable, for its owner alone, to name somebody, and not to be weak."""
    file = tmp_path / "operators"

    def found() -> list[tuple[str, str]]:
        return [(one.status.value, one.says) for one in of_operators(file)]

    missing = "there is no such file; hsp-otp ops add NAME makes it"
    assert found() == [("wrong", f"HSP_OTP_OPS_USERS: {str(file)!r}: {missing}")]
    write_private_file(file, text_of({}))
    assert found() == [("warning", f"{str(file)!r} names nobody")]
    asha = new_account("asha", "p" * 16)
    write_private_file(file, text_of({"asha": asha}))
    assert found() == [("ok", "1 operator may sign in by name")]
    file.chmod(0o640)
    assert found()[0] == ("warning", f"other users may access {str(file)!r}")
    weak = attrs.evolve(asha, hashed=asha.hashed.replace("ln=15", "ln=10"))
    write_private_file(file, text_of({"asha": asha, "ravi": weak}))
    assert found() == [("warning", "the password of ravi is hashed with too little work")]
    file.write_text("asha:s3cret")
    ((status, says),) = found()
    assert (status, "line 1" in says, "s3cret" in says) == ("wrong", True, False)
    assert asha.hashed not in repr(list(of_operators(file)))

"""Checks that the settings are consistent and complete."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import attrs

from hsp_otp.adapters.jwt import Algorithm, parse_signing_keys
from hsp_otp.adapters.messages import MAX_AUTOFILL_BYTES
from hsp_otp.adapters.operator_accounts import read_accounts
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.senders.provider import Provider
from hsp_otp.adapters.senders.standard_webhooks import KEY_TAKES
from hsp_otp.adapters.senders.webhook import NAME as WEBHOOK
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import FLOWS, PURPOSES, Purpose
from hsp_otp.domain.sms_segments import segments
from hsp_otp.domain.wordings import Wordings
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.senders import SENDERS, receipts_url
from hsp_otp.entrypoints.settings.model import PREFIX, SENDERS_TAKEN, Settings, sender_variables
from hsp_otp.ports.messages import Letterhead, Messages
from hsp_otp.ports.operator_accounts import Account

_MOST_SEGMENTS: Final = 2
"""The most SMS segments of a text in a language other than English."""


def check_to_serve(settings: Settings) -> None:
    """
    Check that the settings have everything that the server needs.

    Raises:
        SettingsError: A required setting is missing or unsuitable.
    """
    if not settings.in_development and not settings.senders:
        raise SettingsError(f"{PREFIX}SENDERS: missing; takes {SENDERS_TAKEN}")
    for name in settings.senders:
        _check_account(settings, SENDERS[name])
    if not any(one.provider.channel is Channel.SMS for one in settings.used_senders.values()):
        raise SettingsError(f"{PREFIX}SENDERS: names no sender of text messages, which logins need")
    _check_message(settings)
    check_secret_keys(settings)
    _check_traces(settings)
    if settings.ops_users is not None:
        ops_accounts(settings.ops_users)
    if settings.guard.spend_alert_url and not settings.accounts[WEBHOOK].secret:
        raise SettingsError(
            f"{PREFIX}WEBHOOK_SECRET: missing; {PREFIX}SPEND_ALERT_URL needs it, takes {KEY_TAKES}"
        )
    if settings.proof_audience == settings.jwt_audience:
        raise SettingsError(
            f"{PREFIX}PROOF_AUDIENCE: got {settings.jwt_audience!r}, the audience of access "
            "tokens; takes another"
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


def ops_accounts(file: Path) -> dict[str, Account]:
    """
    Read the operators' accounts.

    Raises:
        SettingsError: The file cannot be read, or contains something else.
    """
    try:
        return read_accounts(file)
    except FileNotFoundError:
        reason = "there is no such file; hsp-otp ops add NAME makes it"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    except ValueError as error:
        reason = str(error)
    raise SettingsError(f"{PREFIX}OPS_USERS: {str(file)!r}: {reason}")


def missing_variables(settings: Settings, sender: str) -> list[str]:
    """Return the required variables of a sender that are not set."""
    return [
        variable
        for variable, field in sender_variables(SENDERS[sender])
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
                f"{PREFIX}{name}: messages with the line for autofill have {size} bytes, and the "
                f"limit is {MAX_AUTOFILL_BYTES}; shorten {long}"
            )


def _can_be_shorter(settings: Settings, purpose: Purpose) -> list[str]:
    """Return the settings that make up an English message with the line for autofill."""
    own = settings.wordings.get(purpose, {}).get(ENGLISH)
    found = ["it"] if settings.web_origin else []
    if own is None or "{service}" in own.text:
        found.append(f"{PREFIX}{FLOWS[PURPOSES[purpose].flow].service_name.upper()}")
    if own is not None:
        found.append(f"the text of {purpose.value}.{ENGLISH} in {PREFIX}WORDINGS")
    return found


def _check_wordings(settings: Settings) -> None:
    texts = attrs.evolve(settings, web_origin="", android_hash="").texts
    of_flows = {one: found for one, found in settings.wordings.items() if one in PURPOSES}
    of_apps = {one: found for one, found in settings.wordings.items() if one not in PURPOSES}
    letterhead = Letterhead(service_name=settings.service_name)
    fault = long_text(texts, of_flows, settings.policies) or long_text(
        texts, of_apps, settings.app_policies, letterhead
    )
    if fault is not None:
        raise SettingsError(f"{PREFIX}WORDINGS: {fault}")


def long_text(
    texts: Messages,
    wordings: Wordings,
    policies: Mapping[Purpose, Policy],
    letterhead: Letterhead | None = None,
) -> str | None:
    """Describe the first of *wordings* whose text message has too many segments."""
    for purpose, of_language in wordings.items():
        code, lifetime = Code("0" * policies[purpose].digits), policies[purpose].lifetime
        for language, own in of_language.items():
            told = texts.sms(purpose, code, lifetime, language, letterhead) if own.text else None
            found = segments(told.text) if told else 1
            if found > (most := 1 if language == ENGLISH else _MOST_SEGMENTS):
                return (
                    f"the text of {purpose.value}.{language} has {found} segments, and the limit "
                    f"is {most}"
                )
    return None


def _check_traces(settings: Settings) -> None:
    if not settings.traces_url:
        return
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise SettingsError(f"{PREFIX}TRACES_URL: needs hsp-otp[traces], which is not installed")


def check_secret_keys(settings: Settings) -> None:
    """
    Check that there are secret keys.

    Raises:
        SettingsError: There are none.
    """
    if not settings.secret_keys:
        raise SettingsError(
            f"{PREFIX}SECRET_KEYS: missing; hsp-otp keys new DIR makes one and prints the line"
        )


def _jwt_keys_hint(algorithm: Algorithm) -> str:
    if algorithm == "HS256":
        return "takes id:base64,... of 32 bytes or more; openssl rand -base64 32 generates them"
    return f"hsp-otp keys new DIR --algorithm {algorithm} makes one and prints the line"


def check_redis(settings: Settings) -> None:
    """
    Check that the settings of Redis are consistent.

    Raises:
        SettingsError: They are not.
    """
    topology = Topology(settings.redis_topology)
    if topology is Topology.STANDALONE and len(settings.redis_url) > 1:
        raise SettingsError(
            f"{PREFIX}REDIS_URL: got several; takes one if {PREFIX}REDIS_TOPOLOGY is standalone"
        )
    if topology is not Topology.STANDALONE and not settings.redis_url:
        raise SettingsError(
            f"{PREFIX}REDIS_URL: missing; {PREFIX}REDIS_TOPOLOGY is {topology.value}"
        )
    if (topology is Topology.SENTINEL) != bool(settings.redis_sentinel_service):
        raise SettingsError(
            f"{PREFIX}REDIS_SENTINEL_SERVICE: goes with {PREFIX}REDIS_TOPOLOGY=sentinel; "
            "set both or neither"
        )


def check_development(settings: Settings) -> None:
    """
    Check that choices for development are made only there, and that the stores can be used.

    Raises:
        SettingsError: A choice is not possible.
    """
    stores = (("CHALLENGE_STORE", settings.challenge_store), ("USAGE_STORE", settings.counts_in))
    for name, store in stores:
        if store == "redis" and not settings.redis_url:
            raise SettingsError(f"{PREFIX}REDIS_URL: missing; {PREFIX}{name} is redis")
        if store == "memory" and not settings.in_development:
            raise SettingsError(f"{PREFIX}{name}: got 'memory', which is only for development mode")
        if store == "memory" and settings.workers > 1:
            raise SettingsError(
                f"{PREFIX}{name}: got 'memory', which works with one worker only; "
                f"{PREFIX}WORKERS is {settings.workers}"
            )
    urls = (
        ("LOGIN_RETURN_URL", settings.login_return_url),
        ("SIGNUP_RETURN_URL", settings.signup_return_url),
    )
    for name, url in urls:
        if url.startswith("http:") and not settings.in_development:
            raise SettingsError(
                f"{PREFIX}{name}: got {url!r}; http is only for development mode, takes https"
            )
    for name in settings.senders:
        if SENDERS[name].development_only and not settings.in_development:
            raise SettingsError(
                f"{PREFIX}SENDERS: got {name!r}, which is only for development mode"
            )

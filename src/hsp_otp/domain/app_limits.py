"""
The limits on what an app sends and checks.

All limits on one send are judged and charged together, in the step of its slot. Only a limit per
minute that is too high for that is judged before, by the counter of checks.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.client_limits import APP_CHECKS
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import MOST_IN_A_SLOT, Policy
from hsp_otp.domain.quota import Demand, Limit, Quota, UsageKey
from hsp_otp.domain.send_limits import call_keys, contact_sends
from hsp_otp.domain.verification_record import NamedValue

_APP_SENDS: Final = "app_sends"
_NAMED_SENDS: Final = "named_sends"
_CLAIMS: Final = "claims"
_CLIENT_SENDS: Final = "app_client_sends/"

APP_SCOPES: Final = frozenset({_APP_SENDS, _NAMED_SENDS})
"""The scopes that count sends of an app, whoever they are for."""

_LIMITS: Final = {ContactKind.PHONE: Limit.CONTACT_SENDS, ContactKind.EMAIL: Limit.MAILBOX_SENDS}

MOST_NAMED: Final = 4
"""Named limits in one request."""


@attrs.frozen(kw_only=True)
class AppSent:
    """
    One send of an app, as far as limits count it.

    Attributes:
        client: The person's address, if the backend named it.
        values: What named limits count.
    """

    app_id: str
    contact: Contact
    client: ClientAddress | None
    values: tuple[NamedValue, ...] = ()
    channel: Channel = Channel.SMS


def charged_keys(sent: AppSent) -> tuple[UsageKey, ...]:
    """The keys that *sent* is charged to."""
    client = sent.client
    return (
        contact_sends(sent.contact),
        UsageKey(_APP_SENDS, sent.app_id),
        *([] if client is None else [UsageKey(_CLIENT_SENDS + sent.app_id, client.value)]),
        *(_named_key(sent.app_id, value) for value in sent.values),
        *call_keys(sent.contact, sent.channel),
    )


def send_demands(sent: AppSent, app: App, policy: Policy, service: Policy) -> tuple[Demand, ...]:
    """
    The limits that *sent* has to pass, if it is not a call.

    Args:
        policy: The app's numbers for the purpose.
        service: The service's own, which hold for the contact too.
    """
    kind = sent.contact.kind
    contact, own, *rest = charged_keys(sent)
    sends = tuple(
        quota for quota in app.rules.limits.sends if quota.window > MINUTE or not _is_apart(quota)
    )
    demands = [
        # Both on one key, which keeps as many charges as the wider one counts.
        Demand(
            limit=_LIMITS[kind],
            key=contact,
            quotas=tuple(dict.fromkeys((policy.sends_to(kind), service.sends_to(kind)))),
        ),
        Demand(limit=Limit.APP, key=own, quotas=sends),
    ]
    if sent.client is not None:
        client, *rest = rest
        demands.append(
            Demand(limit=Limit.CLIENT, key=client, quotas=(app.rules.limits.client_sends,))
        )
    demands += (
        Demand(
            limit=Limit.NAMED, key=key, quotas=app.rules.named_limits[value.name], name=value.name
        )
        for key, value in zip(rest, sent.values, strict=True)
    )
    return tuple(demands)


def demand_apart(app: App) -> Demand | None:
    """The limit on the app's sends that is judged before the slot; None if none is."""
    apart = tuple(quota for quota in app.rules.limits.sends if _is_apart(quota))
    if not apart:
        return None
    return Demand(limit=Limit.APP, key=UsageKey(_APP_SENDS, app.id), quotas=apart)


def check_demand(app: App, client: ClientAddress) -> Demand:
    """The limit on checks from one client of an app."""
    return Demand(
        limit=Limit.CLIENT,
        key=UsageKey(APP_CHECKS + app.id, client.value),
        quotas=(app.rules.limits.client_checks,),
    )


def app_of(key: UsageKey) -> str:
    """The app that a key of one of `APP_SCOPES` counts for."""
    return key.who.partition(" ")[0]


def claim_keys(send_ids: Sequence[str]) -> tuple[UsageKey, ...]:
    """Where it is noted that a send with one of these ids was admitted."""
    return tuple(UsageKey(_CLAIMS, send_id) for send_id in send_ids)


def send_claimed_by(key: UsageKey) -> str | None:
    """The id of the send that a key of `claim_keys` is about; None for every other key."""
    return key.who if key.scope == _CLAIMS else None


def _is_apart(quota: Quota) -> bool:
    return quota.window <= MINUTE and quota.limit > MOST_IN_A_SLOT


def _named_key(app_id: str, value: NamedValue) -> UsageKey:
    return UsageKey(_NAMED_SENDS, f"{app_id} {value.name} {value.fingerprint}")

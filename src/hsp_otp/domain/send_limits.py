"""
The limits on sends, by lane: to a contact, and from a client.

Of the sends to a contact some are kept for known devices. What is left for others is shared:
one network gets only part of it, and so does a flow that anybody may start.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Final

import attrs

from hsp_otp.domain.client_limits import client_demands
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import FLOWS, Flow
from hsp_otp.domain.quota import Demand, Limit, Quota, Usage, UsageKey, Usages
from hsp_otp.domain.work import level_of

_SENDS: Final = "_sends"
_TO_OTHERS: Final = "_sends_of_others"
_CALLS: Final = "phone_calls"

CONTACT_SCOPES: Final = frozenset(
    f"{kind.value}{end}" for kind in ContactKind for end in (_SENDS, _TO_OTHERS)
) | {_CALLS}
"""The scopes that count sends to contacts; every other one counts sends from clients."""


@attrs.frozen(kw_only=True)
class Sent:
    """One send, as far as limits count it; *client* is the address that asked."""

    flow: Flow
    contact: Contact
    client: ClientAddress
    lane: Lane
    channel: Channel = Channel.SMS

    @cached_property
    def contact_keys(self) -> tuple[UsageKey, ...]:
        """
        The keys that count it for the contact.

        Of others: all of theirs, those of one network, and those of one flow.
        """
        total = contact_sends(self.contact)
        if self.lane is Lane.KNOWN:
            return (total,)
        others = _others_key(self.contact)
        shares = [self.client.network]
        if FLOWS[self.flow].share_of_others is not None:
            shares.append(self.flow.value)
        of_shares = [UsageKey(others.scope, f"{others.who} {share}") for share in shares]
        return (total, others, *of_shares)

    @cached_property
    def client_keys(self) -> tuple[UsageKey, ...]:
        """The keys that count it for the client's address and network."""
        lane = "_known" if self.lane is Lane.KNOWN else ""
        scope = f"{self.flow.value}{lane}{_SENDS}"
        whos = dict.fromkeys((self.client.value, self.client.network))
        return tuple([UsageKey(scope, who) for who in whos])


def contact_sends(contact: Contact) -> UsageKey:
    """The key that counts sends to *contact*, across all flows and lanes."""
    return UsageKey(f"{contact.kind.value}{_SENDS}", contact.limited)


def call_keys(contact: Contact, channel: Channel) -> tuple[UsageKey, ...]:
    """The key that counts calls to *contact*, if *channel* is that of calls."""
    return (UsageKey(_CALLS, contact.limited),) if channel is Channel.VOICE else ()


def call_demands(contact: Contact, channel: Channel, policy: Policy) -> tuple[Demand, ...]:
    """The limit that a call has to pass beside those of every send."""
    return tuple(
        Demand(limit=Limit.CONTACT_SENDS, key=key, quotas=(policy.calls,))
        for key in call_keys(contact, channel)
    )


def contact_of(key: UsageKey) -> str:
    """The contact that a key of one of `CONTACT_SCOPES` counts for."""
    return key.who.partition(" ")[0]


def charged_keys(sent: Sent) -> tuple[UsageKey, ...]:
    """The keys that *sent* is charged to."""
    return sent.contact_keys + call_keys(sent.contact, sent.channel) + sent.client_keys


def send_keys(sent: Iterable[Sent]) -> tuple[UsageKey, ...]:
    """Every key that limits any of these sends."""
    return tuple(dict.fromkeys([key for one in sent for key in charged_keys(one)]))


def send_demands(sent: Sent, policy: Policy, *, is_let: bool) -> tuple[Demand, ...]:
    """The limits that *sent* has to pass; if an operator lets it in, only the contact's own."""
    quotas = _contact_quotas(
        sent.flow,
        sent.lane,
        policy.contact_sends,
        policy.sends_kept_for_known,
        policy.sends_of_one_network,
    )
    demands = [
        Demand(limit=Limit.CONTACT_SENDS, key=key, quotas=(quota,))
        for key, quota in zip(sent.contact_keys, quotas, strict=True)
    ]
    calls = call_demands(sent.contact, sent.channel, policy)
    if is_let:
        return (demands[0], *calls)
    return (
        *demands,
        *calls,
        *client_demands(
            Limit.CLIENT,
            sent.client_keys[0].scope,
            sent.client,
            policy.client_sends,
            factor=policy.network_factor,
        ),
    )


def work_level(usages: Usages, sent: Sent, policy: Policy, now: Instant) -> int:
    """The level of work that one more send costs; 0 if it is free, as it is for known devices."""
    if sent.lane is Lane.KNOWN or not policy.contact_sends.limit or not policy.asks_for_work:
        return 0
    others = usages.get(_others_key(sent.contact), ())
    window = policy.contact_sends.window
    return level_of(sum(at > now - window for at in others), policy.free_sends_of_others)


def given_back(usages: Usages, sent: Iterable[tuple[Sent, Instant]]) -> Usages:
    """
    *usages* without what these sends were charged to their clients; the very mapping if nothing
    is left to give back.
    """
    becomes: dict[UsageKey, Usage] = {}
    for one, at in sent:
        for key in one.client_keys:
            usage = becomes.get(key, usages.get(key, ()))
            if at in usage:
                place = usage.index(at)
                becomes[key] = usage[:place] + usage[place + 1 :]
    return {**usages, **becomes} if becomes else usages


def client_keys(sent: Iterable[Sent]) -> tuple[UsageKey, ...]:
    """The keys that these sends are charged to for their clients."""
    return tuple(dict.fromkeys([key for one in sent for key in one.client_keys]))


def _others_key(contact: Contact) -> UsageKey:
    return UsageKey(f"{contact.kind.value}{_TO_OTHERS}", contact.value)


@lru_cache(maxsize=1024)  # policies have a few
def _contact_quotas(
    flow: Flow, lane: Lane, total: Quota, kept: int, of_one_network: int
) -> tuple[Quota, ...]:
    """In the order of `Sent.contact_keys`. If sends to a contact have no limit, these have none."""
    if lane is Lane.KNOWN:
        return (total,)
    left = max(1, total.limit - kept)
    limits = [left, of_one_network]
    share = FLOWS[flow].share_of_others
    if share is not None:
        limits.append(max(1, int(left * share)))
    window = total.window
    return (total, *(Quota(limit if total.limit else 0, window) for limit in limits))

"""Calls: what they say once a key has been pressed."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import attrs

from hsp_otp.domain.challenge import live_code
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import UnknownMessage
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose
from hsp_otp.flows.app_requests import AppRequests
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.sends import Sends, SentCode


@attrs.frozen
class CodeToSay:
    """The code of the call, which nothing but the call may say."""

    word: ClassVar[str] = "said"
    code: Code
    language: Language


@attrs.frozen
class CodeOver:
    """The code of the call is no longer valid: it was used or replaced, or has expired."""

    word: ClassVar[str] = "otp_expired"
    language: Language


@attrs.frozen(kw_only=True)
class Calls:
    """
    Finds the codes of calls.

    Attributes:
        codes: The ring of codes.
        policies: One for each purpose of the customers' own journeys.
    """

    sends: Sends
    slots: SlotRepository
    apps: AppRepository
    requests: AppRequests
    clock: Clock
    codes: KeyRing
    policies: Mapping[Purpose, Policy]

    async def answer(self, send_id: str, call_id: str) -> CodeToSay | CodeOver | UnknownMessage:
        """
        What a call says, in which somebody has pressed a key.

        Args:
            send_id: The send that the call was made for.
            call_id: The provider's id of the call. The report of one call is not good for another.

        Raises:
            Unavailable: A store did not answer.
        """
        send = await self.sends.find(send_id)
        if send is None or send.channel is not Channel.VOICE:
            return UnknownMessage()
        if send.provider_message_id not in {None, call_id}:
            return UnknownMessage()
        language = send.language or ENGLISH
        policy = await self._policy_of(send)
        if policy is None:
            return CodeOver(language)
        judge = partial(
            live_code,
            challenge_id=send.challenge_id,
            policy=policy,
            ring=self.codes,
            now=self.clock.now(),
        )
        code = await self.slots.transition(send.slot, (), judge)
        return CodeOver(language) if code is None else CodeToSay(code, language)

    async def _policy_of(self, send: SentCode) -> Policy | None:
        """The numbers of the code; None if its app is gone."""
        if send.app_id is None:
            return self.policies[send.slot.purpose]
        app = await self.apps.find(send.app_id)
        return None if app is None else self.requests.policy_of(app, send.slot.purpose)

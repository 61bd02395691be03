"""
The stored form of records: JSON objects that carry the version of their form.

Objects without a version are of version 1. A usage is an array of instants, which has only one
form.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from msgspec import json

from hsp_otp.domain.apps import AppRules
from hsp_otp.domain.budgets import Budget
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.quota import Usage
from hsp_otp.domain.refresh_tokens import Family
from hsp_otp.domain.signup import SignupSession, SignupStep
from hsp_otp.domain.slot_record import SlotRecord
from hsp_otp.domain.verification import Approval

T = TypeVar("T")

Form = dict[str, Any]
"""A body of an earlier version, as it is stored."""


class RecordFormat(Generic[T]):
    """Writes records of one type, and reads them in every version of their form."""

    def __init__(self, record: Any, *upgrades: Callable[[Form], Form]) -> None:  # noqa: ANN401
        """
        Write the version that the last of *upgrades* leads to.

        Args:
            record: The type.
            upgrades: Each converts a body from one version to the next, beginning with version 1.
        """
        self._decoder: json.Decoder[T] = json.Decoder(record)
        self._upgrades = upgrades
        self._head = f'{{"v":{len(upgrades) + 1},'

    def encode(self, record: T) -> str:
        """The body of *record*."""
        text = json.encode(record).decode()
        return self._head + text[1:] if text.startswith("{") else text

    def decode(self, body: str) -> T:
        """The record in a body of any version; raises msgspec.DecodeError if it fits none."""
        if body.startswith((self._head, "[")):
            return self._decoder.decode(body)
        form = json.decode(body, type=Form)
        for upgrade in self._upgrades[form.pop("v", 1) - 1 :]:
            form = upgrade(form)
        return self._decoder.decode(json.encode(form))


def _with_contact(slot: Form) -> Form:
    """Version 1 had phone numbers only."""
    challenge = slot.get("challenge")
    if challenge is not None:
        challenge["contact"] = {"kind": "phone", "value": challenge.pop("phone")["e164"]}
    return slot


def _with_lanes(slot: Form) -> Form:
    """Version 2 knew no devices: everybody was a stranger."""
    return {"others": slot}


SLOT: Final = RecordFormat[SlotRecord](SlotRecord, _with_contact, _with_lanes)
USAGE: Final = RecordFormat[Usage](Usage)
SIGNUP_SESSION: Final = RecordFormat[SignupSession](SignupSession)
SIGNUP_STEP: Final = RecordFormat[SignupStep](SignupStep)
FAMILY: Final = RecordFormat[Family](Family)
APP_RULES: Final = RecordFormat[AppRules](AppRules)
APPROVAL: Final = RecordFormat[Approval](Approval)
LEDGER: Final = RecordFormat[Ledger](Ledger)
BUDGET: Final = RecordFormat[Budget](Budget)

_EMPTY: Final = '"challenge":null,"asked_at":null,"failures":[],"run":0}'

_EMPTY_NOW: Final = SLOT.encode(SlotRecord())

EMPTY_SLOTS: Final = (
    _EMPTY_NOW,
    _EMPTY_NOW.replace(',"owed":[]', ""),
    '{"v":2,' + _EMPTY,
    "{" + _EMPTY,
)
"""A slot without any data, as each version writes it, and the present one before it had debts."""

"""
The form in which stores keep records: JSON objects that say which version of the form they are in.

A usage is an array of instants, which has one form. Objects that say nothing are of version 1.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from msgspec import json

from hsp_otp.domain.challenge import SlotRecord
from hsp_otp.domain.quota import Usage
from hsp_otp.domain.refresh_tokens import Family
from hsp_otp.domain.signup import SignupSession, SignupStep

T = TypeVar("T")

Form = dict[str, Any]
"""A body of an earlier version, as it stands in the store."""


class RecordFormat(Generic[T]):
    """How records of one type are written, and read in every form that they ever had."""

    def __init__(self, record: Any, *upgrades: Callable[[Form], Form]) -> None:  # noqa: ANN401
        """
        Take what is written from now on to be of the version behind the last of *upgrades*.

        Args:
            record: The type.
            upgrades: What makes a body of each version one of the next, from version 1 on.
        """
        self._decoder: json.Decoder[T] = json.Decoder(record)
        self._upgrades = upgrades
        self._head = f'{{"v":{len(upgrades) + 1},'

    def encode(self, record: T) -> str:
        """The body of *record*."""
        text = json.encode(record).decode()
        return self._head + text[1:] if text.startswith("{") else text

    def decode(self, body: str) -> T:
        """
        The record of a body of any version.

        Raises:
            msgspec.DecodeError: It is none of them.
        """
        if body.startswith((self._head, "[")):
            return self._decoder.decode(body)
        form = json.decode(body, type=Form)
        for upgrade in self._upgrades[form.pop("v", 1) - 1 :]:
            form = upgrade(form)
        return self._decoder.decode(json.encode(form))


def _with_contact(slot: Form) -> Form:
    """Version 1 knew no other contacts than numbers."""
    challenge = slot.get("challenge")
    if challenge is not None:
        challenge["contact"] = {"kind": "phone", "value": challenge.pop("phone")["e164"]}
    return slot


SLOT: Final = RecordFormat[SlotRecord](SlotRecord, _with_contact)
USAGE: Final = RecordFormat[Usage](Usage)
SIGNUP_SESSION: Final = RecordFormat[SignupSession](SignupSession)
SIGNUP_STEP: Final = RecordFormat[SignupStep](SignupStep)
FAMILY: Final = RecordFormat[Family](Family)

EMPTY_SLOTS: Final = (SLOT.encode(SlotRecord()), json.encode(SlotRecord()).decode())
"""A slot of which nothing is known, as each version writes it."""

"""Proof of work by ALTCHA, version 2, with PBKDF2 and counters that the service chooses."""

import base64
import hashlib
import hmac
from typing import Annotated, Any, Final

import attrs
import msgspec

from hsp_otp.domain.instant import SECOND, Instant
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.work import LEVELS, Judgement, Malformed, Solved, Stale, Wrong
from hsp_otp.ports.proof_of_work import Work

_ALGORITHM: Final = "PBKDF2/SHA-256"
_COST: Final = 2000
"""Iterations for each counter: enough that a call of SubtleCrypto is not mostly overhead."""

_COUNTERS_PER_SECOND: Final = 1000
"""
Counters that a mid-range phone of 2022 tries in a second, with SubtleCrypto in one worker.

An estimate: between a third and a half of the rate of Chromium on one core of a server. `work.js`
and `work.ts` count progress by the same number.
"""

_LONGEST: Final = 4096
"""Characters of a payload: some five times what a solver sends."""

_Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]+\Z", max_length=64)]
_Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Data(msgspec.Struct, forbid_unknown_fields=True):
    level: _Whole


class _Parameters(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    algorithm: str
    cost: _Whole
    data: _Data
    expires_at: _Whole
    key_length: _Whole
    key_prefix: _Hex
    key_signature: _Hex
    nonce: _Hex
    salt: _Hex


class _Challenge(msgspec.Struct, forbid_unknown_fields=True):
    parameters: _Parameters
    signature: _Hex


class _Solution(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    counter: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    derived_key: Annotated[_Hex, msgspec.Meta(min_length=64)]
    time: float | None = None  # milliseconds, as the solver says


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    challenge: _Challenge
    solution: _Solution


@attrs.frozen(kw_only=True)
class AltchaProofOfWork:
    """
    ALTCHA challenges, which its widget, its libraries and our own clients solve.

    The library makes the challenges. Solutions are judged here, because the library would compare
    the expiry with the machine's clock.

    Attributes:
        challenges: Sign the parameters. The signing key is derived from *bound_to*, so that the
            work need not contain it.
        solutions: Sign the keys that solve work. Their ids are those of *challenges*, in the same
            order.
        seconds: How long work of the first level takes a phone; 1 or more.
    """

    challenges: KeyRing
    solutions: KeyRing
    seconds: int = 1

    def pose(self, bound_to: str, level: int, expires_at: Instant, drawn: bytes) -> Work:
        """
        Keep the promise of `ProofOfWork.pose`; it takes the time of one counter.

        Counters lie between half and one and a half times the mean, so that the time told is
        about right: if they began at zero, one wait in ten would be less than a fifth of it.
        The price is that a solver written for this service can start at the half.
        """
        if level not in LEVELS:
            raise ValueError("no such level")
        # Late: loading it takes longer than all else here, and most services never pose work.
        import altcha  # noqa: PLC0415

        seconds = self.seconds * 2 ** (level - 1)
        mean = seconds * _COUNTERS_PER_SECOND
        # The library does not say what its dictionaries hold.
        challenge: Any = altcha.create_challenge(  # pyright: ignore[reportUnknownMemberType]
            _ALGORITHM,
            _COST,
            counter=mean // 2 + int.from_bytes(drawn) % mean,
            expires_at=expires_at // SECOND,
            data={"level": level},
            hmac_secret=_signing(self.challenges.first, bound_to),
            hmac_key_secret=self.solutions.first.secret,
        )
        return Work(
            parameters=challenge.parameters.to_dict(),
            signature=challenge.signature,
            seconds=seconds,
        )

    def judge(self, payload: str, bound_to: str, now: Instant) -> Judgement:
        """
        Keep the promise of `ProofOfWork.judge`; it computes HMACs alone.

        The key is not derived again: only a solver that found the counter knows it.
        """
        try:
            members = _members(payload)
        except (ValueError, RecursionError):
            return Malformed()
        try:
            found = msgspec.convert(members, _Payload)
        except msgspec.ValidationError:
            return Wrong()
        parameters = found.challenge.parameters
        # The library signs the same text: no white space, members in order.
        text = msgspec.json.encode(parameters, order="sorted")
        pairs = zip(self.challenges.keys, self.solutions.keys, strict=True)
        signature = found.challenge.signature
        solutions = next(
            (
                solutions
                for challenges, solutions in pairs
                if _is_signed(signature, _signing(challenges, bound_to), text)
            ),
            None,
        )
        if solutions is None:
            return Wrong()
        expires_at = Instant(parameters.expires_at * SECOND)
        if now >= expires_at:
            return Stale()
        derived = bytes.fromhex(found.solution.derived_key)
        if not _is_signed(parameters.key_signature, solutions.secret, derived):
            return Wrong()
        return Solved(nonce=parameters.nonce, level=parameters.data.level, expires_at=expires_at)


def _signing(key: Key, bound_to: str) -> bytes:
    return key.digest("work", bound_to)


def _is_signed(signature: str, secret: bytes, data: bytes) -> bool:
    return hmac.compare_digest(signature, hmac.digest(secret, data, hashlib.sha256).hex())


def _members(payload: str) -> dict[str, Any]:
    """
    What *payload* says.

    Raises:
        ValueError: It is not base64 of a JSON object with a challenge and a solution.
        RecursionError: It is nested too deeply.
    """
    if len(payload) > _LONGEST:
        raise ValueError
    text = base64.b64decode(payload, validate=True).decode()
    members = msgspec.json.decode(text, type=dict[str, Any])
    if not all(isinstance(members.get(part), dict) for part in ("challenge", "solution")):
        raise ValueError
    return members

"""Proof of work: a computation that a client makes before the service acts for it."""

from collections.abc import Mapping
from typing import Protocol

import attrs

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.work import Judgement


@attrs.frozen(kw_only=True)
class Work:
    """
    Work for a client: an ALTCHA challenge, version 2.

    Attributes:
        parameters: For JSON; the client returns them unchanged, beside its solution.
        signature: Hexadecimal digits, which the client returns too.
        seconds: How long a mid-range phone of 2022 takes, on average; half as long again at most.
    """

    parameters: Mapping[str, str | int | Mapping[str, int]]
    signature: str
    seconds: int


class ProofOfWork(Protocol):
    """Poses work and judges what clients return."""

    def pose(self, bound_to: str, level: int, expires_at: Instant, drawn: bytes) -> Work:
        """
        New work.

        Args:
            bound_to: What the work is for. It cannot be read from the work.
            level: One of `LEVELS`.
            expires_at: Rounded down to a whole second.
            drawn: 8 random bytes. How long the work takes depends on them, so the client must
                not learn them.

        Raises:
            ValueError: There is no such level.
        """
        ...

    def judge(self, payload: str, bound_to: str, now: Instant) -> Judgement:
        """
        Whether *payload* solves work that was posed for *bound_to*.

        Nothing that a client sends raises an exception. The caller compares the level with the
        one that it asks for, and admits each nonce once.
        """
        ...

"""Steps whose callers wait while a task takes several of them together."""

import asyncio
from collections.abc import Callable, Generator, MutableSequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from hsp_otp.ports.failures import Unavailable


class WaitingStep(Protocol):
    """A step whose caller awaits `done`."""

    @property
    def done(self) -> asyncio.Future[Any]:
        """The outcome or failure of the step."""
        ...


S = TypeVar("S", bound=WaitingStep)


def tell(step: WaitingStep, outcome: object) -> None:
    """Hand the outcome, or the failure, to the caller of *step*, unless that was cancelled."""
    if step.done.done():
        return
    if isinstance(outcome, Exception):
        step.done.set_exception(outcome)
        step.done.exception()  # marks it as retrieved, in case the caller is cancelled now
    else:
        step.done.set_result(outcome)


@contextmanager
def telling(steps: MutableSequence[S], by: Callable[[S, object], None] = tell) -> Generator[None]:
    """
    Tell all *steps* of a failure in the block, so that no caller waits for ever.

    Afterwards *steps* is empty, since nobody may take steps whose callers were told.

    Args:
        steps: Those that the block would tell.
        by: Tells one.
    """
    try:
        yield
    except BaseException as failure:
        is_cancelled = not isinstance(failure, Exception)  # perhaps by a driver alone
        told = Unavailable("the step was interrupted") if is_cancelled else failure
        for step in steps:
            by(step, told)
        steps.clear()
        if is_cancelled:
            raise

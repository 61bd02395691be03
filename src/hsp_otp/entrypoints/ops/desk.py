"""Everything that the operator's page stands on, put together."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from hsp_otp.adapters.sql.investigation import Entry
from hsp_otp.domain.keys import KeyRing
from hsp_otp.entrypoints.ops.looks import Look, Stretch
from hsp_otp.flows.operators import Operators

if TYPE_CHECKING:
    from hsp_otp.adapters.prometheus.recent import SenderLately


@attrs.frozen(kw_only=True)
class OpsDesk:
    """
    Where operators look.

    Attributes:
        keys: The ring of their sessions.
        look: What there is to show of a stretch of time.
        story: The latest rows of the number of these fingerprints.
        senders: What each sender of this machine did lately.
    """

    operators: Operators
    keys: KeyRing
    look: Callable[[Stretch], Awaitable[Look]]
    story: Callable[[tuple[str, ...]], Awaitable[Sequence[Entry]]]
    senders: Callable[[], "Sequence[SenderLately]"]

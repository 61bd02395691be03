"""Strategies for Hypothesis: numbers, codes, and instants at the edges of a policy."""

import os
from typing import Final

from hypothesis import strategies as st

from hsp_otp.domain.instant import SECOND, Duration, Instant, after
from hsp_otp.domain.policy import Policy
from tests.world import START

MACHINE_ROUNDS: Final = int(os.environ.get("MACHINE_ROUNDS", "1"))
"""The factor by which state machines run longer than usual; 20 in script/soak."""

_MOBILE_SERIES = ("70", "84", "85", "90", "91", "92", "93", "94", "95", "96", "97", "98", "99")
"""Prefixes of Indian mobile numbers that are valid with any following digits."""

_SKEW = 5 * SECOND
"""The difference between two machines' clocks that the contract allows."""


def phones() -> st.SearchStrategy[str]:
    """Valid Indian mobile numbers in E.164."""
    return st.builds(
        "+91{}{:08d}".format, st.sampled_from(_MOBILE_SERIES), st.integers(0, 99_999_999)
    )


def codes(digits: int = 6) -> st.SearchStrategy[str]:
    """Codes of the whole space, leading zeros included."""
    return st.integers(0, 10**digits - 1).map(lambda number: f"{number:0{digits}d}")


def invisibles() -> st.SearchStrategy[str]:
    """Invisible characters, as pasted from a clipboard."""
    return st.one_of(
        st.sampled_from("\u200b\u200e\u202a\u202c\ufeff\u00ad\u034f\u3164\ufe0f"),
        st.characters(categories=["Cf"]),
    )


def dashes() -> st.SearchStrategy[str]:
    """Dashes of every kind."""
    return st.one_of(
        st.sampled_from("-\u2010\u2011\u2012\u2013\u2014\u2043\u2212\uff0d"),
        st.characters(categories=["Pd"]),
    )


def pasted(text: str) -> st.SearchStrategy[str]:
    """*text* with invisible characters anywhere, and white space around."""
    outside = st.text(st.sampled_from(" \t\r\n\u00a0\u2028\u200e\ufeff"), max_size=2)
    return st.builds(
        "{}{}{}".format, outside, interspersed(text, invisibles(), range(len(text) + 1)), outside
    )


def interspersed(
    text: str, additions: st.SearchStrategy[str], places: range
) -> st.SearchStrategy[str]:
    """*text* with up to four *additions* inserted at *places*."""

    def insert(added: list[tuple[int, str]]) -> str:
        found = text
        for place, addition in sorted(added, reverse=True):
            found = found[:place] + addition + found[place:]
        return found

    return st.lists(st.tuples(st.sampled_from(places), additions), max_size=4).map(insert)


def nudges() -> st.SearchStrategy[Duration]:
    """The last microsecond before an edge, the edge, and the first after it."""
    return st.sampled_from((-1, 0, 1))


def edges(policy: Policy, issued_at: Instant) -> st.SearchStrategy[Instant]:
    """Instants around every edge of a challenge of *policy* issued at *issued_at*."""
    windows = [q.window for q in (*policy.failures, policy.contact_sends, *policy.client_sends)]
    spans = [0, policy.cooldown, policy.lifetime, *windows]
    return st.builds(
        lambda span, nudge: after(issued_at, span + nudge), st.sampled_from(spans), nudges()
    )


def histories(longest: Duration) -> st.SearchStrategy[list[Instant]]:
    """
    Instants of requests in the order in which a store sees them.

    They come from machines whose clocks differ by up to five seconds, so they are not sorted.
    """
    edges = (0, 1, longest - _SKEW, longest - 1, longest)
    gap = st.one_of(st.sampled_from(edges), st.integers(0, longest // 4))
    skew = st.one_of(st.sampled_from((0, _SKEW)), st.integers(0, _SKEW))
    return st.lists(st.tuples(gap, skew), min_size=1, max_size=25).map(_told)


def _told(steps: list[tuple[Duration, Duration]]) -> list[Instant]:
    now, told = START, list[Instant]()
    for gap, skew in steps:
        now = after(now, gap)
        told.append(after(now, skew))
    return told

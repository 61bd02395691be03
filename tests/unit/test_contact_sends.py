"""Limits on the sends to one number, and their shares."""

from typing import Final

import attrs
import pytest

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Duration
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.send_limits import (
    CONTACT_SCOPES,
    charged_keys,
    client_keys,
    contact_of,
    contact_sends,
    send_demands,
    send_keys,
    work_level,
)
from tests.lanes import (
    CONTACT,
    ELSEWHERE,
    FULL,
    HOME,
    NEIGHBOUR,
    OPEN_TO_ALL,
    PHONE,
    Number,
    later,
    sent_by,
    stranger,
)
from tests.world import START


def test_others_share_seven_sends() -> None:
    """The eighth stranger in 24 h waits for the first send to leave; three are kept."""
    number = Number()
    number.sends(*range(7))
    assert number.send(stranger(7)) == FULL
    assert number.send(stranger(7), at=later(DAY - 1)) == FULL
    assert [number.send(HOME, known=True) for _ in range(3)] == [None] * 3
    assert number.send(HOME, known=True) == FULL
    assert number.send(HOME, known=True, at=later(DAY - 1)) == FULL
    assert number.send(stranger(7), at=later(DAY)) is None
    assert number.send(HOME, known=True, at=later(DAY)) is None


def test_known_devices_use_what_others_leave() -> None:
    """Known devices get all ten sends, and then nobody gets another."""
    number = Number()
    assert [number.send(known=True) for _ in range(10)] == [None] * 10
    assert number.send(known=True) == FULL
    assert number.send(stranger(0)) == FULL


def test_others_get_what_known_devices_leave() -> None:
    """After eight sends of known devices two are left for others."""
    number = Number()
    assert [number.send(known=True) for _ in range(8)] == [None] * 8
    number.sends(0, 1)
    assert number.send(stranger(2)) == FULL


def test_one_network_gets_three_sends() -> None:
    """The fourth ask of one network is refused, whatever its address and its flow."""
    number = Number()
    assert number.send(HOME) is None
    assert number.send(NEIGHBOUR) is None
    assert number.send(ClientAddress("198.51.100.254"), flow=Flow.SIGNUP) is None
    assert number.send(ClientAddress("198.51.100.99")) == FULL
    assert number.send(HOME, flow=Flow.SIGNUP, at=later(DAY - 1)) == FULL
    assert number.send(ELSEWHERE) is None
    assert number.send(HOME, known=True) is None
    assert number.send(HOME, at=later(DAY)) is None


def test_a_network_of_ipv6_has_48_bits() -> None:
    """All of a customer's 65 536 subnets are one network."""
    number = Number()
    for subnet in ("2001:db8:1::/64", "2001:db8:1:1::/64", "2001:db8:1:ffff::/64"):
        assert number.send(ClientAddress(subnet)) is None
    assert number.send(ClientAddress("2001:db8:1:2::/64")) == FULL
    assert number.send(ClientAddress("2001:db8:2::/64")) is None


def test_no_limit_on_networks() -> None:
    """With 0 for one network all seven are anybody's."""
    number = Number(attrs.evolve(OPEN_TO_ALL, sends_of_one_network=0))
    assert [number.send(HOME) for _ in range(7)] == [None] * 7
    assert number.send(HOME) == FULL


def test_signup_gets_four_sends() -> None:
    """Of the seven signup uses four; the rest is for pass login."""
    number = Number()
    number.sends(0, 1, 2, 3, flow=Flow.SIGNUP)
    assert number.send(stranger(4), flow=Flow.SIGNUP) == FULL
    assert number.send(stranger(4), flow=Flow.SIGNUP, at=later(DAY - 1)) == FULL
    number.sends(4, 5, 6)
    assert number.send(stranger(7)) == FULL
    assert number.send(stranger(7), known=True, flow=Flow.SIGNUP) is None
    assert number.send(stranger(7), flow=Flow.SIGNUP, at=later(DAY)) is None


def test_the_longest_wait_of_a_number_answers() -> None:
    """Where its network is full later than everybody, the network's wait is the answer."""
    number = Number()
    number.sends(*range(4))
    for minute in (1, 2, 3):
        assert number.send(HOME, at=later(minute * MINUTE)) is None
    assert number.send(stranger(4), at=later(HOME_FULL)) == FULL
    waits = Refusal(Limit.CONTACT_SENDS, later(DAY + MINUTE))
    assert number.send(HOME, at=later(HOME_FULL)) == waits


HOME_FULL: Final[Duration] = 4 * MINUTE


@pytest.mark.parametrize(
    ("limit", "kept", "others", "signup"),
    [
        (10, 3, 7, 4),
        (10, 0, 10, 5),
        (20, 3, 17, 9),
        (5, 3, 2, 1),
        (4, 3, 1, 1),
        (3, 3, 1, 1),
        (2, 3, 1, 1),
        (1, 3, 1, 1),
        (1, 0, 1, 1),
        (0, 3, 0, 0),
    ],
)
def test_small_limits_leave_others_one_send(
    limit: int, kept: int, others: int, signup: int
) -> None:
    """Neither what is kept nor signup's share takes everything; a limit of 0 refuses nothing."""
    policy = Policy(contact_sends=Quota(limit, DAY), sends_kept_for_known=kept)
    demands = send_demands(sent_by(HOME, flow=Flow.SIGNUP), policy, is_let=False)
    network = 3 if limit else 0
    assert [demand.quotas for demand in demands[:4]] == [
        (Quota(most, DAY),) for most in (limit, others, network, signup)
    ]


def test_a_number_without_a_limit() -> None:
    """With a limit of 0 nothing is kept, counted or refused, and no work is asked for."""
    number = Number(Policy(contact_sends=Quota(0, DAY), client_sends=()))
    assert [number.send(HOME) for _ in range(20)] == [None] * 20
    assert number.usages == {}
    assert work_level(number.usages, sent_by(HOME), number.policy, START) == 0


def test_what_counts_a_send() -> None:
    """Each lane has its keys for clients; a stranger's send is charged to its shares as well."""
    total = UsageKey("phone_sends", PHONE)
    theirs = (
        UsageKey("phone_sends_of_others", PHONE),
        UsageKey("phone_sends_of_others", f"{PHONE} 198.51.100.0/24"),
    )
    clients = (
        UsageKey("signup_sends", "198.51.100.7"),
        UsageKey("signup_sends", "198.51.100.0/24"),
    )
    known = (
        UsageKey("signup_known_sends", "198.51.100.7"),
        UsageKey("signup_known_sends", "198.51.100.0/24"),
    )
    share = UsageKey("phone_sends_of_others", f"{PHONE} signup")
    stranger_s, owner_s = (sent_by(HOME, known=known, flow=Flow.SIGNUP) for known in (False, True))
    assert contact_sends(CONTACT) == total
    assert charged_keys(stranger_s) == (total, *theirs, share, *clients)
    assert charged_keys(owner_s) == (total, *known)
    assert charged_keys(sent_by(HOME))[:3] == (total, *theirs)
    assert send_keys([owner_s, stranger_s]) == (
        *(total, *known),
        *(*theirs, share, *clients),
    )
    assert client_keys([stranger_s, owner_s, stranger_s]) == (*clients, *known)
    assert {
        *("phone_sends", "phone_sends_of_others"),
        *("email_sends", "email_sends_of_others"),
        "phone_calls",
    } == CONTACT_SCOPES

    assert {contact_of(key) for key in (total, *theirs, share)} == {PHONE}


@pytest.mark.parametrize("known", [False, True])
def test_what_counts_a_call(known: bool) -> None:  # noqa: FBT001
    """A call is charged as every send is, and to the number's calls."""
    send = sent_by(HOME, known=known)
    call = attrs.evolve(send, channel=Channel.VOICE)
    calls = UsageKey("phone_calls", PHONE)
    assert set(charged_keys(call)) == {*charged_keys(send), calls}
    assert contact_of(calls) == PHONE
    for is_let in (False, True):
        demands = send_demands(call, Policy(calls=Quota(2, DAY)), is_let=is_let)
        limits = {demand.key: (demand.limit, demand.quotas) for demand in demands}
        assert limits[calls] == (Limit.CONTACT_SENDS, (Quota(2, DAY),))
        assert UsageKey("phone_sends", PHONE) in limits


def test_sends_of_a_client_count_per_lane() -> None:
    """A stranger behind a shared address uses up none of its neighbours' sends."""
    number = Number(Policy(contact_sends=Quota(0, DAY)))
    assert [number.send(HOME) for _ in range(5)] == [None] * 5
    assert number.send(HOME) == Refusal(Limit.CLIENT, later(HOUR))
    assert [number.send(HOME, known=True) for _ in range(5)] == [None] * 5
    assert number.send(HOME, known=True) == Refusal(Limit.CLIENT, later(HOUR))
    assert number.send(NEIGHBOUR) is None


def test_who_is_let_in_has_only_the_ten_to_respect() -> None:
    """An operator's sends pass every limit but the number's own, and use up none of the shares."""
    number = Number(Policy())
    number.sends(*range(7))
    assert [number.send(stranger(0), is_let=True) for _ in range(3)] == [None] * 3
    assert number.send(stranger(0), is_let=True) == FULL
    others = UsageKey("phone_sends_of_others", PHONE)
    assert len(number.usages[others]) == 7
    assert number.usages[UsageKey("pass_login_sends", "10.0.0.1")] == (START,)

"""Calls in pass login and signup: what tokens, proofs and the standing of a code say of them."""

import attrs
import pytest

from hsp_otp.domain.challenge_outcomes import CodeEnd, Issued, Standing
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, after
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.pass_login import LedBack, SignedIn
from hsp_otp.flows.sessions import Grant, Redeemed
from hsp_otp.flows.signup import Progress, Proved, SignupCodeSent
from hsp_otp.ports.failures import SendFailed, SendRejected
from tests.world import START, World

CHANNELS = [Channel.SMS, Channel.VOICE]


@pytest.fixture
def world() -> World:
    """With a pass."""
    world = World()
    world.add()
    return world


@pytest.mark.parametrize("channel", CHANNELS)
def test_tokens_know_how_the_code_went_out(channel: Channel, world: World) -> None:
    """Those of the sign-in, and all that follow by refreshing."""
    assert isinstance(world.send(channel=channel), Issued)
    outcome = world.verify(world.outbox.codes[-1])
    assert isinstance(outcome, SignedIn)
    assert isinstance(world.refresh(outcome.grant.refresh_token), Grant)
    assert [access.channel for access in world.access_tokens.signed] == [channel] * 2


@pytest.mark.parametrize("channel", CHANNELS)
def test_tokens_of_an_exchange_know_it_too(channel: Channel, world: World) -> None:
    """The sign-in keeps it until another site's backend has exchanged the code."""
    world.send(channel=channel)
    outcome = world.lead_back(world.outbox.codes[-1])
    assert isinstance(outcome, LedBack)
    assert isinstance(world.exchange(outcome.handed.code), Redeemed)
    assert [access.channel for access in world.access_tokens.signed] == [channel]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_proof_of_signup_knows_it(channel: Channel, world: World) -> None:
    """So does the same proof when a page signs it again."""
    sent = world.sign_up(channel=channel)
    assert isinstance(sent, SignupCodeSent)
    session = sent.session_id
    assert isinstance(world.prove(world.outbox.codes[-1], session), Proved)
    progress = world.progress(session)
    assert isinstance(progress, Progress)
    assert world.signup.proof_of(session, progress.session) is not None
    first, again = world.proofs.signed
    assert first.channel is channel
    assert again == first


def test_only_the_code_that_was_entered_counts(world: World) -> None:
    """A text message after a call takes its place."""
    world.send(channel=Channel.VOICE)
    world.clock.advance(MINUTE)
    world.send()
    assert isinstance(world.verify(world.outbox.codes[-1]), SignedIn)
    assert [access.channel for access in world.access_tokens.signed] == [Channel.SMS]


def test_when_a_call_may_be_asked_for(world: World) -> None:
    """After its own cooldown, and after the limit of calls; a text message is due before."""
    world.policy = attrs.evolve(world.policy, calls=Quota(1, DAY))
    world.send()
    sent = world.standing()
    assert (sent.channel, sent.resend_at, sent.call_at) == (
        Channel.SMS,
        after(START, 30 * SECOND),
        after(START, MINUTE),
    )
    world.clock.advance(MINUTE)
    now = world.clock.now()
    world.send(channel=Channel.VOICE)
    assert world.standing() == Standing(
        after(now, 600 * SECOND),
        after(now, 30 * SECOND),
        channel=Channel.VOICE,
        call_at=after(now, DAY),
    )
    world.clock.advance(MINUTE)
    assert world.send(channel=Channel.VOICE) == Refusal(Limit.CONTACT_SENDS, after(now, DAY))


def test_without_senders_of_calls() -> None:
    """There is nothing to say about calls."""
    world = World(channels=frozenset({Channel.SMS}))
    world.add()
    world.send()
    assert world.standing().call_at is None


def test_a_code_that_is_over_went_out_by_no_channel(world: World) -> None:
    """The channel belongs to a code that can be entered."""
    world.send(channel=Channel.VOICE)
    world.clock.advance(600 * SECOND)
    found = world.standing()
    assert (found.end, found.channel) == (CodeEnd.EXPIRED, None)


@pytest.mark.parametrize("for_good", [False, True])
def test_a_call_that_nobody_makes(world: World, *, for_good: bool) -> None:
    """The outcome says that it was a call, and whether another one would come to nothing too."""
    world.outbox.failure = SendRejected("no such number") if for_good else SendFailed("away")
    outcome = world.send(channel=Channel.VOICE)
    assert outcome == Undelivered(START, for_good, Channel.VOICE)
    assert isinstance(outcome, Undelivered)
    assert outcome.by_call


def test_a_call_while_every_sender_is_skipped(world: World) -> None:
    """It is refused at once, as a call."""
    world.outbox.skipped = True
    assert world.send(channel=Channel.VOICE) == Undelivered(None, channel=Channel.VOICE)

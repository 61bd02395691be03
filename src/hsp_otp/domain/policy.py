"""All numbers that govern codes and limits, with units and sources; the defaults of settings."""

from fractions import Fraction
from typing import Final

import attrs

from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration
from hsp_otp.domain.quota import Quota

CODE_DIGITS: Final = 6
"""Decimal digits: the fewest that NIST SP 800-63B-4, 3.1.3.2 allows for an out-of-band code."""

CODE_DIGITS_RANGE: Final = (4, 10)
"""With fewer than four digits a guess needs little luck; more than ten are too many to type."""

LOGIN_CODE_SECONDS: Final = 600
"""Lifetime of a pass login code, in seconds."""

SIGNUP_CODE_SECONDS: Final = 300
"""Lifetime of a signup code, in seconds. The page is open and the phone at hand."""

MAX_CODE_SECONDS: Final = 600
"""The longest lifetime of any code: ten minutes (NIST SP 800-63B-4, 3.1.3.2)."""

APP_CODE_SECONDS: Final = 600
"""Lifetime of a code of an app, in seconds."""

APP_LOGIN_CODE_SECONDS: Final = 300
"""Lifetime of a code with which an app signs somebody in, in seconds."""

LEAST_RESENT_SECONDS: Final = 120
"""A start sends a live code again only if it lives for that many more seconds. With less, a message
that is slow to arrive would be of no use."""

MAX_ATTEMPTS: Final = 3
"""Guesses judged per code: with six digits, three chances in a million."""

RESEND_COOLDOWN_SECONDS: Final = 30
"""Seconds between two sends for one subject and purpose: about as long as an SMS takes to
arrive."""

PHONE_SENDS_PER_DAY: Final = 10
"""Sends to one number in 24 h, across all flows: limits harassment and cost."""

CALLS_PER_DAY: Final = 3
"""Calls to one number in 24 h, among those sends: a phone that rings disturbs more than a text."""

CALL_COOLDOWN_SECONDS: Final = 60
"""Seconds between a send and a call for one subject and purpose: the text has had time to arrive,
and somebody who waits for it is not called meanwhile."""

EMAIL_SENDS_PER_DAY: Final = 10
"""Sends to one mailbox in 24 h, for all apps together: limits harassment."""

SENDS_KEPT_FOR_KNOWN: Final = 3
"""Sends of those in 24 h that only known devices may use: strangers cannot use up an owner's."""

SENDS_OF_ONE_NETWORK: Final = 3
"""Sends to one number in 24 h that one network may ask for on devices that are not known: it takes
several networks to use up what the others may use."""

SIGNUP_SHARE_OF_OTHERS: Final = Fraction(4, 7)
"""How much of what devices that are not known may use signup may use. Anybody may start a signup,
and pass login goes on needing sends."""

FREE_SENDS_OF_OTHERS: Final = 2
"""Sends to one number in 24 h that devices that are not known get without any work."""

WORK_SECONDS: Final = 1
"""Seconds that work of the first level takes a phone of 2022; each level takes twice as long."""

WORK_LIFETIME: Final[Duration] = 5 * MINUTE
"""How long work can be handed in: several times as long as that of the highest level takes."""

FRESH_CODE_SECONDS: Final = 120
"""Seconds in which another network cannot replace a code: about as long as a person takes to read
and type it."""

DEVICE_DAYS: Final = 180
"""Days for which a device stays known after its last success."""

LET_SENDS: Final = 3
"""Sends that an operator gives to one address."""

LET_GUESSES: Final = 6
"""Guesses that an operator gives to one address: two codes' worth."""

LET_LIFETIME: Final[Duration] = HOUR
"""How long an address may use what an operator gave it: about as long as a call to support."""

LOGIN_SENDS_PER_CLIENT_HOUR: Final = 5
"""Pass login sends from one client address in 1 h."""

SIGNUP_SENDS_PER_CLIENT_MINUTE: Final = 5
"""Signup sends from one client address in 1 min. A person may correct a number once or twice."""

SIGNUP_SENDS_PER_CLIENT_HOUR: Final = 20
"""Signup sends from one client address in 1 h. Anybody may ask for any number here, but many
visitors can share an address."""

LOOKUPS_PER_CLIENT_HOUR: Final = 120
"""Pass look-ups from one client address in 1 h; a miss counts double."""

MISS_WEIGHT: Final = 2
"""The charge for a look-up that misses. Guessing pass codes uses the limit up twice as fast."""

LOOKUP_MISSES_PER_HOUR: Final = 600
"""Misses of everybody together in 1 h, above which newcomers may miss only
`NEWCOMER_MISSES_PER_HOUR` times. A scan of the 10**8 pass codes exceeds it; normal traffic does
not."""

NEWCOMER_MISSES_PER_HOUR: Final = 2
"""Misses of one address in 1 h during a scan, if nobody has signed in from it. Somebody who
mistypes the pass code twice still gets in."""

KNOWN_CLIENT_HOURS: Final = 24
"""Hours for which a client counts as known after a sign-in."""

NETWORK_FACTOR: Final = 10
"""How many times the limits of an address its network has. A /24 or /48 is one customer or a few
neighbours, not 256 or 65 536 clients."""

NETWORK_BITS: Final = {4: 24, 6: 48}
"""Prefix length, by IP version, of the largest network that one customer of a provider can be
expected to have."""

UNSENT_ASKS_PER_CLIENT_HOUR: Final = 30
"""Asks from one address in 1 h while every sender is being skipped. Nothing is sent, but each ask
still has a cost."""

REJECTED_REQUESTS_PER_CLIENT_HOUR: Final = 120
"""Requests from one address in 1 h that name a token of an unknown family, an invalid session or a
locked number. An app whose family has been purged makes one such request."""

FAILED_AUTHENTICATIONS_PER_CLIENT_MINUTE: Final = 30
"""Requests from one client address in 1 min that present no valid API key where one is required.
Each costs a look-up."""

CHECKS_PER_CLIENT_HOUR: Final = 60
"""Presented codes from one client address in 1 h."""

APP_SENDS_PER_MINUTE: Final = 60
"""Sends of one app in 1 min: bounds what a leaked key costs until somebody notices."""

APP_SENDS_PER_DAY: Final = 10_000
"""Sends of one app in 24 h."""

APP_SENDS_PER_CLIENT_HOUR: Final = 5
"""Sends of one app from one client address in 1 h, where its backend names the address."""

APP_CHECKS_PER_CLIENT_HOUR: Final = 60
"""Presented codes of one app from one client address in 1 h, where its backend names it."""

APP_MAX_ATTEMPTS: Final = 10
"""The most guesses per code that an app may allow: with four digits, one chance in a thousand."""

FAILED_GUESSES_PER_DAY: Final = 15
"""Failures of one subject and purpose in 24 h before the lock: 15 chances in a million per day."""

FAILED_GUESSES_PER_30_DAYS: Final = 45
"""Failures of one subject and purpose in 30 days before the lock."""

FAILED_GUESSES_IN_A_ROW: Final = 100
"""Failures without a success in between, after which only an operator can unlock (NIST SP
800-63B-4, 3.2.2)."""

ACCESS_TOKEN_SECONDS: Final = 900
"""Lifetime of an access token, in seconds. Other backends trust it until it expires."""

REFRESH_TOKEN_DAYS: Final = 30
"""Lifetime of a family of refresh tokens, in days from the sign-in. Refreshing does not extend
it."""

SESSION_LIFETIME: Final[Duration] = 30 * MINUTE
"""How long a signup session lasts after its last step."""

PROOF_LIFETIME: Final[Duration] = 10 * MINUTE
"""Lifetime of a signed proof: long enough to pass it to the backend of the next steps."""

EXCHANGE_LIFETIME: Final[Duration] = 60 * SECOND
"""
Lifetime of the code that a page gives to another site in place of tokens. RFC 6749, 4.1.2, allows
ten minutes at most; a browser takes the code there within seconds.
"""

CLAIM_SECONDS: Final = 10
"""Seconds in which a request with an idempotency key is under way: longer than any takes."""

REPEATED_CHECK_SECONDS: Final = 600
"""Seconds in which the request whose code was right can be repeated under its idempotency key."""

MOST_IN_A_SLOT: Final = 600
"""Sends of an app in 1 min up to which they are counted in the step that admits a send. A higher
limit is judged before that step, by the counter of checks: otherwise all sends of the app would
wait for one record."""

AUDIT_DAYS: Final = 90
"""Days for which audit rows are kept: long enough to investigate a fraud that shows up in a
bill."""

SEND_ROW_DAYS: Final = 7
"""Days for which send rows are kept. The limits need one day of them, and receipts arrive within a
few. They contain full numbers, so they are deleted long before the audit."""

MOST_TEST_CONTACTS: Final = 10
"""Test contacts of one app that are alive at the same time."""

TEST_CONTACT_DAYS: Final = 14
"""Days for which a test contact lives by default: a review of an app takes about one week."""

MOST_TEST_CONTACT_DAYS: Final = 90
"""The most days for which a test contact lives, since its code is written down somewhere."""

PROVED_DAYS: Final = 400
"""Days for which it is known that a contact has proved itself in an app: a year and some weeks, so
that the contacts of people who come back once a year do not become test contacts."""

FUNNEL_DAYS: Final = 90
"""Days, besides the present one, for which the counts of the funnel are kept, however long the
audit is. They hold nothing personal."""

NONCE_BYTES: Final = 16
"""Random bytes of a challenge's private nonce."""

WORK_BYTES: Final = 8
"""Random bytes that decide how long a piece of work takes."""

ID_BYTES: Final = 16
"""Random bytes of a public id: 128 bits cannot be guessed."""


@attrs.frozen(kw_only=True)
class Policy:
    """
    The numbers that govern the challenges of one purpose.

    Attributes:
        digits: Decimal digits of a code, 4 to 10.
        lifetime: Time from issue to expiry, exclusive. At most ten minutes.
        max_attempts: Guesses judged per challenge, at least 1.
        cooldown: Minimum time between two asks of one slot; 0 switches it off.
        call_cooldown: The same before a call.
        failures: Windows of failed guesses. While one is full, the slot is locked.
        max_run: Failures in a row that lock the slot until an operator unlocks it; 0 switches it
            off.
        contact_sends: Sends to one number.
        calls: Calls to one number, among those sends.
        mailbox_sends: Sends to one mailbox.
        sends_kept_for_known: How many of them only known devices may use.
        sends_of_one_network: Sends to one contact that one network may ask for on other devices; 0
            means no limit.
        free_sends_of_others: Sends to one contact that other devices get without work.
        asks_for_work: Whether there is work at all.
        fresh_for: How long a code is safe from being replaced by another network; 0 switches it
            off.
        binds_guesses: Other devices' guesses count only with the challenge's id, or from the
            network that asked.
        devices_for: How long a device stays known after its last success.
        client_sends: Sends from one client address.
        network_factor: How many times the client limits its network has; 0 means no limit.
        knows_devices: Known devices have a lane of their own. Without it, there is only one lane.
    """

    digits: int = CODE_DIGITS
    lifetime: Duration = LOGIN_CODE_SECONDS * SECOND
    max_attempts: int = MAX_ATTEMPTS
    cooldown: Duration = RESEND_COOLDOWN_SECONDS * SECOND
    call_cooldown: Duration = CALL_COOLDOWN_SECONDS * SECOND
    failures: tuple[Quota, ...] = (
        Quota(FAILED_GUESSES_PER_DAY, DAY),
        Quota(FAILED_GUESSES_PER_30_DAYS, 30 * DAY),
    )
    max_run: int = FAILED_GUESSES_IN_A_ROW
    contact_sends: Quota = Quota(PHONE_SENDS_PER_DAY, DAY)
    calls: Quota = Quota(CALLS_PER_DAY, DAY)
    mailbox_sends: Quota = Quota(EMAIL_SENDS_PER_DAY, DAY)
    sends_kept_for_known: int = SENDS_KEPT_FOR_KNOWN
    sends_of_one_network: int = SENDS_OF_ONE_NETWORK
    free_sends_of_others: int = FREE_SENDS_OF_OTHERS
    asks_for_work: bool = True
    fresh_for: Duration = FRESH_CODE_SECONDS * SECOND
    binds_guesses: bool = True
    devices_for: Duration = DEVICE_DAYS * DAY
    client_sends: tuple[Quota, ...] = (Quota(LOGIN_SENDS_PER_CLIENT_HOUR, HOUR),)
    network_factor: int = NETWORK_FACTOR
    knows_devices: bool = True

    def sends_to(self, kind: ContactKind) -> Quota:
        """The limit on sends to one contact of that kind."""
        return self.mailbox_sends if kind is ContactKind.EMAIL else self.contact_sends

    def cooldown_before(self, channel: Channel) -> Duration:
        """How long after a send the next one, by *channel*, may follow."""
        return self.call_cooldown if channel is Channel.VOICE else self.cooldown

    @property
    def for_apps(self) -> "Policy":
        """
        These numbers for codes of apps, whose backends decide who may ask: nothing holds strangers
        back from each other.
        """
        return attrs.evolve(
            self, knows_devices=False, asks_for_work=False, fresh_for=0, binds_guesses=False
        )


@attrs.frozen(kw_only=True)
class ClientLimits:
    """
    The limits on cheap and frequent requests, whatever their purpose.

    Attributes:
        checks: Presented codes from one client address.
        lookups: Pass look-ups from one client address; a miss is charged `MISS_WEIGHT` times.
        misses: Missed look-ups of everybody together; more of them are treated as a scan.
        newcomer_misses: Misses from one unknown client address during a scan.
        unsent_asks: Asks from one client address while no sender would try.
        rejected: Requests from one client address that name something invalid.
        authentications: Requests from one client address without a valid API key.
        known_for: How long a client counts as known after a sign-in.
        network_factor: How many times the limits of an address its network has; 0 means no limit.
    """

    checks: Quota = Quota(CHECKS_PER_CLIENT_HOUR, HOUR)
    lookups: Quota = Quota(LOOKUPS_PER_CLIENT_HOUR, HOUR)
    misses: Quota = Quota(LOOKUP_MISSES_PER_HOUR, HOUR)
    newcomer_misses: Quota = Quota(NEWCOMER_MISSES_PER_HOUR, HOUR)
    unsent_asks: Quota = Quota(UNSENT_ASKS_PER_CLIENT_HOUR, HOUR)
    rejected: Quota = Quota(REJECTED_REQUESTS_PER_CLIENT_HOUR, HOUR)
    authentications: Quota = Quota(FAILED_AUTHENTICATIONS_PER_CLIENT_MINUTE, MINUTE)
    known_for: Duration = KNOWN_CLIENT_HOURS * HOUR
    network_factor: int = NETWORK_FACTOR

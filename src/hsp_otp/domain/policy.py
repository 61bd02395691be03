"""All numbers that govern codes and limits, with units and sources; the defaults of settings."""

from typing import Final

import attrs

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration
from hsp_otp.domain.quota import Quota

CODE_DIGITS: Final = 6
"""Decimal digits: the fewest that NIST SP 800-63B-4, 3.1.3.2 allows for an out-of-band code."""

CODE_DIGITS_RANGE: Final = (4, 10)
"""Below four a guesser needs no luck; above ten nobody types it."""

LOGIN_CODE_SECONDS: Final = 600
"""Lifetime of a code of pass login, seconds."""

SIGNUP_CODE_SECONDS: Final = 300
"""Lifetime of a code of signup, seconds: the page is open and the phone at hand."""

MAX_CODE_SECONDS: Final = 600
"""No code lives longer: NIST SP 800-63B-4, 3.1.3.2 (ten minutes)."""

MAX_ATTEMPTS: Final = 3
"""Guesses judged per code: three in a million at six digits."""

RESEND_COOLDOWN_SECONDS: Final = 30
"""Seconds between sends of one subject and purpose: about what an SMS takes to arrive."""

PHONE_SENDS_PER_DAY: Final = 10
"""Sends to one number in 24 h, all flows together: the cap on harassment and on cost."""

LOGIN_SENDS_PER_CLIENT_HOUR: Final = 5
"""Sends of pass login from one client address in 1 h."""

SIGNUP_SENDS_PER_CLIENT_MINUTE: Final = 5
"""Sends of signup from one client address in 1 min: a person corrects a number or two."""

SIGNUP_SENDS_PER_CLIENT_HOUR: Final = 20
"""Sends of signup from one client address in 1 h. Anybody may ask here, for any number, but many
visitors share an address."""

LOOKUPS_PER_CLIENT_HOUR: Final = 120
"""Pass look-ups from one client address in 1 h; a miss counts double."""

MISS_WEIGHT: Final = 2
"""What a look-up that misses is charged: guessing pass codes runs out twice as fast."""

LOOKUP_MISSES_PER_HOUR: Final = 600
"""Misses of everybody together in 1 h, from which on newcomers may miss only
`NEWCOMER_MISSES_PER_HOUR` times: a scan of the 10**8 pass codes runs into it, people do not."""

NEWCOMER_MISSES_PER_HOUR: Final = 2
"""Misses of one address in 1 h while there is a scan and nobody has signed in from it: somebody who
mistypes the pass code twice still gets in."""

KNOWN_CLIENT_HOURS: Final = 24
"""Hours for which a sign-in makes its client known."""

NETWORK_FACTOR: Final = 10
"""How many times the limits of an address its network has: a /24 or /48 is one customer, or some
neighbours; not 256 or 65 536 clients."""

NETWORK_BITS: Final = {4: 24, 6: 48}
"""Length of the prefix of an address's network, by version of the protocol: what a provider can be
expected to give to one customer at most."""

UNSENT_ASKS_PER_CLIENT_HOUR: Final = 30
"""Asks of one address in 1 h while every sender is being skipped: nothing is sent, and asking on
costs something all the same."""

REJECTED_REQUESTS_PER_CLIENT_HOUR: Final = 120
"""Requests of one address in 1 h that name a token of no family, a session which is not good, or
a number that is locked: an app whose family has been purged makes one."""

CHECKS_PER_CLIENT_HOUR: Final = 60
"""Presented codes from one client address in 1 h."""

FAILED_GUESSES_PER_DAY: Final = 15
"""Failures of one subject and purpose in 24 h before the lock: 15 chances in a million a day."""

FAILED_GUESSES_PER_30_DAYS: Final = 45
"""Failures of one subject and purpose in 30 days before the lock."""

FAILED_GUESSES_IN_A_ROW: Final = 100
"""Failures with no success in between, after which only an operator unlocks: NIST SP 800-63B-4,
3.2.2."""

ACCESS_TOKEN_SECONDS: Final = 900
"""Lifetime of an access token, seconds: other backends trust it to its end."""

REFRESH_TOKEN_DAYS: Final = 30
"""Lifetime of a family of refresh tokens, days, from the sign-in; refreshing does not extend it."""

SESSION_LIFETIME: Final[Duration] = 30 * MINUTE
"""How long a signup session lasts from its last step."""

PROOF_LIFETIME: Final[Duration] = 10 * MINUTE
"""Of a signed proof: long enough to hand it to the backend of the next steps."""

AUDIT_DAYS: Final = 90
"""Days for which audit rows are kept: long enough to see a fraud that a bill tells of."""

SEND_ROW_DAYS: Final = 7
"""Days for which rows of sends are kept. The limits need a day; receipts come within a few. They
hold full numbers, so they go long before the audit does."""

NONCE_BYTES: Final = 16
"""Random bytes of a challenge's private nonce."""

ID_BYTES: Final = 16
"""Random bytes of a public id: 128 bits, not to be guessed."""


@attrs.frozen(kw_only=True)
class Policy:
    """
    The numbers that govern the challenges of one purpose.

    Attributes:
        digits: Decimal digits of a code, 4 to 10.
        lifetime: From issue to expiry; the expiry itself is outside. At most ten minutes.
        max_attempts: Guesses judged per challenge, at least 1.
        cooldown: Least time between two asks of one slot; 0 switches it off.
        failures: Windows of failed guesses; where one is full, the slot is locked until it lets go.
        max_run: Failures in a row that lock until an operator unlocks; 0 switches it off.
        contact_sends: Sends to one contact.
        client_sends: Sends from one client address.
        network_factor: How many times as many from its network; 0: any number.
    """

    digits: int = CODE_DIGITS
    lifetime: Duration = LOGIN_CODE_SECONDS * SECOND
    max_attempts: int = MAX_ATTEMPTS
    cooldown: Duration = RESEND_COOLDOWN_SECONDS * SECOND
    failures: tuple[Quota, ...] = (
        Quota(FAILED_GUESSES_PER_DAY, DAY),
        Quota(FAILED_GUESSES_PER_30_DAYS, 30 * DAY),
    )
    max_run: int = FAILED_GUESSES_IN_A_ROW
    contact_sends: Quota = Quota(PHONE_SENDS_PER_DAY, DAY)
    client_sends: tuple[Quota, ...] = (Quota(LOGIN_SENDS_PER_CLIENT_HOUR, HOUR),)
    network_factor: int = NETWORK_FACTOR


@attrs.frozen(kw_only=True)
class ClientLimits:
    """
    The limits on what is cheap and frequent, whatever its purpose.

    Attributes:
        checks: Presented codes from one client address.
        lookups: Pass look-ups from one client address; a miss is charged `MISS_WEIGHT` times.
        misses: Look-ups of everybody together that missed: the line from which on there is a scan.
        newcomer_misses: Misses of one client address that is not known, while there is a scan.
        unsent_asks: Asks from one client address while no sender would try.
        rejected: Requests from one client address that are good for nothing.
        known_for: How long a sign-in makes its client known.
        network_factor: How many times the limits of an address its network has; 0: no limits.
    """

    checks: Quota = Quota(CHECKS_PER_CLIENT_HOUR, HOUR)
    lookups: Quota = Quota(LOOKUPS_PER_CLIENT_HOUR, HOUR)
    misses: Quota = Quota(LOOKUP_MISSES_PER_HOUR, HOUR)
    newcomer_misses: Quota = Quota(NEWCOMER_MISSES_PER_HOUR, HOUR)
    unsent_asks: Quota = Quota(UNSENT_ASKS_PER_CLIENT_HOUR, HOUR)
    rejected: Quota = Quota(REJECTED_REQUESTS_PER_CLIENT_HOUR, HOUR)
    known_for: Duration = KNOWN_CLIENT_HOURS * HOUR
    network_factor: int = NETWORK_FACTOR

"""The `prices` command: docs/contract.md, section 10."""

from typing import Annotated

from cyclopts import App, Parameter

from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.prices import in_dollars
from hsp_otp.entrypoints.cli.guard_checks import age_flaw, flaws, phone_senders
from hsp_otp.entrypoints.errors import FAILED, OK, CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.prices import read_prices

prices = App(name="prices", help="Check a file of the prices of messages.")


@prices.command
def check(file: Annotated[str, Parameter(name="FILE")], /) -> int:
    """
    Check a file of prices against the senders and regions of the settings.

    Exit status 1 if a price is missing, if the file does not say when it was right, or if that was
    more than 180 days ago.

    Example: hsp-otp prices check prices.toml

    Args:
        file: A TOML file, as HSP_OTP_PRICES takes it.
    """
    try:
        found = read_prices(file)
    except ValueError as error:
        raise CommandError(f"{file!r} {error}") from None
    settings = load()
    for name, one in sorted(found.prices.senders.items()):
        count = len(one.regions)
        counted = f"{count} region{'' if count == 1 else 's'}"
        print(f"{name}: {counted}, and ${in_dollars(one.default)} for all others")
    senders, regions = phone_senders(settings), sorted(settings.signup_regions)
    wrong = [*filter(None, [age_flaw(found, SystemClock().now())])]
    wrong += flaws(found, senders, regions)
    for line in wrong:
        print(f"warning: {line}")
    if not wrong:
        print(f"complete for {', '.join(senders)}: {', '.join(regions)}")
    return FAILED if wrong else OK

"""The scenes: with and without an attack, and with the limits on sends alone."""

# ruff: noqa: INP001 - part of a script

from typing import Final

from bench.pumping.play import Outage, Scene
from bench.pumping.world import HOME_OPERATOR, Attack

from hsp_otp.domain.instant import DAY, HOUR, MINUTE
from hsp_otp.domain.purposes import Flow

_SLOWLY = Attack(every=3 * DAY, blocks=())
_HOME = Attack(region="IN", blocks=())

SCENES: Final[tuple[Scene, ...]] = (
    Scene(name="no attack, 5 % of people enter no code"),
    Scene(name="no attack, 12 %", gives_up=0.10),
    Scene(name="no attack, 22 %", gives_up=0.20),
    Scene(name="the first three days", before=0),
    Scene(name="the first three days, 22 %", before=0, gives_up=0.20),
    Scene(name="a launch: 5000 people in an hour", launch=5_000),
    Scene(name="an outage that loses half, with receipts", outage=Outage(has_receipts=True)),
    Scene(name="an outage that loses half, no receipts", outage=Outage()),
    Scene(name="50 people a day, 60 days", people=50, before=0, days=60),
    Scene(name="50 people a day, 60 days, 22 %", people=50, before=0, days=60, gives_up=0.20),
    Scene(
        name="one operator, without the guard",
        attack=Attack(every=3 * MINUTE),
        guarded=False,
        before=0,
        days=1,
    ),
    Scene(name="one operator", attack=Attack()),
    Scene(name="one operator, ten times as fast", attack=Attack(every=3 * MINUTE), days=1),
    Scene(name="one operator, 22 %", attack=Attack(), gives_up=0.20),
    Scene(name="one operator, in the first three days", attack=Attack(), before=0),
    Scene(name="one operator, new addresses", attack=Attack(addresses=None)),
    Scene(name="one operator, networks of their own", attack=Attack(among_people=False)),
    Scene(
        name="one range, 20 addresses",
        attack=Attack(addresses=20, blocks=(1,), ranges=1, every=3 * MINUTE, among_people=False),
    ),
    Scene(
        name="one operator, 20 days, 2000 people a day",
        attack=Attack(every=2 * HOUR),
        people=2_000,
        days=20,
    ),
    Scene(
        name="a whole country slowly, 20 days, 2000 people",
        attack=_SLOWLY,
        people=2_000,
        days=20,
    ),
    Scene(name="an operator at home", attack=Attack(region="IN", blocks=HOME_OPERATOR)),
    Scene(name="all of the home country", attack=_HOME),
    Scene(
        name="all of the home country, new addresses",
        attack=Attack(region="IN", blocks=(), addresses=None),
    ),
    Scene(
        name="pass login, 20 000 leaked passes",
        attack=Attack(
            region="IN", blocks=(), flow=Flow.PASS_LOGIN, numbers=20_000, every=12 * MINUTE
        ),
        people=1_000,
        before=0,
        days=1,
    ),
    Scene(name="a ring that enters 30 %", attack=Attack(verifies=0.30)),
    Scene(name="a ring that enters 60 %", attack=Attack(verifies=0.60)),
    Scene(name="a ring that enters 95 %", attack=Attack(verifies=0.95)),
    Scene(
        name="a ring that enters 95 %, crashes",
        attack=Attack(verifies=0.95),
        processes=4,
        crashes=True,
        before=1,
        days=2,
    ),
)

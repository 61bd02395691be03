"""Providers hang, fail, break off, limit and refuse: docs/contract.md, 5.6 and 7."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import attrs
import pytest

from tests import gateway
from tests.faults.site import Fault, Site, open_site


def take_and_break_off(handler: gateway.Handler, form: gateway.Form) -> None:
    """Take the message, and break the connection off."""
    handler.house.take(form)
    gateway.reset(handler, form)


FIRST: Final[dict[str, gateway.Behaviour]] = {
    "hangs": gateway.hang,
    "takes it and fails": gateway.fail_after_accepting,
    "breaks off": gateway.reset,
    "limits": gateway.limit,
    "refuses for fraud": gateway.refuse_number(),
}

ALL: Final[dict[str, gateway.Behaviour]] = {
    "hangs": gateway.hang,
    "takes it and fails": gateway.fail_after_accepting,
    "takes it and breaks off": take_and_break_off,
    "talks rubbish": gateway.rubbish(b"<html>"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two providers, tried in turn."""
    with ExitStack() as stack:
        found = open_site(
            stack, tmp_path_factory.mktemp("two"), providers=("vonage", "twilio"), WORKERS="1"
        )
        yield found
        found.hold_secrets()


@attrs.frozen
class Trouble:
    """Some of the providers of a site behave in a way."""

    site: Site
    names: tuple[str, ...]

    def begin(self, behaviour: gateway.Behaviour) -> Callable[[], None]:
        """From now on."""

        def begin() -> None:
            for name in self.names:
                self.site.street.gateways[name].behaviour = behaviour

        return begin

    def end(self) -> None:
        """All is well, and nobody remembers: circuits would be open for 15 s."""
        self.begin(gateway.accept)()
        refresh(self.site)


def refresh(site: Site) -> None:
    """A new server instead of the one there was."""
    (before,) = site.servers
    site.begin()
    site.stop(before)


def in_trouble(site: Site, names: tuple[str, ...], behaviour: gateway.Behaviour) -> None:
    """A round in which providers of those names behave like that."""
    trouble = Trouble(site, names)
    site.round(Fault(breaks=trouble.begin(behaviour), mends=trouble.end, lasts=1, refuses=False))


@pytest.mark.parametrize("name", FIRST)
def test_the_first_provider_is_in_trouble(site: Site, name: str, number: int) -> None:
    """The next one is given the same code, once; a refusal of the number is final."""
    del number
    in_trouble(site, ("vonage",), FIRST[name])
    asked = {ask.error for ask in site.street.history.asks}
    assert ("sms_failed" in asked) is (name == "refuses for fraud")


@pytest.mark.parametrize("name", ALL)
def test_every_provider_is_in_trouble(site: Site, name: str, number: int) -> None:
    """No code of an ask that failed ever succeeds, whether or not its message went out."""
    del number
    in_trouble(site, ("vonage", "twilio"), ALL[name])
    failed = [code for code in site.street.history.codes() if code.ask.error == "sms_failed"]
    assert bool(failed) is name.startswith("takes it")

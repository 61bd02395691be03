"""One service for all tests, and two that cannot do their work."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.production import by
from tests.gateway import Gateway, break_down
from tests.integration.redis_server import RedisServer
from tests.sdks.shop import Backend, Site

SECRET: Final = slice(40, 83)
"""Of an API key: its secret part."""

NUMBERS: Final = re.compile(r"9876[45]\d{5}")
"""Of the people that are verified."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service whose clock tests turn; at the end, its log has no key and no number."""
    found = Site.start(tmp_path_factory.mktemp("site"))
    with found.server:
        yield found
    log = found.server.errors
    assert "VerificationCheck" in log
    assert [name for name, key in found.keys.items() if key[SECRET] in log] == []
    assert NUMBERS.findall(log) == []


@pytest.fixture
def backend(site: Site) -> Backend:
    """A backend with the key of its account, and a person whom nobody has verified yet."""
    return site.backend()


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service whose only provider takes no message."""
    with Gateway() as gateway:
        gateway.behaviour = break_down
        found = Site.start(tmp_path_factory.mktemp("broken"), **by(twilio=gateway))
        try:
            yield found
        finally:
            found.server.kill()


@pytest.fixture(scope="session")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service whose store of challenges has gone."""
    redis = RedisServer.start()
    try:
        settings = {"REDIS_URL": redis.url, "CHALLENGE_STORE": "redis"}
        found = Site.start(tmp_path_factory.mktemp("away"), **settings)
        try:
            redis.kill()
            yield found
        finally:
            found.server.kill()
    finally:
        redis.stop()


@pytest.fixture(scope="session")
def sites(site: Site, broken: Site, away: Site) -> dict[str, Site]:
    """All of them, by their names in the table of refusals."""
    return {"site": site, "broken": broken, "away": away}

"""Apps: importing them, and finding the one that a request is for."""

from collections.abc import Sequence

import attrs

from hsp_otp.domain.api_keys import ApiKey
from hsp_otp.domain.app_changes import AppsImported, Conflicting, ListedApp, Tenants, import_listed
from hsp_otp.domain.apps import App
from hsp_otp.domain.decision import Decision
from hsp_otp.flows.caller import new_id
from hsp_otp.ports.apps import AppRegister, AppRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.randomness import Randomness


@attrs.frozen
class Apps:
    """Finds the apps that API keys act for."""

    apps: AppRepository

    async def of_key(self, key: ApiKey) -> dict[str, App]:
        """
        The apps that *key* acts for, by their ids.

        Raises:
            Unavailable: The database did not answer.
        """
        if key.app_id is not None:
            found = await self.apps.find(key.app_id)
            return {} if found is None else {found.id: found}
        if key.account_id is not None:
            return {one.id: one for one in await self.apps.of_account(key.account_id)}
        return {}


async def import_apps(
    register: AppRegister, listed: Sequence[ListedApp], *, clock: Clock, randomness: Randomness
) -> AppsImported | Conflicting:
    """
    Store the apps of a file and their accounts, for an operator.

    Raises:
        Unavailable: The database did not answer; the apps may have been stored, and the import may
            be repeated.
    """
    new_ids = [(new_id(randomness), new_id(randomness)) for _ in listed]
    now = clock.now()

    def decide(held: Tenants) -> Decision[Tenants, AppsImported | Conflicting]:
        return import_listed(held, listed, new_ids, now)

    return await register.transition(decide)

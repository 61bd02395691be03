"""The groups that a message is owed by, each with the key of its ledger."""

from hsp_otp.domain.guard import Group, LedgerKey, block_of
from hsp_otp.domain.names import ClientAddress


def ledger_keys(account: str, client: ClientAddress | None, range_: str) -> tuple[LedgerKey, ...]:
    """
    The ledgers that a message to a number of *range_* is owed in.

    Args:
        account: A flow, or an app: none uses up what another may owe.
        client: None if nobody knows who asked.
    """
    where = (
        LedgerKey(Group.RANGE, f"{account} {range_}"),
        LedgerKey(Group.BLOCK, f"{account} {block_of(range_)}"),
    )
    if client is None:
        return where
    network = LedgerKey(Group.NETWORK, f"{account} {client.network}")
    if client.network == client.value:
        return (network, *where)
    return (LedgerKey(Group.ADDRESS, f"{account} {client.value}"), network, *where)

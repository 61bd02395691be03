"""The accounts of named operators, in a file with scrypt hashes of their passwords."""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from hsp_otp.domain.operator_sessions import read_name
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.operator_accounts import Account

_HASHED: Final = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,2})"
    r"\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"
)
"""As in PHC strings: parameters, salt and digest, in base64 without padding."""

_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 32

_MOST_MEMORY: Final = 256 * 2**20
_LEAST_MEMORY: Final = 8 * 2**20
_LEAST_WORK: Final = 80 * 2**20
"""In bytes; the least that OWASP's Password Storage Cheat Sheet recommends for scrypt."""


@attrs.frozen
class _Cost:
    """
    The parameters of a hash; by default 32 MiB, and a third of a second.

    Attributes:
        log_n: The binary logarithm of N.
    """

    log_n: int = 15
    block: int = 8
    passes: int = 3

    @property
    def memory(self) -> int:
        """The bytes of memory that it takes."""
        return 128 * self.block << self.log_n

    @property
    def work(self) -> int:
        """The bytes that it goes through."""
        return self.memory * self.passes

    def digest(self, password: str, salt: bytes) -> bytes:
        """Compute the digest of *password*."""
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"),
            salt=salt,
            n=1 << self.log_n,
            r=self.block,
            p=self.passes,
            maxmem=2 * _MOST_MEMORY,
            dklen=_DIGEST_BYTES,
        )


class FileOperatorAccounts:
    """The accounts in a file, which is read anew each time, so that changes take effect at once."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def find(self, name: str) -> Account:
        """Implement `OperatorAccounts.find`."""
        try:
            accounts = await asyncio.to_thread(read_accounts, self._file)
        except (OSError, ValueError) as error:
            raise Unavailable("the operators' accounts cannot be read") from error
        return accounts.get(name.strip().lower()) or _decoy(accounts)

    async def opens(self, account: Account, password: str) -> bool:
        """Implement `OperatorAccounts.opens`."""
        return await asyncio.to_thread(_opens, account, password)


def read_accounts(file: Path) -> dict[str, Account]:
    """
    Read the accounts, by name.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a file of accounts; the message repeats nothing from it.
    """
    accounts: dict[str, Account] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        name, _, hashed = line.decode("ascii", "replace").partition(":")
        if not _is_name(name) or name in accounts or not _is_hash(hashed):
            raise ValueError(f"line {number} is not a new name, a colon and an scrypt hash")
        accounts[name] = _account(name, hashed)
    return accounts


def text_of(accounts: Mapping[str, Account]) -> str:
    """Return the content of a file with *accounts*."""
    return "".join(f"{name}:{account.hashed}\n" for name, account in sorted(accounts.items()))


def new_account(name: str, password: str) -> Account:
    """Make the account of an operator."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _account(name, _hashed(_Cost(), salt, _Cost().digest(password, salt)))


def is_weak(account: Account) -> bool:
    """Whether guessing its password from the file would take too little work."""
    cost, _, _ = _parts(account.hashed)
    return cost.work < _LEAST_WORK or cost.memory < _LEAST_MEMORY


def _opens(account: Account, password: str) -> bool:
    cost, salt, digest = _parts(account.hashed)
    return hmac.compare_digest(cost.digest(password, salt), digest)


def _decoy(accounts: Mapping[str, Account]) -> Account:
    """Make an account that costs as much as the dearest one, with a random digest."""
    costs = [_parts(account.hashed)[0] for account in accounts.values()]
    cost = max(costs, key=lambda one: one.work, default=_Cost())
    salt, digest = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_DIGEST_BYTES)
    return attrs.evolve(_account("", _hashed(cost, salt, digest)), exists=False)


def _account(name: str, hashed: str) -> Account:
    # The hash contains random bytes, so its digest reveals nothing about it.
    version = hashlib.sha256(hashed.encode()).hexdigest()[:32]
    return Account(name=name, hashed=hashed, version=version)


def _is_name(text: str) -> bool:
    try:
        return read_name(text) == text
    except ValueError:
        return False


def _is_hash(text: str) -> bool:
    if not _HASHED.fullmatch(text):
        return False
    cost, _, _ = _parts(text)
    return cost.log_n > 0 and cost.work > 0 and cost.memory <= _MOST_MEMORY


def _parts(hashed: str) -> tuple[_Cost, bytes, bytes]:
    _, _, parameters, salt, digest = hashed.split("$")
    cost = _Cost(*(int(one.partition("=")[2]) for one in parameters.split(",")))
    return cost, _decoded(salt), _decoded(digest)


def _hashed(cost: _Cost, salt: bytes, digest: bytes) -> str:
    parameters = f"ln={cost.log_n},r={cost.block},p={cost.passes}"
    return f"$scrypt${parameters}${_encoded(salt)}${_encoded(digest)}"


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))

"""The file of the operators' accounts: docs/contract.md, 5.7."""

import asyncio
from pathlib import Path

import pytest

from hsp_otp.adapters.operator_accounts import (
    FileOperatorAccounts,
    is_weak,
    new_account,
    read_accounts,
    text_of,
)
from hsp_otp.ports.failures import Unavailable

PASSWORD = "correct horse battery staple"

LIGHT = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$S6Nb1dqWf3h+ysrvo9s7oPHmF4yGQYGkZ0kXDBgM0wY"
"""A hash that takes a hundredth of a second less than a new one; of no known password."""


def hashed(ln: int, r: int, p: int) -> str:
    """A hash with these parameters."""
    return LIGHT.replace("ln=4,r=8,p=1", f"ln={ln},r={r},p={p}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the accounts are."""
    return tmp_path / "operators"


def test_a_new_account(file: Path) -> None:
    """It is opened by its own password alone, and neither file nor repr shows the password."""
    account = new_account("asha", PASSWORD)
    file.write_text(text_of({"asha": account}))
    accounts = FileOperatorAccounts(file)

    async def look() -> list[bool]:
        found = await accounts.find(" Asha ")
        assert found == account
        return [await accounts.opens(found, one) for one in (PASSWORD, PASSWORD + " ", "\ud800é")]

    assert asyncio.run(look()) == [True, False, False]
    assert PASSWORD not in file.read_text()
    assert account.hashed not in repr(account)
    assert not is_weak(account)
    assert new_account("asha", PASSWORD).version != account.version


def test_an_unknown_name_costs_as_much(file: Path) -> None:
    """A decoy has the parameters of the dearest account, and another salt each time."""
    file.write_text(f"asha:{hashed(4, 8, 1)}\nravi:{hashed(6, 8, 2)}\n")
    accounts = FileOperatorAccounts(file)
    decoys = [asyncio.run(accounts.find(name)) for name in ("nobody", "nobody", "")]
    assert {(one.exists, one.hashed.split("$")[2]) for one in decoys} == {(False, "ln=6,r=8,p=2")}
    assert len({one.hashed for one in decoys}) == 3
    assert not asyncio.run(accounts.opens(decoys[0], PASSWORD))
    file.write_text("")
    assert asyncio.run(accounts.find("asha")).hashed.split("$")[2] == "ln=15,r=8,p=3"


def test_changes_take_effect_at_once(file: Path) -> None:
    """What is in the file counts the next time that somebody asks."""
    file.write_text(f"asha:{LIGHT}\n\n")
    accounts = FileOperatorAccounts(file)
    assert asyncio.run(accounts.find("asha")).exists
    file.write_text(f"ravi:{LIGHT}\n")
    assert not asyncio.run(accounts.find("asha")).exists
    file.unlink()
    with pytest.raises(Unavailable):
        asyncio.run(accounts.find("ravi"))


@pytest.mark.parametrize(
    "line",
    [
        PASSWORD,
        f"asha:{PASSWORD}",
        f"Asha:{LIGHT}",
        f":{LIGHT}",
        f"ravi:{LIGHT}x",
        f"ravi:{hashed(0, 8, 1)}",
        f"ravi:{hashed(4, 0, 1)}",
        f"ravi:{hashed(4, 8, 0)}",
        f"ravi:{hashed(20, 8, 1)}",
        "ravi:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
        f"räv:{LIGHT}",
        f"asha:{LIGHT}",
    ],
)
def test_a_file_of_something_else(file: Path, line: str) -> None:
    """It is refused by the number of its line, without repeating anything from it."""
    file.write_text(f"asha:{LIGHT}\n{line}\n")
    with pytest.raises(ValueError, match="line 2 is not a new name, a colon and an scrypt hash"):
        read_accounts(file)
    with pytest.raises(Unavailable):
        asyncio.run(FileOperatorAccounts(file).find("asha"))


@pytest.mark.parametrize(
    ("ln", "r", "p", "weak"),
    [
        (17, 8, 1, False),
        (14, 8, 5, False),
        (14, 8, 4, True),
        (13, 8, 10, False),
        (12, 8, 20, True),
        (4, 8, 1, True),
    ],
)
def test_weak_parameters(file: Path, ln: int, r: int, p: int, weak: bool) -> None:  # noqa: FBT001
    """Less than OWASP's least, in all or in memory, is weak."""
    file.write_text(f"asha:{hashed(ln, r, p)}\n")
    assert is_weak(read_accounts(file)["asha"]) is weak

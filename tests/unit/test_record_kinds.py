"""The kinds of records, from which stores, purging and erasing follow."""

import ast
from pathlib import Path

import pytest

from hsp_otp.adapters.sql import record_kinds, stores
from hsp_otp.adapters.sql.record_kinds import RECORD_KINDS, RecordKind
from hsp_otp.domain.phone import PhoneNumber
from tests.world import PHONE

DEFINED = {name: one for name, one in vars(record_kinds).items() if isinstance(one, RecordKind)}


def test_every_kind_that_is_defined_is_in_the_table() -> None:
    """None is forgotten by the purge, and none by erasing."""
    assert len(DEFINED) == len(RECORD_KINDS)
    assert all(any(one is kind for kind in RECORD_KINDS) for one in DEFINED.values())
    assert len({kind.name for kind in RECORD_KINDS}) == len(RECORD_KINDS)


def test_stores_name_no_record_by_hand() -> None:
    """Each key that they use is made by its kind."""
    tree = ast.parse(Path(stores.__file__).read_text("utf-8"))
    names = {kind.name for kind in RECORD_KINDS}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert not [one for one in texts if isinstance(one, str) and one.partition(":")[0] in names]
    assert all(f"{name}" in Path(stores.__file__).read_text("utf-8") for name in DEFINED)


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.name)
def test_keys_tell_the_kind(kind: RecordKind[object]) -> None:
    """What stands before the colon."""
    assert kind.key("x") == f"{kind.name}:x"


def test_which_kinds_tell_of_people() -> None:
    """Of the others the key says whom they are about, or a limit counts them."""
    about = {kind.name for kind in RECORD_KINDS if kind.about((), PhoneNumber(PHONE)) is not None}
    assert about == {"family", "signup"}

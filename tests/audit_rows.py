"""Audit rows, made of what is known of a request and of its outcome at once."""

from typing import Any, Final

import attrs

from hsp_otp.domain.audit import AuditFacts, AuditRow

_OF_ROW: Final = {field.name for field in attrs.fields(AuditRow)}


def row_of(**known: Any) -> AuditRow:  # noqa: ANN401 - of `AuditRow` and `AuditFacts`
    """A row with these members, whether they are its own or those of its facts."""
    own = {name: known.pop(name) for name in _OF_ROW & known.keys()}
    return AuditRow(facts=AuditFacts(**known), **own)


def evolved(row: AuditRow, **known: Any) -> AuditRow:  # noqa: ANN401 - as above
    """*row* with other members, whether they are its own or those of its facts."""
    own = {name: known.pop(name) for name in _OF_ROW & known.keys()}
    return attrs.evolve(row, facts=attrs.evolve(row.facts, **known), **own)

"""The repository of refresh token families."""

from typing import TypeAlias

from hsp_otp.domain.refresh_tokens import Family
from hsp_otp.ports.records import Records

FamilyRepository: TypeAlias = Records[str, Family]
"""Families by their ids, in the SQL database, whichever store holds the challenges."""

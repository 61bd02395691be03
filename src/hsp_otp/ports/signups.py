"""The repositories of signup."""

from typing import TypeAlias

from hsp_otp.domain.names import SessionId
from hsp_otp.domain.signup import SignupSession, SignupStep
from hsp_otp.ports.records import Records

SignupSessions: TypeAlias = Records[SessionId, SignupSession]
"""Signup sessions by their ids, in the same store as the challenges."""

SignupSteps: TypeAlias = Records[str, SignupStep]
"""The steps that challenges led to, by the challenges' ids, in the SQL database, whichever store
holds the challenges."""

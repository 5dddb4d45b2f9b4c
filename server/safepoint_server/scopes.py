"""The scopes of tokens; here, so that settings are read without loading the protocol."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["EVERYTHING", "Scope"]


class Scope(StrEnum):
    """What a caller may do. None of them includes another.

    READ: see what workspaces hold. WRITE: change them. APPROVE: answer questions to people in a
    dialog of the client. ADMIN: what belongs to the operator, such as metrics.
    """

    READ = "read"
    WRITE = "write"
    APPROVE = "approve"
    ADMIN = "admin"


EVERYTHING: Final = frozenset(Scope)

"""What one caller may do, and on which store: decided anew for every call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from mcp.server.mcpserver import Context

from safepoint import Store

__all__ = ["EVERYTHING", "Access", "Door", "OneStore", "Scope"]


class Scope(StrEnum):
    """What a caller may do. None of them includes another."""

    READ = "read"
    WRITE = "write"
    APPROVE = "approve"
    ADMIN = "admin"


EVERYTHING: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Access:
    """One caller's rights. `principal` names whom the caller's credentials stand for; it is empty
    where whoever reaches the server may use all of it."""

    store: Store
    principal: str = ""
    scopes: frozenset[Scope] = EVERYTHING


class Door(Protocol):
    """Decides who comes in."""

    async def admit(self, context: Context[Any, Any]) -> Access:
        """The access of whoever made this call.

        Raises:
            SafepointError: none, and why.
        """


@dataclass(frozen=True, slots=True)
class OneStore:
    """See Door. Everybody may do everything on one store: who starts a server on its pipes, or
    reaches one that listens on this machine alone, is its user."""

    store: Store

    async def admit(self, context: Context[Any, Any]) -> Access:
        return Access(self.store)

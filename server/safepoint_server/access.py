"""What one caller may do, and on which store: decided anew for every call."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Protocol

from mcp.server.mcpserver import Context

from safepoint import InvalidInput, Store
from safepoint.values import dataclass
from safepoint_server.scopes import EVERYTHING, Scope
from safepoint_server.visible import VisibleStore

__all__ = ["Access", "Door", "OneStore"]


@dataclass(frozen=True, slots=True)
class Access:
    """One caller's rights. `principal` names whom the caller's credentials stand for, and `by` is
    their kind; both are empty where whoever reaches the server may use all of it. `tenant` is whose
    store it is, None for the server's own."""

    store: VisibleStore
    principal: str = ""
    by: str = ""
    tenant: str | None = None
    scopes: frozenset[Scope] = EVERYTHING

    def require(self, scope: Scope, what: str) -> None:
        """Raises InvalidInput unless the caller may do `what`, which needs `scope`."""
        if scope not in self.scopes:
            has = ", ".join(one for one in Scope if one in self.scopes) or "none"
            raise InvalidInput(
                f"{what} needs the scope {scope}, and the token of this call has {has}",
                hint="Do what needs no other scope, or tell the user to ask the operator of this "
                "server for a token with it.",
                code="insufficient_scope",
            )


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
    _access: Access = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_access", Access(VisibleStore(self.store)))

    async def admit(self, context: Context[Any, Any]) -> Access:
        return self._access

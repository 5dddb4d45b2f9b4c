"""One call of a tool: the store, who calls, and what the log line will say about it."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from mcp.server.mcpserver import Context
from opentelemetry import trace

from safepoint import Actor, Workspace
from safepoint_server.access import Access
from safepoint_server.dialog import Dialog
from safepoint_server.names import check_workspace_name
from safepoint_server.paths import AllowedPaths
from safepoint_server.references import AllowedReferences
from safepoint_server.reporting import Report
from safepoint_server.scopes import Scope
from safepoint_server.visible import VisibleStore

__all__ = ["Call", "caller", "identify"]

MAX_CHARS: Final = 100


@dataclass(slots=True)
class Call:
    """What a tool's function gets besides its arguments. `dialog` is None where the client has
    none. `files` are those of this machine that may be used, `references` looks at what may be
    looked at, `report` tells the client how far the call is. `scope` is what it needs. `note`
    is for the log: names, numbers.
    """

    access: Access
    actor: Actor
    scope: Scope = Scope.READ
    dialog: Dialog | None = None
    files: AllowedPaths = field(default_factory=AllowedPaths)
    references: AllowedReferences | None = None
    report: Report | None = None
    note: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> VisibleStore:
        return self.access.store

    def workspace(self, name: str) -> Workspace:
        """The workspace of that name, written to as this caller.

        Raises:
            InvalidInput: the name may not be used, or not written to by this caller.
            NotFound: it is to be read, and not by this caller.
        """
        check_workspace_name(name)
        self.note["workspace"] = name
        if self.scope is not Scope.READ:
            self.store.check_inside(name)
        return self.store.workspace(name, actor=self.actor)

    def told(self) -> dict[str, Any]:
        """What the log line says: the note, and who called."""
        actor = f"{self.actor.name} {self.actor.version}".strip()
        who = {"actor": actor, "transport": self.actor.transport}
        access = self.access
        return {**self.note, **who, "principal": access.principal or None, "tenant": access.tenant}


def identify(request_id: object) -> dict[str, str]:
    """What tells this call from all others in logs: an id of its own, the id that its client gave
    it, and the trace that it belongs to, if it does."""
    identity = {"call": secrets.token_hex(8), "request": _clean(str(request_id))}
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        identity["trace"] = trace.format_trace_id(span.trace_id)
    return identity


def caller(context: Context[Any, Any], transport: str, access: Access) -> Actor:
    """Who made this call, on this host and process: the client, as it names itself, or else whom
    its credentials stand for, and then the client is the program that they used."""
    params = context.session.client_params
    info = params.client_info if params is not None else None
    name = _clean(info.name if info is not None else "") or "unknown client"
    version = _clean(info.version if info is not None else "")
    if access.principal:
        name, version = _clean(access.principal), f"{name} {version}".strip()
        transport = f"{transport}/{access.by}"
    return Actor(name, version, _host(), str(os.getpid()), transport)


@cache
def _host() -> str:
    return _clean(socket.gethostname())


def _clean(text: str) -> str:
    """A client may call itself anything: one short printable line is kept of it."""
    return (text if text.isprintable() else "".join(filter(str.isprintable, text)))[:MAX_CHARS]

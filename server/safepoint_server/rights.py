"""Asks the door at every message of the protocol: what a caller may not use is not shown either."""

from __future__ import annotations

from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_REQUEST

from safepoint import SafepointError
from safepoint_server.access import Access, Door
from safepoint_server.errors import refusal
from safepoint_server.scopes import Scope

__all__ = ["Rights"]

_FREE: Final = frozenset(
    ("initialize", "ping", "server/discover", "logging/setLevel", "tools/list", "tools/call")
)
"""Tools ask for their own scope, so that the model reads why it is refused."""


class Rights:
    """Middleware of the server. Whatever a client asks for needs the scope `read`, unless it tells
    nothing of a store."""

    def __init__(self, door: Door, tools: dict[str, Scope]) -> None:
        self._door = door
        self._tools = tools

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        free = ctx.method in _FREE or ctx.method.startswith("notifications/")
        if free and ctx.method != "tools/list":
            return await call_next(ctx)
        try:
            access = await self._door.admit(Context(request_context=ctx))
            if not free:
                access.require(Scope.READ, ctx.method)
        except SafepointError as error:
            raise MCPError(INVALID_REQUEST, str(refusal(error))) from None
        result = await call_next(ctx)
        if ctx.method == "tools/list" and isinstance(result, dict):
            offered = [tool for tool in result["tools"] if self._offers(tool, access)]
            return {**result, "tools": offered}
        return result

    def _offers(self, tool: dict[str, Any], access: Access) -> bool:
        return self._tools.get(tool["name"]) in access.scopes

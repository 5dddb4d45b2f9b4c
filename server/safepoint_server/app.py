"""Wires the server together and runs it over stdio until the client leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import anyio
from mcp.server import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from mcp_types.version import MODERN_PROTOCOL_VERSIONS as MODERN
from pydantic import ValidationError

from safepoint import Actor, Observer, Store
from safepoint._version import __version__
from safepoint_server import stdio
from safepoint_server.access import Door, OneStore
from safepoint_server.dialog import Dialog
from safepoint_server.errors import unexpected
from safepoint_server.instructions import INSTRUCTIONS
from safepoint_server.logs import configure
from safepoint_server.paths import AllowedPaths
from safepoint_server.protocol import ProtocolServer
from safepoint_server.references import AllowedReferences, below
from safepoint_server.rights import Rights
from safepoint_server.scopes import Scope
from safepoint_server.settings import Settings
from safepoint_server.states import Principal, anybody, request_states
from safepoint_server.telemetry.spans import Spans
from safepoint_server.tools import specs
from safepoint_server.tools.call import Call, caller
from safepoint_server.tools.checked import CheckedTool

__all__ = ["create_server", "process_actor", "run_stdio", "run_until_done", "serve_stdio"]

logger = logging.getLogger(__name__)

FRESH_MS = 3_600_000
DIALOG_SECONDS = 180.0
"""Hosts give up on a call after one to four minutes."""


def create_server(
    door: Door,
    store: Store,
    settings: Settings,
    *,
    transport: str = "memory",
    dialog_seconds: float = DIALOG_SECONDS,
    principal: Principal = anybody,
    observer: Observer | None = None,
) -> ProtocolServer:
    """The MCP server. Pure wiring: nothing is read, opened or started.

    `door` says of each call which store it is for; `store` is the one whose keys seal what clients
    carry between two calls. `transport` is what commits name as the way in which their caller came.
    `dialog_seconds` is how long a call waits for a person, where it has to. `principal` says whose
    a request is, where that can be told. `observer` is told of calls, besides what it is told by
    the store.
    """

    async def new_call(context: Context[Any, Any]) -> Call:
        access = await door.admit(context)
        asks = settings.elicitation and Scope.APPROVE in access.scopes
        return Call(
            access,
            caller(context, transport, access),
            dialog=Dialog.of(context, dialog_seconds) if asks else None,
            files=files,
            references=outside,
            report=context.report_progress,
        )

    chosen = specs(settings.toolsets)
    rights = Rights(door, {spec.name: spec.scope for spec in chosen})
    files = AllowedPaths(settings.allowed_paths)
    outside = AllowedReferences(below(files), settings.allowed_s3)
    return ProtocolServer(
        new_call,
        watch_seconds=settings.watch_seconds,
        pushes=transport != "http",
        observer=observer,
        title="Safepoint",
        version=__version__,
        instructions=INSTRUCTIONS,
        tools=[CheckedTool.of(spec, new_call, observer) for spec in chosen],
        cache_hints={
            "tools/list": CacheHint(ttl_ms=FRESH_MS, scope="private"),
            "server/discover": CacheHint(ttl_ms=FRESH_MS, scope="public"),
        },
        middleware=[_hide_unexpected, rights, _refuse_odd_arguments],
        request_state_security=request_states(store, principal),
    )


async def _hide_unexpected(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """What a bug says of itself may hold data, and the SDK would put it into its span."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception as error:
        incident = secrets.token_hex(8)
        logger.error("incident %s in %s", incident, ctx.method, exc_info=error)
        raise MCPError(INTERNAL_ERROR, str(unexpected(incident))) from None


async def _refuse_odd_arguments(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Arguments that are not an object are told to the model, not only to its client."""
    arguments = (ctx.params or {}).get("arguments")
    if ctx.method == "tools/call" and not isinstance(arguments, dict | None):
        text = "The arguments are not a JSON object. Call again with one. [invalid_arguments]"
        complete = {"resultType": "complete"} if ctx.protocol_version in MODERN else {}
        return {"content": [{"type": "text", "text": text}], "isError": True, **complete}
    return await call_next(ctx)


async def serve_stdio(settings: Settings) -> None:
    """Open the store and serve MCP on stdin and stdout until the client leaves or SIGTERM.

    Raises:
        SafepointError: the store cannot be opened; nothing was served.
    """
    spans = Spans.if_wanted()
    async with settings.open_store(process_actor("stdio"), observer=spans) as store:
        logger.info("serving", extra={"safepoint": {"store": store.url, "transport": "stdio"}})
        server = create_server(OneStore(store), store, settings, transport="stdio", observer=spans)
        with anyio.CancelScope() as scope:
            if sys.platform != "win32":
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, scope.cancel)
            await stdio.serve(server, settings.max_request_bytes)


def process_actor(transport: str) -> Actor:
    """What this process does by itself, outside of any call, is attributed to it."""
    return Actor("safepoint", __version__, socket.gethostname(), str(os.getpid()), transport)


def run_stdio(settings: Settings) -> int:
    """Serve as `serve_stdio` does, with logging set up; the exit code, which is 0.

    Raises:
        SafepointError: the store cannot be opened; nothing was served.
    """
    return run_until_done(settings, lambda: asyncio.run(serve_stdio(settings)))


def run_until_done(settings: Settings, serve: Callable[[], None]) -> int:
    """`serve`, with logging set up and what is odd about the settings logged; 0 when it is over."""
    configure(settings.log, settings.log_format)
    for warning in settings.warnings:
        logger.warning(warning)
    serve()
    return 0

"""Serves MCP on stdin and stdout with limits: no line hangs a client or fills the memory."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, Protocol, cast

import anyio
import mcp_types as types
from mcp.server import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from safepoint_server.pipes import Outlet, chunks, claimed_stdout
from safepoint_server.wire import Line, Lines, Refused, answer, parse

__all__ = ["serve"]

logger = logging.getLogger(__name__)

LARGE_LINE: Final = 256 * 1024


class _Outlet(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


async def serve(server: MCPServer[Any], max_request_bytes: int) -> None:
    """Serve one client until it closes stdin. stdout belongs to the protocol meanwhile."""
    # The SDK's transport writes replies; its reader gets nothing to read. Writing by itself it
    # takes two threads for each reply, which on Windows nothing can spare it.
    nothing = cast(anyio.AsyncFile[str], _Nothing())
    async with AsyncExitStack() as leaving:
        stdout = None
        if sys.platform != "win32":
            wire = leaving.enter_context(claimed_stdout())
            stdout = cast(anyio.AsyncFile[str], Outlet(wire))
        unused, outlet = await leaving.enter_async_context(stdio_server(nothing, stdout))
        await unused.aclose()
        into, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        lowlevel = server._lowlevel_server  # as MCPServer.run_stdio_async does
        async with anyio.create_task_group() as tasks:
            async with messages:
                tasks.start_soon(_pump, into, outlet, max_request_bytes)
                await lowlevel.run(messages, outlet, lowlevel.create_initialization_options())
            tasks.cancel_scope.cancel()


class _Nothing:
    """An input that has ended."""

    def __aiter__(self) -> _Nothing:
        return self

    async def __anext__(self) -> str:
        raise StopAsyncIteration


async def _pump(
    into: anyio.streams.memory.MemoryObjectSendStream[SessionMessage | Exception],
    outlet: _Outlet,
    max_bytes: int,
) -> None:
    """Hand every message on stdin to the server, and answer every line that is none."""
    lines = Lines(max_bytes)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with into:
            async for chunk in chunks(0):
                for line in lines.feed(chunk):
                    message = await _message(line, max_bytes, outlet)
                    if message is not None:
                        await into.send(SessionMessage(message))


async def _message(line: Line, max_bytes: int, outlet: _Outlet) -> types.JSONRPCMessage | None:
    try:
        if not line.whole:
            raise Refused(
                types.INVALID_REQUEST,
                f"The message has {line.size} bytes, and this server reads at most {max_bytes} "
                "(SAFEPOINT_MAX_REQUEST_BYTES). Save less at once, for example with merge=true.",
            )
        if len(line.head) > LARGE_LINE:
            return await asyncio.to_thread(parse, line.head)
        return parse(line.head)
    except Refused as refused:
        logger.warning("refused a message", extra={"safepoint": {"reason": refused.text}})
        reply = answer(line, refused)
        if reply is not None:
            await outlet.send(SessionMessage(reply))
        return None

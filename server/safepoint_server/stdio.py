"""Serves MCP on stdin and stdout with limits: no line hangs a client or fills the memory."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, Protocol, cast

import anyio
import mcp_types as types
from mcp.server import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from safepoint_server.wire import Line, Lines, Refused, answer, parse

__all__ = ["serve"]

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 64 * 1024
CHUNKS_AHEAD: Final = 16
LARGE_LINE: Final = 256 * 1024


class _Outlet(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


async def serve(server: MCPServer[Any], max_request_bytes: int) -> None:
    """Serve one client until it closes stdin. stdout belongs to the protocol meanwhile."""
    # The SDK's transport keeps stdout clean and writes to it; its reader gets nothing to read.
    nothing = cast(anyio.AsyncFile[str], _Nothing())
    async with stdio_server(stdin=nothing) as (unused, outlet):
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
            async for chunk in _stdin():
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


async def _stdin() -> AsyncIterator[bytes]:
    """Chunks of stdin as they arrive, read by a thread that never keeps the process alive."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_AHEAD)

    def read() -> None:
        chunk = b"-"
        while chunk:
            room.acquire()
            try:
                chunk = os.read(0, CHUNK_BYTES)
            except OSError:
                chunk = b""
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    threading.Thread(target=read, name="safepoint-stdin", daemon=True).start()
    while chunk := await chunks.get():
        room.release()
        yield chunk

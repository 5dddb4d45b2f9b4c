"""Agents on a server in memory or in a process, in both protocol eras, over every kind of store."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import Implementation

from safepoint import Store
from safepoint_server.access import OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings

HANG = 60
"""Seconds after which an answer that never comes fails the test."""


class Agent:
    """An MCP client that expects every reply to say the same in text and structure."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.last_bytes = 0
        """Size of the last reply, as the text that a model reads."""

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.client.call_tool(tool, arguments)
        text = result.content[0].text
        assert not result.is_error, text
        assert json.loads(text) == result.structured_content
        assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        self.last_bytes = len(text.encode())
        assert result.structured_content is not None
        return result.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        assert result.structured_content is None
        (content,) = result.content
        return content.text


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """How the client negotiates: the newest protocol, or the one with a handshake."""
    return request.param


@pytest.fixture(params=["memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else str(tmp_path / "store")


OnStore = Callable[..., AbstractAsyncContextManager[Agent]]


@pytest.fixture
def agent_on(era: str) -> OnStore:
    """An agent on an open store: `async with agent_on(store) as agent`."""

    @asynccontextmanager
    async def connect(
        store: Store,
        name: str = "tester",
        settings: Settings | None = None,
        person: Any = None,
        patience: float = HANG,
        hears: Any = None,
    ) -> AsyncIterator[Agent]:
        """`person` answers the dialogs that the client shows; it `hears` what it is told."""
        server = create_server(
            OneStore(store), store, settings or Settings.load({}), dialog_seconds=patience
        )
        info = Implementation(name=name, version="1.0")
        async with Client(
            server, mode=era, client_info=info, elicitation_callback=person, message_handler=hears
        ) as client:
            yield Agent(client)

    return connect


@pytest.fixture
async def agent(agent_on: OnStore, place: str) -> AsyncIterator[Agent]:
    """One agent on a fresh store."""
    async with Store.open(place) as store, agent_on(store) as connected:
        yield connected


@pytest.fixture
def process_agent(era: str, tmp_path: Path) -> OnStore:
    """An agent on a server process of its own, over the local store of this test."""

    @asynccontextmanager
    async def connect(
        *options: str, name: str = "tester", person: Any = None, hears: Any = None
    ) -> AsyncIterator[Agent]:
        with (tmp_path / "stderr").open("a") as errors:
            command = [sys.executable, "-m", "safepoint_server", "serve"]
            command += ["--store", str(tmp_path / "store"), *options]
            shell = ["-c", 'exec "$@" 2>>"$0"', errors.name, *command]
            parameters = StdioServerParameters(command="sh", args=shell, env=dict(os.environ))
            info = Implementation(name=name, version="1.0")
            async with Client(
                parameters,
                mode=era,
                client_info=info,
                elicitation_callback=person,
                message_handler=hears,
            ) as client:
                yield Agent(client)

    return connect


class RawServer:
    """A server process spoken to in bytes, for what no client would send."""

    META = json.dumps(
        {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    ).encode()

    def __init__(self, process: asyncio.subprocess.Process, era: str) -> None:
        self.process = process
        self._era = era
        self._ids = itertools.count(100)

    async def line(self, data: bytes) -> None:
        self.process.stdin.write(data + b"\n")
        await self.process.stdin.drain()

    async def reply(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.process.stdout.readline(), HANG)
        return json.loads(line)

    async def request(self, method: str, params: bytes = b"{}") -> dict[str, Any]:
        """Sends `params` as they are, and expects the answer to this very request."""
        number = next(self._ids)
        if self._era == "auto" and params.startswith(b"{"):
            rest = params[1:].lstrip()
            comma = b"" if rest.startswith(b"}") else b","
            params = b'{"_meta":' + self.META + comma + rest
        head = f'{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":'.encode()
        await self.line(head + params + b"}")
        reply = await self.reply()
        assert reply["id"] == number
        return reply

    async def call(self, tool: str, arguments: bytes) -> dict[str, Any]:
        params = f'{{"name":"{tool}","arguments":'.encode() + arguments + b"}"
        return await self.request("tools/call", params)

    async def begin(self) -> None:
        if self._era == "legacy":
            await self.request(
                "initialize",
                b'{"protocolVersion":"2025-06-18","capabilities":{},'
                b'"clientInfo":{"name":"raw","version":"1"}}',
            )
            await self.line(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


@pytest.fixture
def raw_server(era: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[RawServer]]:
    """`async with raw_server() as server`: its store is `store`, its log `stderr` in tmp_path."""

    @asynccontextmanager
    async def start(*options: str, **environ: str) -> AsyncIterator[RawServer]:
        with (tmp_path / "stderr").open("a") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "safepoint_server", "serve"),
                *("--store", str(tmp_path / "store"), *options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environ},
                limit=64 << 20,
            )
        server = RawServer(process, era)
        try:
            await server.begin()
            yield server
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), HANG) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return start

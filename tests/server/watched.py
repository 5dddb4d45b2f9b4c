"""A server process with everything that operators watch: logs, spans, and over HTTP metrics."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, StdioServerParameters
from mcp.types import Implementation
from tests.server.conftest import HANG

SPY = Implementation(name="spy", version="1")


class Watched:
    """`async with watched.serving() as client`, in `stdio` or over `http`; then what was heard."""

    def __init__(self, folder: Path, transport: str, *options: str, **environ: str) -> None:
        self.folder = folder
        self.transport = transport
        self.metrics = ""
        self.url = ""
        self._environ = {**os.environ, **environ}
        self._command = [
            *(sys.executable, str(Path(__file__).parent / "traced.py"), str(folder / "spans")),
            *("serve", "--store", str(folder / "store"), "--log-format", "json", *options),
        ]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        over = self._stdio() if self.transport == "stdio" else self._http()
        async with over as client:
            yield client

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def spans(self) -> str:
        return (self.folder / "spans").read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log that tell of calls."""
        lines = [json.loads(line) for line in self.log.splitlines()]
        return [line for line in lines if "outcome" in line]

    def traced(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.spans.splitlines()]

    async def scrape(self, query: str = "", **headers: str) -> str:
        async with httpx.AsyncClient() as client:
            address = self.url.removesuffix("/mcp") + "/metrics" + query
            reply = await client.get(address, headers=headers)
            assert reply.status_code == 200
            return reply.text

    @asynccontextmanager
    async def _stdio(self) -> AsyncIterator[Client]:
        shell = ["-c", 'exec "$@" 2>"$0"', str(self.folder / "log"), *self._command]
        parameters = StdioServerParameters(command="sh", args=shell, env=self._environ)
        async with Client(parameters, client_info=SPY) as client:
            yield client

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[Client]:
        process = await asyncio.create_subprocess_exec(
            *(*self._command, "--transport", "http", "--port", "0"),
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
        )
        try:
            log = await asyncio.wait_for(process.stderr.readuntil(b'"address": "'), HANG)
            address = await process.stderr.readuntil(b'"')
            following = asyncio.create_task(process.stderr.read())
            self.url = address.decode().rstrip('"')
            async with Client(self.url, client_info=SPY) as client:
                yield client
            process.terminate()
            assert await asyncio.wait_for(process.wait(), HANG) == 0
            (self.folder / "log").write_bytes(log + address + await following)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

"""An agent's line to the replicas: when one is gone, the same call is made to another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Literal

import httpx2
from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult, Implementation

from bench.soak.tally import Gate, Tally

__all__ = ["Era", "Line", "Refused"]

Era = Literal["auto", "legacy"]

_CALLS = 20
"""Of one connection; then another replica is called."""
_PATIENCE_SECONDS = 120.0
_AGAIN_SECONDS = 0.1
_PAUSE_SECONDS = 0.25


class Refused(Exception):
    """The tool answered with an error; the last word of it is the code."""

    @property
    def code(self) -> str:
        return str(self).rpartition("[")[2].rstrip("]")


class Line:
    """One call at a time. `serve` has to run beside its caller."""

    def __init__(
        self, name: str, era: Era, urls: Callable[[], list[str]], gate: Gate, tally: Tally
    ) -> None:
        self.name = name
        self._era = era
        self._urls = urls
        self._gate = gate
        self._tally = tally
        self._chance = Random(name)
        self._asked: asyncio.Queue[tuple[str, dict[str, Any], asyncio.Future[Any]]]
        self._asked = asyncio.Queue()

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What the tool answers, from whichever replica. Raises Refused."""
        await asyncio.sleep(self._chance.uniform(0.0, _PAUSE_SECONDS))
        async with self._gate:
            answer: asyncio.Future[CallToolResult] = asyncio.get_running_loop().create_future()
            self._asked.put_nowait((tool, arguments, answer))
            result = await answer
        self._tally.calls[tool] += 1
        if result.is_error:
            raise Refused(result.content[0].text)  # type: ignore[union-attr]
        found: dict[str, Any] = result.structured_content
        return found

    async def serve(self) -> None:
        """Connect, pass calls on, and connect anew, until cancelled."""
        about = Implementation(name=f"soak-{self.name}", version="1")
        asked = None
        while True:
            url = self._chance.choice(self._urls())
            try:
                async with Client(url, mode=self._era, client_info=about) as client:
                    self._tally.connections[self._era] += 1
                    for _ in range(_CALLS):
                        asked = asked or await self._asked.get()
                        tool, arguments, answer = asked
                        async with asyncio.timeout(_PATIENCE_SECONDS):
                            answer.set_result(await client.call_tool(tool, arguments))
                        asked = None
            except (ExceptionGroup, httpx2.TransportError, MCPError) as error:
                self._tally.cuts[_cut(error)] += 1
                await asyncio.sleep(_AGAIN_SECONDS)


def _cut(error: Exception) -> str:
    """The kind of a broken connection.

    Raises:
        Exception: it is not one.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    closed = isinstance(error, MCPError) and error.code == CONNECTION_CLOSED
    if closed or isinstance(error, httpx2.TransportError):
        return type(error).__name__
    raise error

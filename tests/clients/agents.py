"""Agents on real MCP clients of Python and TypeScript, asked in the words of the protocol."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp.types import ElicitResult, Implementation, PromptReference
from tests.clients.node import node_script

__all__ = [
    *("AUTO", "CLIENTS", "HANG", "LEGACY"),
    *("Agent", "ClientKind", "Person", "Target", "openai_server"),
]

AUTO = "2026-07-28"
LEGACY = "2025-11-25"

HANG = 120
"""Seconds after which an answer that never comes fails the test."""

Person = dict[str, Any]
"""What every dialog is answered: `action`, and `content` with it."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server to talk to: its address, or a command that starts it."""

    url: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """One connected client: the protocol it agreed on, and how it makes a request."""

    protocol: str
    ask: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ClientKind:
    """A client, what the server knows it as, and the protocol that it is to agree on."""

    connect: Callable[[Target, Person | None], AbstractAsyncContextManager[Agent]]
    name: str
    protocol: str
    dialogs: bool = True
    completions: bool = True


@asynccontextmanager
async def _typescript(
    sdk: int, era: str, target: Target, person: Person | None
) -> AsyncIterator[Agent]:
    """The program `typescript.cjs`, which makes the requests that it reads line by line."""
    options = {"sdk": sdk, "era": era, "url": target.url, "command": target.command}
    script = Path(__file__).with_name("typescript.cjs")
    command, environ = node_script(script, json.dumps({**options, "person": person}))
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def answer() -> dict[str, Any]:
        line = await asyncio.wait_for(process.stdout.readline(), HANG)
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        process.stdin.write(json.dumps({"method": method, "params": params}).encode() + b"\n")
        return (await answer())["result"]

    try:
        yield Agent((await answer())["protocol"], ask)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), HANG) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def _fastmcp(era: str, target: Target, person: Person | None) -> AsyncIterator[Agent]:
    async def enter(*_: Any) -> ElicitResult:
        return ElicitResult.model_validate(person)

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Callable[..., Awaitable[Any]]] = {
            "tools/list": client.list_tools_mcp,
            "tools/call": client.call_tool_mcp,
            "resources/list": client.list_resources_mcp,
            "resources/read": client.read_resource_mcp,
            "prompts/get": client.get_prompt_mcp,
            "completion/complete": client.complete_mcp,
        }
        if "ref" in params:
            params = {**params, "ref": PromptReference.model_validate(params["ref"])}
        return (await made[method](**params)).model_dump(mode="json", by_alias=True)

    transport: Any = target.url
    if target.command:
        command, *args = target.command
        transport = StdioTransport(command, args, env=dict(os.environ), keep_alive=False)
    async with Client(
        transport,
        mode=era,
        client_info=Implementation(name="fastmcp", version="1.0"),
        elicitation_handler=enter if person else None,
    ) as client:
        yield Agent(client.protocol_version, ask)


@asynccontextmanager
async def _openai_agents(target: Target, person: Person | None) -> AsyncIterator[Agent]:
    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Callable[..., Awaitable[Any]]] = {
            "tools/list": server.list_tools,
            "tools/call": lambda name, arguments: server.call_tool(name, arguments),
            "resources/list": server.list_resources,
            "resources/read": server.read_resource,
            "prompts/get": server.get_prompt,
        }
        result = await made[method](**params)
        if method == "tools/list":
            return {"tools": [tool.model_dump(mode="json", by_alias=True) for tool in result]}
        return result.model_dump(mode="json", by_alias=True)

    async with openai_server(target) as server:
        yield Agent(server.session.protocol_version, ask)


def openai_server(target: Target) -> MCPServerStdio | MCPServerStreamableHttp:
    """What the OpenAI Agents SDK calls an MCP server: its client of one."""
    if target.url:
        return MCPServerStreamableHttp({"url": target.url}, client_session_timeout_seconds=HANG)
    command, *args = target.command
    return MCPServerStdio(
        {"command": command, "args": args, "env": dict(os.environ)},
        client_session_timeout_seconds=HANG,
    )


CLIENTS = {
    "typescript-2-auto": ClientKind(partial(_typescript, 2, "auto"), "typescript", AUTO),
    "typescript-2-legacy": ClientKind(partial(_typescript, 2, "legacy"), "typescript", LEGACY),
    "typescript-1": ClientKind(partial(_typescript, 1, "legacy"), "typescript", LEGACY),
    "fastmcp-auto": ClientKind(partial(_fastmcp, "auto"), "fastmcp", AUTO),
    "fastmcp-legacy": ClientKind(partial(_fastmcp, "legacy"), "fastmcp", LEGACY),
    "openai-agents": ClientKind(_openai_agents, "mcp", AUTO, dialogs=False, completions=False),
}

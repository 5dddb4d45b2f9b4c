"""The loop of any agent, by MCP: one connection ends in the middle, the next one carries on.

    python examples/resume_mcp.py

It starts `safepoint serve` as Claude Desktop, Cursor or VS Code do, and calls the tools that a
model would call.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

from safepoint import Store

PASSPHRASE = "correct horse battery"
STEPS = ("collect", "decide", "publish")


@asynccontextmanager
async def connected(store: Path) -> AsyncIterator[Client]:
    """A new server process, and a client that speaks to it over its standard input and output."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "safepoint_server", "serve", "--store", str(store), "--log", "error"],
        env={"SAFEPOINT_PASSPHRASE": PASSPHRASE},
    )
    async with Client(server) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, {"workspace": "release", **arguments})
    assert not result.is_error, result.content
    reply: dict[str, Any] = result.structured_content
    return reply


async def first_agent(store: Path) -> None:
    """Plans, finishes one step, takes notes, and is gone without a word."""
    async with connected(store) as client:
        await call(client, "plan_steps", steps=[{"name": step} for step in STEPS], goal="Ship 2.0")
        started = await call(client, "start_step", step="collect")
        await call(
            client,
            "mark_step_done",
            step="collect",
            fencing_token=started["fencing_token"],
            result={"changes": 12},
            state={"changes": 12, "open": ["which number?"]},
        )
        await call(
            client,
            "save_checkpoint",
            state={"decided": "2.0"},
            merge=True,
            label="number chosen",
            next_action="Publish 2.0",
        )


async def second_agent(store: Path) -> dict[str, Any]:
    """Knows nothing but the name of the workspace."""
    async with connected(store) as client:
        loaded = await call(client, "load_checkpoint")
        print("next action:", loaded["next_action"])
        print("state:      ", loaded["state"])
        for step in STEPS:
            started = await call(client, "start_step", step=step)
            print(f"{started['decision']:<5}", step)
            if started["decision"] == "run":
                token = started["fencing_token"]
                await call(client, "mark_step_done", step=step, fencing_token=token, result="ok")
        return loaded


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "store"
        await first_agent(store)
        loaded = await second_agent(store)
        assert loaded["state"] == {"changes": 12, "open": ["which number?"], "decided": "2.0"}
        async with Store.open(store, passphrase=PASSPHRASE) as opened:  # look at it from outside
            steps = (await opened.workspace("release").steps()).items
            assert [(step.status, step.attempts) for step in steps] == [("done", 1)] * 3
    print("Resumed over a new connection, and every step done once.")


if __name__ == "__main__":
    asyncio.run(main())

"""Clients over HTTP go on when the process that served them is killed and another takes over."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.clients.agents import CLIENTS, Target
from tests.servers.process import ServerProcess, answers_http, free_ports

pytestmark = pytest.mark.anyio


async def test_connected_clients_do_not_notice_that_another_process_serves_them(
    stdio: Target, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    options = ("--transport", "http", "--port", str(port))
    process = ServerProcess([*stdio.command, *options], tmp_path / "log")
    ready = partial(answers_http, port, "/healthz")
    process.start(ready)
    try:
        async with AsyncExitStack() as connected:
            target = Target(f"http://127.0.0.1:{port}/mcp")
            agents = {
                name: await connected.enter_async_context(kind.connect(target, None))
                for name, kind in CLIENTS.items()
            }

            async def versions() -> set[int]:
                """All of them save; the versions that come of it."""
                saved = set()
                for name, agent in agents.items():
                    save = {"workspace": f"{name}-{port}", "state": {}}
                    asked = {"name": "save_checkpoint", "arguments": save}
                    reply = await agent.ask("tools/call", asked)
                    saved.add(reply["structuredContent"]["version"])
                return saved

            assert await versions() == {1}
            process.kill()
            process.start(ready)
            assert await versions() == {2}
    finally:
        process.kill()

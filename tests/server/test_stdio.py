"""The server as a process: it survives its clients, and its clients survive it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from mcp import MCPError

pytestmark = pytest.mark.anyio


async def test_an_agent_is_killed_and_another_finds_everything(process_agent) -> None:
    notes: list[str] = []
    for life in range(1, 4):
        async with process_agent(name=f"agent-{life}") as agent:
            if notes:
                loaded = await agent.call("load_checkpoint", workspace="job")
                assert loaded["state"] == {"notes": notes}
                assert loaded["saved_by"]["name"] == f"agent-{life - 1}"
                assert loaded["version"] == 2 * (life - 1)
                assert loaded["in_flight"][-1]["step"] == f"step-{life - 1}"
            notes.append(f"life {life}")
            await agent.call("save_checkpoint", workspace="job", state={"notes": notes})
            await agent.call("start_step", workspace="job", step=f"step-{life}")
            brief = await agent.call("load_checkpoint", workspace="job")
            os.kill(int(brief["saved_by"]["process"]), signal.SIGKILL)
            with pytest.raises(MCPError, match="closed"):
                await agent.call("load_checkpoint", workspace="job")
    async with process_agent(name="last") as agent:
        loaded = await agent.call("load_checkpoint", workspace="job")
    assert loaded["state"] == {"notes": ["life 1", "life 2", "life 3"]}
    assert loaded["version"] == 6
    assert [flight["attempt"] for flight in loaded["in_flight"]] == [1, 1, 1]


async def test_two_processes_share_a_workspace(process_agent) -> None:
    async with process_agent(name="one") as one, process_agent(name="two") as two:
        await one.call("save_checkpoint", workspace="w", state={})
        for number in range(10):
            for agent in (one, two):
                loaded = await agent.call("load_checkpoint", workspace="w")
                key = f"{loaded['version']}"
                await agent.call(
                    "save_checkpoint",
                    workspace="w",
                    state={key: number},
                    merge=True,
                    expected_version=loaded["version"],
                )
        loaded = await one.call("load_checkpoint", workspace="w")
        assert loaded["version"] == 21
        assert list(loaded["state"]) == [str(version) for version in range(1, 21)]
        await one.call("start_step", workspace="w", step="mail")
        waiting = await two.call("start_step", workspace="w", step="mail")
        assert (waiting["decision"], waiting["holder"]["name"]) == ("wait", "one")
        assert waiting["holder"]["transport"] == "stdio"


async def test_many_calls_at_once_are_all_answered(process_agent) -> None:
    async with process_agent() as agent:
        saves = [
            agent.call("save_checkpoint", workspace=f"w{n % 4}", state={str(n): n}, merge=True)
            for n in range(40)
        ]
        await asyncio.gather(*saves)
        loads = [agent.call("load_checkpoint", workspace=f"w{n}") for n in range(4)]
        states = [loaded["state"] for loaded in await asyncio.gather(*loads)]
    assert sorted(int(key) for state in states for key in state) == list(range(40))


async def test_the_server_ends_when_its_client_leaves(raw_server) -> None:
    async with raw_server() as server:
        assert "result" in await server.request("tools/list")


async def test_sigterm_ends_the_server_cleanly(raw_server) -> None:
    async with raw_server() as server:
        await server.request("tools/list")
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0
        assert await server.process.stdout.read() == b""


async def test_nothing_but_the_protocol_is_on_stdout(raw_server) -> None:
    async with raw_server("--log", "debug") as server:
        await server.call("save_checkpoint", b'{"workspace":"w","state":1}')
        await server.call("save_checkpoint", b'{"workspace":"../w","state":1}')
        server.process.stdin.close()
        assert await server.process.stdout.read() == b""


def serve(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safepoint_server", "serve", *options],
        input="",
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )


def test_a_wrong_key_is_told_at_once(tmp_path) -> None:
    store = str(tmp_path / "store")
    assert serve("--store", store, SAFEPOINT_PASSPHRASE="right one").returncode == 0
    refused = serve("--store", store, SAFEPOINT_PASSPHRASE="wrong one")
    assert refused.returncode == 6
    assert refused.stderr.count("error: ") == 1
    assert "hint: " in refused.stderr
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    assert "wrong one" not in refused.stderr


def test_a_wrong_setting_is_told_at_once(tmp_path) -> None:
    refused = serve("--store", str(tmp_path / "s"), SAFEPOINT_MAX_STEPS="many")
    assert refused.returncode == 2
    assert "SAFEPOINT_MAX_STEPS is 'many'" in refused.stderr
    assert not (tmp_path / "s").exists()


def test_a_store_that_cannot_be_opened_is_told_at_once(tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused = serve("--store", str(tmp_path / "file"))
    assert refused.returncode != 0
    assert "error: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_setting_that_does_not_exist_is_warned_about(tmp_path) -> None:
    done = serve("--store", str(tmp_path / "s"), SAFEPOINT_KEYFILE="/k")
    assert done.returncode == 0
    assert "did you mean SAFEPOINT_KEY_FILE?" in done.stderr


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, safepoint_server.app;"
        "print(*(m for m in ('boto3', 'botocore', 'jinja2', 'jmespath') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

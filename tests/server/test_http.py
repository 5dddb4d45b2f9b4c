"""The server over HTTP, as a process: many clients, both eras, no sessions, and a calm end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
from mcp import Client
from tests.server.conftest import HANG, Agent

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def http_server(folder: Path, *options: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """The address of a server process over the store of this test, and what tells it to stop."""
    with (folder / "stderr").open("a") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "safepoint_server", "serve", "--store", str(folder / "store")),
            *("--transport", "http", "--port", "0", "--log-format", "json", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=errors,
            stderr=asyncio.subprocess.PIPE,
        )
    try:
        line = await asyncio.wait_for(process.stderr.readline(), HANG)
        drained = asyncio.create_task(process.stderr.read())
        told: list[None] = []

        def stop() -> None:
            if not told and process.returncode is None:
                process.send_signal(signal.SIGTERM)
            told.append(None)

        yield json.loads(line)["address"], stop
        stop()
        assert await asyncio.wait_for(process.wait(), HANG) == 0
        await drained
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_agents_of_both_eras_share_a_workspace(tmp_path: Path) -> None:
    async with http_server(tmp_path) as (url, _):
        async with Client(url, mode="auto") as client:
            await Agent(client).call("save_checkpoint", workspace="job", state={"n": 1})
        async with Client(url, mode="legacy") as client:
            loaded = await Agent(client).call("load_checkpoint", workspace="job")
            await Agent(client).call("save_checkpoint", workspace="job", state={"n": 2})
        async with Client(url, mode="auto") as client:
            again = await Agent(client).call("load_checkpoint", workspace="job")
    assert (loaded["state"], loaded["saved_by"]["transport"]) == ({"n": 1}, "http")
    assert (again["state"], again["version"]) == ({"n": 2}, 2)


async def test_health_and_readiness_are_told(tmp_path: Path) -> None:
    async with http_server(tmp_path) as (url, _), httpx.AsyncClient() as client:
        base = url.removesuffix("/mcp")
        assert (await client.get(f"{base}/healthz")).json() == {"status": "ok"}
        assert (await client.get(f"{base}/readyz")).json() == {"status": "ok"}
        assert list((tmp_path / "store" / "probe").iterdir())
    assert not (tmp_path / "store" / "probe").exists() or not any(
        (tmp_path / "store" / "probe").iterdir()
    )


async def test_names_that_are_not_this_machines_are_refused(tmp_path: Path) -> None:
    async with http_server(tmp_path) as (url, _), httpx.AsyncClient() as client:
        port = urlsplit(url).port
        for name, value in (
            ("Host", f"evil.example:{port}"),
            ("Origin", "https://evil.example"),
        ):
            reply = await client.post(
                url, json={}, headers={name: value, "Accept": "application/json, text/event-stream"}
            )
            assert reply.status_code in (403, 421), (name, reply.text)


async def test_no_stream_is_held_open_for_clients_that_ask_nothing(tmp_path: Path) -> None:
    async with http_server(tmp_path) as (url, _), httpx.AsyncClient() as client:
        reply = await client.get(url, headers={"Accept": "text/event-stream"})
        assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


async def test_it_does_not_listen_for_others_without_authentication(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "safepoint_server", "serve", "--store", str(tmp_path / "store")),
        *("--transport", "http", "--port", "0", "--host", "0.0.0.0"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), HANG)
    assert process.returncode == 2
    assert b"without authentication" in errors
    assert not (tmp_path / "store").exists()


async def test_a_stop_lets_the_saves_that_run_finish(tmp_path: Path) -> None:
    saves: list[asyncio.Task[dict[str, Any]]] = []
    async with http_server(tmp_path) as (url, stop):
        try:
            async with Client(url, mode="auto") as client:
                agent = Agent(client)
                await agent.call("save_checkpoint", workspace="job", state={"n": 0})
                for n in range(8):
                    save = agent.call("save_checkpoint", workspace=f"job-{n}", state={"n": n})
                    saves.append(asyncio.create_task(save))
                await asyncio.wait(saves, return_when=asyncio.FIRST_COMPLETED)
                stop()
                await asyncio.gather(*saves, return_exceptions=True)
        except* httpx2.ConnectError:  # what was sent too late found nobody listening
            pass
    acknowledged = [n for n, s in enumerate(saves) if not s.cancelled() and s.exception() is None]
    assert acknowledged
    async with http_server(tmp_path) as (url, _), Client(url) as client:
        for n in acknowledged:
            loaded = await Agent(client).call("load_checkpoint", workspace=f"job-{n}")
            assert loaded["state"] == {"n": n}


STOPS = """
import asyncio
from safepoint_server.listening import Listener, listen
from safepoint_server.settings import Settings

async def app(scope, receive, send):
    raise AssertionError

async def serve():
    settings = Settings.load({"SAFEPOINT_PORT": "0"})
    with listen(settings) as listening:
        listener = Listener(app, settings, lambda: print("stopping", flush=True))
        running = asyncio.create_task(listener.serve(sockets=[listening]))
        while not listener.started:
            await asyncio.sleep(0)
        print("serving", flush=True)
        await running
        print("closing", flush=True)
        await asyncio.shield(asyncio.create_task(asyncio.Event().wait()))

asyncio.run(serve())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_store_that_does_not_close(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STOPS], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"serving"
            process.send_signal(number)
            assert process.stdout.readline().strip() == b"stopping"
            assert process.stdout.readline().strip() == b"closing"
            process.send_signal(number)
            assert process.wait(HANG) == 128 + number
        finally:
            process.kill()

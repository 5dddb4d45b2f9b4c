"""A server process over HTTP, for the tests of one module, and what callers send to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.server.conftest import HANG, Agent

from safepoint import Actor, Store


class Serving:
    """A process of `safepoint serve --transport http` over a store in `folder`."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.options = ["--store", str(folder / "store"), "--key-file", str(folder / "key")]
        self.log: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "safepoint_server", "serve", *self.options),
                *("--transport", "http", "--port", "0", "--log-format", "json"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **environ},
        )
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        self.url: str = json.loads(first)["address"]
        self.base = self.url.removesuffix("/mcp")
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    @asynccontextmanager
    async def store(self, tenant: str | None = None, **options: Any) -> AsyncIterator[Store]:
        """The same store, or that of a tenant, opened by another process: this one."""
        place = self.folder / "store"
        place = place / "tenants" / tenant if tenant else place
        async with Store.open(place, key_file=self.folder / "key", **options) as opened:
            yield opened

    async def token(self, name: str, scopes: str = "read write", **options: Any) -> str:
        """A token of the store; with `tenant`, whose store is made."""
        if options.get("tenant"):
            async with self.store(options["tenant"]):
                pass
        async with self.store() as store:
            text, _ = await store.tokens.create(name, scopes.split(), by=Actor("tests"), **options)
        return text

    def post(self, token: str | None, method: str = "tools/list", **params: Any) -> httpx2.Response:
        """One request, as a client without a handshake sends it."""
        headers = {"Accept": "application/json, text/event-stream"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx2.post(self.url, json=message, headers=headers, timeout=HANG)

    @asynccontextmanager
    async def agent(self, token: str, mode: str = "auto") -> AsyncIterator[Agent]:
        async with (
            httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {token}"}, timeout=HANG
            ) as client,
            Client(streamable_http_client(self.url, http_client=client), mode=mode) as connected,
        ):
            yield Agent(connected)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(HANG)
        self._reading.join(HANG)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


@contextmanager
def serving(folder: Path, **environ: str) -> Iterator[Serving]:
    made = Serving(folder, environ)
    try:
        yield made
        assert made.stop() == 0
    finally:
        made.process.kill()
        made.stop()

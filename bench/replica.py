"""A server over HTTP as a process of its own, on one port, killed and started again at will."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import ServerProcess, answers_http, free_ports
from tests.servers.s3 import S3Server

from bench.child import ROOT

__all__ = ["Place", "Replica", "echo_replica", "safepoint_replica"]


class Replica:
    """`url` is its MCP endpoint, whether it runs or not."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environ: Mapping[str, str],
        *,
        port: int,
        ready: str,
    ) -> None:
        folder.mkdir(parents=True)
        names = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        home = dict.fromkeys(names, str(folder))
        self.name = name
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}/mcp"
        self._ready = ready
        given = {**home, **environ, "PYTHONPATH": str(ROOT)}
        self._process = ServerProcess(command, folder / "log", given)

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def start(self) -> None:
        """Return once it serves."""
        self._process.start(lambda: answers_http(self.port, self._ready, range(200, 500)))

    def kill(self) -> None:
        """At once, as SIGKILL does."""
        self._process.kill()


class Place:
    """A store in a bucket, and what a process has to be told to open it."""

    def __init__(self, server: S3Server, prefix: str, key_file: Path) -> None:
        self.server = server
        self.prefix = prefix
        self.key_file = key_file

    def environ(self) -> dict[str, str]:
        store = f"s3://{self.server.bucket}/{self.prefix}"
        given = {"SAFEPOINT_STORE": store, "SAFEPOINT_KEY_FILE": str(self.key_file)}
        return {**self.server.environ(), **given}


def safepoint_replica(name: str, folder: Path, place: Place, **environ: str) -> Replica:
    (port,) = free_ports(1)
    folder = folder / name
    given = {"SAFEPOINT_TRANSPORT": "http", "SAFEPOINT_PORT": str(port), **environ}
    given |= {"BENCH_WATCH": str(folder / "tasks"), **place.environ()}
    command = [sys.executable, "-m", "bench.watched", "serve"]
    return Replica(name, command, folder, given, port=port, ready="/readyz")


def echo_replica(name: str, folder: Path) -> Replica:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.echo", str(port)]
    return Replica(name, command, folder / name, {}, port=port, ready="/")

"""A server that a test starts and ends, and the loopback ports it may take."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

__all__ = ["ServerProcess", "answers_http", "free_ports", "installed"]

_LOOKS = 600
_BETWEEN_LOOKS = 0.1


class ServerProcess:
    """One program with the output in `log`; `start` may follow `kill`, any number of times."""

    def __init__(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self._command = list(command)
        self._log = log
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        """Return once `ready` says so; fail when the program ends or a minute passes before."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log.parent,
            )
        for _ in range(_LOOKS):
            if ready():
                return
            try:
                self._process.wait(_BETWEEN_LOOKS)
                break
            except subprocess.TimeoutExpired:
                continue
        self.kill()
        raise RuntimeError(
            f"{self._command[0]} did not start:\n{self._log.read_text('utf-8', 'replace')[-3000:]}"
        )

    @property
    def pid(self) -> int | None:
        """Its process id, None while it is not running."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody used a moment ago."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def answers_http(port: int, path: str = "/", status: range = range(200, 500)) -> bool:
    """Whether a request there gets an answer with such a status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def installed(program: str) -> str:
    """The path of a program that the `dev` extra installs beside this Python."""
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    assert found, f"{program} is missing: install the dev extra"
    return found

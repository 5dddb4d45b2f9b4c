"""The processes of a demonstration: the ticket service, and one agent after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random

__all__ = ["AgentProcess", "pid_file", "ticket_service"]

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""On Windows every signal ends a process at once, by TerminateProcess."""


def pid_file(folder: Path, life: int, server: int) -> Path:
    """Where the servers of an agent, numbered from 0, leave their process ids."""
    return folder / f"server-{life:02d}-{server}.pid"


@contextmanager
def ticket_service(*, lose_every: int, honours_keys: bool) -> Iterator[str]:
    """A ticket service of its own process, by its address; ends with the block."""
    command = [sys.executable, "-m", "safepoint_server.demo.tickets"]
    command += ["--lose-every", str(lose_every)]
    if not honours_keys:
        command.append("--ignore-keys")
    with _started(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None:  # pragma: no cover - Popen was told to make it
                raise RuntimeError("no pipe")
            yield process.stdout.readline().decode("ascii").strip()
        finally:
            process.kill()


def _started(command: list[str], stdout: int) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that Ctrl-C reaches only the director, who ends it."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=stdout, start_new_session=True
    )


class AgentProcess:
    """One life of the agent, with the MCP servers that it starts."""

    def __init__(self, job_file: Path, folder: Path, life: int, servers: int) -> None:
        self._pid_files = [pid_file(folder, life, server) for server in range(servers)]
        self.log = folder / f"agent-{life:02d}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "safepoint_server.demo.agent", str(job_file), str(life)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def kill(self, random: Random) -> None:
        """SIGKILL to the agent, if it runs, and to its servers, in any order, without warning."""
        if self._process.poll() is not None:
            return
        victims: list[Callable[[], None]] = [self._process.kill]
        victims += [partial(_kill_server, file) for file in self._pid_files]
        random.shuffle(victims)
        for end in victims:
            end()
        self._process.wait()


def _kill_server(file: Path) -> None:
    # A server that has not said its id yet ends by itself: its client is gone.
    with suppress(FileNotFoundError, ProcessLookupError, ValueError, PermissionError):
        os.kill(int(file.read_text("ascii")), _KILL)

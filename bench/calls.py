"""What the server costs beside a bare one: a round trip, CPU for each call, start, memory."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import ECHO, Child, serve_command
from bench.race import p50
from bench.states import WIDE, changes

__all__ = ["Calls", "Memory", "Start", "measure_calls", "measure_memory", "measure_start"]

_PAYLOAD = 2048


@dataclass
class Calls:
    """Seconds. Round trips are of servers on local disk; CPU is that of servers with a memory
    store, for each call, median of the rounds."""

    echo: float = 0.0
    save: float = 0.0
    load: float = 0.0
    sync: float = 0.0
    echo_cpu: list[float] = field(default_factory=list)
    save_cpu: list[float] = field(default_factory=list)
    load_cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from nothing to the first reply, and of CPU until then; medians."""

    bare_wall: float
    own_wall: float
    bare_cpu: float
    own_cpu: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes."""

    bare: int
    own: int


class _Work:
    """Calls of 2 KB whose state changes a little each time."""

    def __init__(self) -> None:
        self._random = random.Random(2)
        self._items = {f"item {n}": self._text(90) for n in range(18)}

    def _text(self, size: int) -> str:
        return "".join(self._random.choices("etaoinshrdlu ", k=size))

    def echo(self, child: Child) -> None:
        child.call("echo", {"text": self._text(_PAYLOAD)})

    def save(self, child: Child) -> None:
        self._items[f"item {self._random.randrange(18)}"] = self._text(90)
        child.call("save_checkpoint", {"workspace": "calls", "state": self._items})

    def load(self, child: Child) -> None:
        child.call("load_checkpoint", {"workspace": "calls"})


def measure_calls(folder: Path, rounds: int, batch: int = 25) -> Calls:
    """Bare server, server on disk and server in memory take turns; batches of calls for CPU."""
    folder.mkdir(parents=True)
    work, found = _Work(), Calls()
    trips: dict[str, list[float]] = {"echo": [], "save": [], "load": [], "sync": []}
    with ExitStack() as leaving:
        bare = _started(leaving, ECHO, folder)
        disk = _started(leaving, serve_command(folder / "store", folder / "key"), folder)
        memory = _started(leaving, serve_command("memory://", folder / "key2"), folder)
        target = os.open(folder / "synced", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for child, act in ((bare, work.echo), (disk, work.save), (memory, work.save)):
            for _ in range(batch):
                act(child)
        for _ in range(rounds):
            for _ in range(batch):
                trips["sync"].append(_synced(target))
                trips["echo"].append(_timed(work.echo, bare))
                trips["save"].append(_timed(work.save, disk))
                trips["load"].append(_timed(work.load, disk))
            found.echo_cpu.append(_cpu(bare, work.echo, batch))
            found.save_cpu.append(_cpu(memory, work.save, batch))
            found.load_cpu.append(_cpu(memory, work.load, batch))
        os.close(target)
    for name, seconds in trips.items():
        setattr(found, name, p50(seconds))
    return found


def measure_start(folder: Path, rounds: int) -> Start:
    """Each is started in turn; the store is there already."""
    folder.mkdir(parents=True)
    own = serve_command(folder / "store", folder / "key")
    with ExitStack() as leaving:
        _Work().save(_started(leaving, own, folder))
    walls: dict[bool, list[float]] = {True: [], False: []}
    cpus: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for is_own in (True, False):
            with ExitStack() as leaving:
                began = time.perf_counter()
                child = _started(leaving, own if is_own else ECHO, folder)
                walls[is_own].append(time.perf_counter() - began)
                cpus[is_own].append(child.cpu_seconds())
    return Start(p50(walls[False]), p50(walls[True]), p50(cpus[False]), p50(cpus[True]))


def measure_memory(folder: Path, workspaces: int) -> Memory:
    """A server that has saved this many workspaces of 100 KB, and one that has echoed as often."""
    folder.mkdir(parents=True)
    states = changes(WIDE, workspaces)
    with ExitStack() as leaving:
        bare = _started(leaving, ECHO, folder)
        own = _started(leaving, serve_command(folder / "store", folder / "key"), folder)
        for number, change in enumerate(states):
            own.call("save_checkpoint", {"workspace": f"w{number}", "state": change.state})
            bare.call("echo", {"text": "".join(change.state["notes"].values())})
        return Memory(bare.resident_bytes(), own.resident_bytes())


def _started(leaving: ExitStack, command: list[str], folder: Path) -> Child:
    child = Child(command, folder / "home")
    leaving.callback(child.leave)
    child.greet()
    return child


def _timed(act: Callable[[Child], None], child: Child) -> float:
    began = time.perf_counter()
    act(child)
    return time.perf_counter() - began


def _synced(target: int) -> float:
    began = time.perf_counter()
    os.write(target, b"2 KB of text ...".ljust(_PAYLOAD))
    os.fsync(target)
    return time.perf_counter() - began


def _cpu(child: Child, act: Callable[[Child], None], batch: int) -> float:
    began = child.cpu_seconds()
    for _ in range(batch):
        act(child)
    return (child.cpu_seconds() - began) / batch

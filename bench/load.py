"""Many clients over HTTP, on replicas over one bucket, beside servers that only echo."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.servers.seaweedfs import seaweedfs

from bench.caller import Caller
from bench.kept import Saved, discrepancies
from bench.processes import cpu_seconds, resident_bytes
from bench.replica import Place, Replica, echo_replica, safepoint_replica
from safepoint import Store

__all__ = ["CALLS", "Figures", "Load", "Loads", "measure_load"]

CALLS = ("echo", "save", "load")
_PAYLOAD = 2048
_ITEMS = 18
_CACHE = "16MiB"
"""Or memory would be that of the cache, which fills at whatever load."""


@dataclass
class Figures:
    """Of one kind of call, at one load: seconds of each call, of all of them by the clock, and of
    CPU in the servers."""

    trips: list[float] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Calls in a second."""
        return len(self.trips) / self.wall

    @property
    def cpu_each(self) -> float:
        return self.cpu / len(self.trips)


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients on so many replicas."""

    clients: int
    replicas: int
    figures: dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Loads:
    """`grown` is what the replica that grew most holds more after all loads than after the first
    call, in bytes; `echo_grown` the same of the servers that echo. `wrong` names acknowledged saves
    that the store does not hold as they were acknowledged."""

    loads: tuple[Load, ...]
    saves: int
    grown: int
    echo_grown: int
    wrong: tuple[str, ...]


class _Client:
    """One after the other, calls of 2 KB, on a workspace of its own."""

    def __init__(self, name: str, own: Replica, bare: Replica) -> None:
        self.saved: list[Saved] = []
        self._name = name
        self._own, self._bare = Caller(own.port), Caller(bare.port)
        self._random = random.Random(name)
        self._items = {f"item {n}": self._text(90) for n in range(_ITEMS)}

    def _text(self, size: int) -> str:
        return "".join(self._random.choices("etaoinshrdlu ", k=size))

    def echo(self) -> None:
        self._bare.call("echo", {"text": self._text(_PAYLOAD)})

    def save(self) -> None:
        self._items[f"item {self._random.randrange(_ITEMS)}"] = self._text(90)
        label = f"save {len(self.saved)}"
        arguments: dict[str, Any] = {"workspace": self._name, "state": self._items, "label": label}
        reply = self._own.call("save_checkpoint", {**arguments, "request_id": label})
        told = reply["structuredContent"]
        self.saved.append(Saved(self._name, label, told["version"], told["sha256"]))

    def load(self) -> None:
        self._own.call("load_checkpoint", {"workspace": self._name})

    def close(self) -> None:
        self._own.close()
        self._bare.close()


def measure_load(folder: Path, loads: Sequence[tuple[int, int]], rounds: int, calls: int) -> Loads:
    """For each load, a number of clients and of replicas, `rounds` times `calls` calls of each
    kind, or one by each client if those are more; the kinds take turns."""
    folder.mkdir(parents=True)
    most = max(replicas for _, replicas in loads)
    saved: list[Saved] = []
    measured = []
    (folder / "bucket").mkdir()
    with seaweedfs(folder / "bucket") as server, ExitStack() as leaving:
        place = Place(server.s3, "load", folder / "key")
        asyncio.run(_look(place, folder, []))  # makes the store, so that nobody races for that
        limits = {"SAFEPOINT_CACHE_BYTES": _CACHE}
        own = [safepoint_replica(f"own-{n}", folder, place, **limits) for n in range(most)]
        bare = [echo_replica(f"bare-{n}", folder) for n in range(most)]
        for replica in (*own, *bare):
            leaving.callback(replica.kill)
        with ThreadPoolExecutor() as starting:
            list(starting.map(Replica.start, (*own, *bare)))
        with _clients("first", own, bare, most) as clients:
            _all(clients, _warm)
            saved += [save for client in clients for save in client.saved]
        before = [resident_bytes(replica.pid) for replica in (*own, *bare)]
        for number, (count, replicas) in enumerate(loads):
            some = (own[:replicas], bare[:replicas])
            with _clients(f"load-{number}", *some, count) as clients:
                _all(clients, _warm)
                figures = {name: Figures() for name in CALLS}
                for _ in range(rounds):
                    _round(figures, clients, *some, -(-calls // count))
                saved += [save for client in clients for save in client.saved]
            measured.append(Load(count, replicas, figures))
        after = [resident_bytes(replica.pid) for replica in (*own, *bare)]
        grown = [now - then for now, then in zip(after, before, strict=True)]
        wrong = asyncio.run(_look(place, folder, saved))
    return Loads(tuple(measured), len(saved), max(grown[:most]), max(grown[most:]), tuple(wrong))


async def _look(place: Place, folder: Path, saved: list[Saved]) -> list[str]:
    """What of this the store does not hold as it was acknowledged."""
    objects = place.server.objects(place.prefix)
    async with Store.open(objects, key_file=place.key_file, seen=folder / "seen") as store:
        return await discrepancies(store, saved)


@contextmanager
def _clients(
    name: str, own: list[Replica], bare: list[Replica], count: int
) -> Iterator[list[_Client]]:
    """Spread over the replicas."""
    spread = [number % len(own) for number in range(count)]
    clients = [_Client(f"{name}-{n}", own[at], bare[at]) for n, at in enumerate(spread)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def _warm(client: _Client) -> None:
    client.echo()
    client.save()
    client.load()


def _round(
    figures: dict[str, Figures],
    clients: list[_Client],
    own: list[Replica],
    bare: list[Replica],
    each: int,
) -> None:
    """`each` calls of every kind by every client, all clients at once."""
    kinds = (("echo", _Client.echo, bare), ("save", _Client.save, own), ("load", _Client.load, own))
    for name, act, servers in kinds:
        found = figures[name]
        used, began = _cpu(servers), time.perf_counter()
        _all(clients, partial(_timed, act, found.trips, each))
        found.wall += time.perf_counter() - began
        found.cpu += _cpu(servers) - used


def _timed(act: Callable[[_Client], None], trips: list[float], times: int, client: _Client) -> None:
    for _ in range(times):
        began = time.perf_counter()
        act(client)
        trips.append(time.perf_counter() - began)


def _all(clients: list[_Client], act: Callable[[_Client], None]) -> None:
    """Every client in a thread of its own."""
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(act, clients))


def _cpu(replicas: list[Replica]) -> float:
    return sum(cpu_seconds(replica.pid) for replica in replicas)

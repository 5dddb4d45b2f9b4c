"""The budgets, each with the figure of this run and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass

from bench.calls import Calls, Memory, Start
from bench.files import Large
from bench.load import Loads
from bench.long import Long
from bench.race import Race, p50

__all__ = ["Budget", "Results", "budgets"]

_GROWTH = 400
_KILO, _MEGA, _MEBI, _GIBI = 1e3, 1e6, 2**20, 2**30


@dataclass
class Results:
    """All that was measured; what is None was not."""

    races: list[Race]
    graph: float | None = None
    reply_bytes: int | None = None
    calls: Calls | None = None
    start: Start | None = None
    memory: Memory | None = None
    long: Long | None = None
    cold_rounds: float | None = None
    large: Large | None = None
    load: Loads | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """One line. `met` is None when this run did not measure it."""

    what: str
    at_most: str
    figure: str
    met: bool | None


def budgets(results: Results) -> list[Budget]:
    rows = [_save(race) for race in results.races if race.count < _GROWTH]
    rows += [_graph_step(race) for race in results.races if race.count < _GROWTH]
    longest = next((race for race in results.races if race.count == _GROWTH), None)
    return [
        *rows,
        _graph(results.graph),
        _bytes(longest),
        _reply(results.reply_bytes),
        _warm(results.races),
        _cold(results.cold_rounds),
        *_late(results.long),
        *_served(results.calls),
        _start(results.start),
        *_artifact(results.large),
        _memory(results.memory),
    ]


def _row(what: str, at_most: str, figure: float | None, limit: float, shown: str) -> Budget:
    """`shown` formats the figure."""
    if figure is None:
        return Budget(what, at_most, "not measured", None)
    return Budget(what, at_most, shown.format(figure), figure <= limit)


def _save(race: Race) -> Budget:
    what = f"durable local save, {race.kind.label}, p50"
    ratio = _ratio(race, "Safepoint", "raw SQLite")
    return _row(what, "0.75 x raw SQLite", ratio, 0.75, "{:.2f} x")


def _graph_step(race: Race) -> Budget:
    what = f"LangGraph step, {race.kind.label}, p50"
    ratio = _ratio(race, "Safepoint's saver", "LangGraph SqliteSaver")
    return _row(what, "0.6 x SqliteSaver", ratio, 0.6, "{:.2f} x")


def _graph(ratio: float | None) -> Budget:
    what = "LangGraph step of a graph that runs, chat, durability sync, p50"
    return _row(what, "0.6 x SqliteSaver", ratio, 0.6, "{:.2f} x")


def _ratio(race: Race, name: str, other: str) -> float | None:
    one, two = race.of(name), race.of(other)
    return None if one is None or two is None else p50(one.saves) / p50(two.saves)


def _bytes(race: Race | None) -> Budget:
    runner = None if race is None else race.of("Safepoint")
    size = None if runner is None else runner.bytes[_GROWTH] / _MEGA
    return _row("bytes after 400 checkpoints of the chat", "1.0 MB", size, 1.0, "{:.3f} MB")


def _reply(size: int | None) -> Budget:
    figure = None if size is None else size / _KILO
    return _row("reply of load_checkpoint after them", "8 KB", figure, 8, "{:.1f} KB")


def _warm(races: list[Race]) -> Budget:
    runners = [race.of("Safepoint") for race in races]
    times = [p50(runner.warm) * 1000 for runner in runners if runner and runner.warm]
    worst = max(times) if times else None
    return _row("load latest, warm, local (slowest state)", "1 ms", worst, 1, "{:.2f} ms")


def _cold(rounds: float | None) -> Budget:
    what = "load latest, cold, from a bucket"
    return _row(what, "2 round trips", rounds, 2.5, "{:.1f} round trips")


def _late(found: Long | None) -> list[Budget]:
    late = f"{found.late:,}" if found else "10,000"
    values = (("save", found.save if found else None), ("load", found.load if found else None))
    return [
        _row(f"{what} at version {late} against 100", "1.3 x", figure, 1.3, "{:.2f} x")
        for what, figure in values
    ]


def _served(calls: Calls | None) -> list[Budget]:
    syncs = save = load = None
    if calls is not None:
        syncs = (calls.save - calls.echo) / calls.sync
        save, load = (
            p50([own / bare for own, bare in zip(mine, calls.echo_cpu, strict=True)])
            for mine in (calls.save_cpu, calls.load_cpu)
        )
    trip, cpu = "MCP save over stdio, 2 KB, beyond an echo", "server CPU of a call, memory store"
    return [
        _row(trip, "1.5 fsyncs", syncs, 1.5, "{:.2f} fsyncs"),
        _row(f"{cpu}: save, 2 KB", "1.5 x echo", save, 1.5, "{:.2f} x"),
        _row(f"{cpu}: load, 2 KB", "1.5 x echo", load, 1.5, "{:.2f} x"),
    ]


def _start(found: Start | None) -> Budget:
    ratio = found.own_wall / found.bare_wall if found else None
    return _row("start of `safepoint serve`", "1.15 x bare server", ratio, 1.15, "{:.2f} x")


def _artifact(found: Large | None) -> list[Budget]:
    size = f"{found.size >> 20} MiB" if found and found.size != _GIBI else "1 GiB"
    what, peak = f"artifact of {size}, stored and synced", found.peak / _MEBI if found else None
    ratio = found.ratio if found else None
    return [
        _row(what, "1.7 x cp + fsync", ratio, 1.7, "{:.2f} x"),
        _row(f"{what}: memory", "64 MiB", peak, 64, "{:.0f} MiB"),
    ]


def _memory(found: Memory | None) -> Budget:
    figure = (found.own - found.bare) / _MEBI if found else None
    what = "memory with 100 workspaces of 100 KB, beyond a bare server"
    return _row(what, "60 MiB", figure, 60, "{:.0f} MiB")

"""The figures as text: for the terminal, and as the tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence

from bench.budgets import Results, budgets
from bench.load import CALLS, Load, Loads
from bench.race import Race, Runner, p50, p90, p99

__all__ = ["table", "tables"]

_BASE = "raw SQLite"


def tables(results: Results) -> str:
    """Markdown: one table a race, two of the server, one of the budgets."""
    parts = [part for race in results.races for part in (_heading(race), _race(race))]
    if results.calls is not None or results.start is not None:
        parts += ["### The server beside a bare one", _server(results)]
    if results.load is not None:
        parts += ["### Many clients over HTTP, on one bucket", _loads(results.load)]
    parts += ["### Budgets", _budgets(results)]
    return "\n\n".join(parts) + "\n"


def _heading(race: Race) -> str:
    return f"### {race.kind.label}, {race.count} checkpoints"


def _race(race: Race) -> str:
    base = race.of(_BASE)
    assert base is not None
    rows = [_runner(runner, base, race) for runner in race.runners]
    heads = ("", "save p50", "save p90", "load warm", "load cold", "bytes", "of raw states")
    return table(heads, rows)


def _runner(runner: Runner, base: Runner, race: Race) -> tuple[str, ...]:
    size = runner.bytes[race.count]
    kept = size > 0 and runner.name != "bare MCP echo"
    return (
        runner.name,
        f"{p50(runner.saves) / p50(base.saves):.2f}",
        f"{p90(runner.saves) / p90(base.saves):.2f}",
        f"{p50(runner.warm) / p50(base.warm):.1f}" if runner.warm else "",
        f"{p50(runner.cold) / p50(base.cold):.1f}" if runner.cold else "",
        f"{size / 1e6:.3f} MB" if kept else "",
        f"{size / race.state_bytes:.1%}" if kept else "",
    )


def _server(results: Results) -> str:
    rows: list[tuple[str, ...]] = []
    if (calls := results.calls) is not None:
        echo_cpu = p50(calls.echo_cpu)
        rows += [
            ("round trip, save 2 KB, local disk", f"{calls.save / calls.echo:.2f} x echo"),
            ("round trip, load 2 KB, local disk", f"{calls.load / calls.echo:.2f} x echo"),
            ("one fsync of 2 KB", f"{calls.sync / calls.echo:.2f} x echo"),
            ("server CPU, save 2 KB, memory", f"{p50(calls.save_cpu) / echo_cpu:.2f} x echo"),
            ("server CPU, load 2 KB, memory", f"{p50(calls.load_cpu) / echo_cpu:.2f} x echo"),
        ]
    if (start := results.start) is not None:
        rows += [
            ("start to the first reply", f"{start.own_wall / start.bare_wall:.2f} x bare"),
            ("CPU until then", f"{start.own_cpu / start.bare_cpu:.2f} x bare"),
        ]
    if (memory := results.memory) is not None:
        rows.append(("memory, 100 workspaces", f"{memory.own / memory.bare:.2f} x bare"))
    return table(("what", "figure"), rows)


def _loads(found: Loads) -> str:
    heads = (
        "clients",
        "replicas",
        "call",
        "p50",
        "p99",
        "calls a second",
        "CPU",
        "p50 to the first",
    )
    rows = [_load(one, found.loads[0], call) for one in found.loads for call in CALLS[1:]]
    kept = (
        f"of {found.saves:,} acknowledged saves {'all' if not found.wrong else 'NOT all'} are kept"
    )
    grown = f"{found.grown / 2**20:.1f} MiB, a server that echoes {found.echo_grown / 2**20:.1f}"
    told = f"At the end, {kept}, once each; a replica holds at most {grown} MiB more than at first."
    return "\n\n".join([table(heads, rows), told, *found.wrong])


def _load(one: Load, first: Load, call: str) -> tuple[str, ...]:
    own, echo = one.figures[call], one.figures[CALLS[0]]
    return (
        str(one.clients),
        str(one.replicas),
        call,
        f"{p50(own.trips) / p50(echo.trips):.2f}",
        f"{p99(own.trips) / p99(echo.trips):.2f}",
        f"{own.rate / echo.rate:.2f}",
        f"{own.cpu_each / echo.cpu_each:.2f}",
        f"{p50(own.trips) / p50(first.figures[call].trips):.1f}",
    )


def _budgets(results: Results) -> str:
    marks = {True: "met", False: "NOT met", None: ""}
    rows = [(row.what, row.at_most, row.figure, marks[row.met]) for row in budgets(results)]
    return table(("what", "at most", "figure", ""), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )

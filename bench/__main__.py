"""`python -m bench [--quick] [--write]`: run everything, print it, put it into the docs."""

from __future__ import annotations

import argparse
import asyncio
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.budgets import Results
from bench.calls import measure_calls, measure_memory, measure_start
from bench.contender import Contender
from bench.files import measure_large
from bench.graphs import measure_graph
from bench.growth import growth_picture
from bench.library import Library
from bench.load import measure_load
from bench.long import measure_cold_rounds, measure_long
from bench.race import race
from bench.raw import RawAppend, RawSqlite
from bench.report import tables
from bench.savers import installed_savers, postgres_saver, redis_saver
from bench.served import Echoed, Served
from bench.states import CHAT, WIDE, Kind

DOCS = Path(__file__).parents[1] / "docs"
_FIGURES = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run."""

    races: tuple[tuple[Kind, int], ...]
    graph_steps: int
    call_rounds: int
    starts: int
    workspaces: int
    blocks: int
    late_rounds: int
    cold_loads: int
    file_bytes: int
    file_rounds: int
    loads: tuple[tuple[int, int], ...]
    load_rounds: int
    load_calls: int


LOADS = tuple((clients, replicas) for replicas in (1, 3) for clients in (1, 8, 32))
FULL = Scale(
    ((CHAT, 200), (WIDE, 200), (CHAT, 400)), 200, 20, 9, 100, 39, 100, 5, 2**30, 3, LOADS, 8, 96
)
QUICK = Scale(((WIDE, 20), (CHAT, 20)), 10, 2, 1, 5, 1, 10, 0, 2**24, 1, ((1, 1), (4, 2)), 1, 16)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short form, in about a minute")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="safepoint-bench-", dir=args.folder) as folder:
        results = asyncio.run(run(QUICK if args.quick else FULL, Path(folder)))
    text = f"{_machine()}\n\n{tables(results)}"
    print(text)
    if args.write:
        page = DOCS / "benchmarks.md"
        page.write_text(_FIGURES.sub(rf"\1\n{text}\n\2", page.read_text("utf-8")), "utf-8")
        longest = max(results.races, key=lambda one: one.count)
        (DOCS / "growth.svg").write_text(growth_picture(longest), "utf-8")
    return 0


async def run(scale: Scale, folder: Path) -> Results:
    results = Results([])
    with postgres_saver() as postgres, redis_saver() as redis:
        makers: list[Callable[[], Contender]] = [RawSqlite, RawAppend]
        makers += [*installed_savers(), *postgres, *redis, Library, Echoed, Served]
        for kind, count in scale.races:
            _say(f"{kind.label}, {count} checkpoints, {len(makers)} contenders")
            place = folder / f"{kind.name}-{count}"
            results.races.append(
                await race(kind, count, makers, place, cold_loads=scale.cold_loads)
            )
    results.reply_bytes = await _reply(place / f"{place.name}-{len(makers) - 1}")
    _say("a graph that runs")
    results.graph = measure_graph(folder / "graph", scale.graph_steps)
    _say("calls, start, memory")
    results.calls = measure_calls(folder / "calls", scale.call_rounds)
    results.start = measure_start(folder / "start", scale.starts)
    results.memory = measure_memory(folder / "memory", scale.workspaces)
    _say("a long history")
    results.long = await measure_long(folder / "long", scale.blocks, scale.late_rounds)
    results.cold_rounds = await measure_cold_rounds()
    _say("a large artifact")
    results.large = measure_large(folder / "files", scale.file_bytes, scale.file_rounds)
    _say("many clients over HTTP")
    results.load = await asyncio.to_thread(
        measure_load, folder / "load", scale.loads, scale.load_rounds, scale.load_calls
    )
    return results


async def _reply(folder: Path) -> int:
    """The size of load_checkpoint's reply about the last checkpoint of a race."""
    served = Served()
    await served.open(folder)
    try:
        return served.reply_bytes()
    finally:
        await served.close()


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.system()} on {platform.machine()}, {python}."


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

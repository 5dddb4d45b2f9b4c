"""A step of a graph that runs, saved by LangGraph's SqliteSaver and by Safepoint's, in turns."""

from __future__ import annotations

import operator
import time
from collections.abc import Generator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypedDict

from bench.race import p50
from bench.savers import is_installed, sqlite_saver
from bench.states import CHAT, changes

__all__ = ["measure_graph"]

_FIRST = 5  # steps that are not counted


class _Chat(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


def measure_graph(folder: Path, steps: int) -> float | None:
    """The time of a step with Safepoint's saver by that with SqliteSaver, medians; None without it.

    Each step adds a message of 1 KB to a chat and is durable before the next one begins
    (`durability="sync"`). LangGraph hands in writes and checkpoint one after the other, without
    waiting in between.
    """
    if not is_installed("langgraph.checkpoint.sqlite"):
        return None
    folder.mkdir(parents=True)
    times: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as leaving:
        ours = import_module("safepoint.integrations.langgraph").SafepointSaver.open(
            folder / "store", key_file=folder / "key", seen=folder / "seen"
        )
        savers = (leaving.enter_context(ours), sqlite_saver(leaving, folder))
        running = [_steps(saver, steps) for saver in savers]
        for number in range(steps):
            for one in (0, 1) if number % 2 else (1, 0):
                began = time.perf_counter()
                next(running[one])
                times[one].append(time.perf_counter() - began)
        for graph in running:
            graph.close()
    return p50(times[0][_FIRST:]) / p50(times[1][_FIRST:])


def _steps(saver: Any, count: int) -> Generator[Any, None, None]:
    """A graph of one node that runs again and again, one step at each `next`."""
    messages = (change.delta for change in changes(CHAT, count + 1))
    graphs = import_module("langgraph.graph")

    def talk(state: _Chat) -> dict[str, Any]:
        return {"messages": [next(messages)]}

    builder = graphs.StateGraph(_Chat)
    builder.add_node("talk", talk)
    builder.add_edge(graphs.START, "talk")
    builder.add_edge("talk", "talk")
    config = {"configurable": {"thread_id": "bench"}, "recursion_limit": count + 2}
    graph = builder.compile(checkpointer=saver)
    steps: Generator[Any, None, None] = graph.stream({"messages": []}, config, durability="sync")
    return steps

"""Graphs that tests run; also a program that runs one of them and kills itself on the way.

`python graphs.py FOLDER KEY JOURNAL [KILL_AT]`
"""

from __future__ import annotations

import operator
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict

from safepoint.integrations.langgraph import SafepointSaver

__all__ = [
    "Log",
    "Notes",
    "asking",
    "counting",
    "delta_counting",
    "fanning_out",
    "nested",
    "steady",
]

Graph = CompiledStateGraph[Any, Any, Any, Any]
Effect = Callable[[str], None]
TURNS = 12


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


def _append(log: list[str], writes: list[list[str]]) -> list[str]:
    return [*log, *(line for write in writes for line in write)]


class Notes(TypedDict):
    log: Annotated[list[str], DeltaChannel(_append, snapshot_frequency=5)]


def counting(
    saver: SafepointSaver, turns: int, effect: Callable[[str], None] | None = None
) -> Graph:
    """Appends `turn n` until there are so many."""

    def turn(state: Log) -> Log:
        line = f"turn {len(state['log'])}"
        if effect is not None:
            effect(line)
        return {"log": [line]}

    def more(state: Log) -> str:
        return "turn" if len(state["log"]) < turns else END

    builder = StateGraph(Log)
    builder.add_node("turn", turn)
    builder.add_edge(START, "turn")
    builder.add_conditional_edges("turn", more)
    return builder.compile(checkpointer=saver)


def delta_counting(saver: SafepointSaver, turns: int) -> Graph:
    """The same with a delta channel."""

    def turn(state: Notes) -> Notes:
        return {"log": [f"turn {len(state['log'])}"]}

    def more(state: Notes) -> str:
        return "turn" if len(state["log"]) < turns else END

    builder = StateGraph(Notes)
    builder.add_node("turn", turn)
    builder.add_edge(START, "turn")
    builder.add_conditional_edges("turn", more)
    return builder.compile(checkpointer=saver)


def asking(saver: SafepointSaver | bool) -> Graph:
    """Asks twice, in two nodes."""

    def first(state: Log) -> Log:
        return {"log": [f"first {interrupt('name?')}"]}

    def second(state: Log) -> Log:
        return {"log": [f"second {interrupt('colour?')}"]}

    builder = StateGraph(Log)
    builder.add_node("first", first)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", END)
    return builder.compile(checkpointer=saver)


def nested(saver: SafepointSaver) -> Graph:
    """A graph in a graph in a graph; the innermost asks."""
    middle = StateGraph(Log)
    middle.add_node("asking", asking(saver=True))
    middle.add_edge(START, "asking")
    outer = StateGraph(Log)
    outer.add_node("begin", lambda state: {"log": ["begin"]})
    outer.add_node("middle", middle.compile())
    outer.add_node("finish", lambda state: {"log": ["finish"]})
    outer.add_edge(START, "begin")
    outer.add_edge("begin", "middle")
    outer.add_edge("middle", "finish")
    return outer.compile(checkpointer=saver)


def fanning_out(saver: SafepointSaver, done: list[str], failing: set[str]) -> Graph:
    """Eight tasks side by side, of which those in `failing` fail."""

    def split(state: Log) -> list[Send]:
        return [Send("work", {"log": [f"part {number}"]}) for number in range(8)]

    def work(state: Log) -> Log:
        (part,) = state["log"]
        if part in failing:
            raise RuntimeError(part)
        done.append(part)
        return {"log": [f"done {part}"]}

    builder = StateGraph(Log)
    builder.add_node("work", work)
    builder.add_conditional_edges(START, split, ["work"])
    builder.add_edge("work", END)
    return builder.compile(checkpointer=saver)


def steady(thread: str) -> Any:
    """A config whose steps are durable before the next one begins."""
    return {"configurable": {"thread_id": thread}, "recursion_limit": 1000}


def main(folder: Path, key_file: Path, journal: Path, kill_at: str) -> None:
    def effect(line: str) -> None:
        with journal.open("a") as file:
            file.write(line + "\n")
        if line == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with SafepointSaver.open(folder, key_file=key_file, pages="off") as saver:
        graph = counting(saver, TURNS, effect)
        begun = graph.get_state(steady("job")).values.get("log")
        graph.invoke(None if begun else {"log": []}, steady("job"), durability="sync")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), " ".join(sys.argv[4:]))

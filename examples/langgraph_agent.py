"""A LangGraph agent on Safepoint: killed in the middle, asked a question, gone back in time.

    pip install 'safepoint[langgraph]'
    python examples/langgraph_agent.py

A first process writes chapters of a report and kills itself. A second one opens the same store,
goes on with the next chapter and stops to ask a person; a third one brings the answer. Then an
earlier state is taken up again, with another chapter in it.
"""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from safepoint.integrations.langgraph import SafepointSaver

CHAPTERS = ("plan", "facts", "figures", "summary")
DIES_IN = "figures"
REPORT: RunnableConfig = {"configurable": {"thread_id": "annual report"}}


class Report(TypedDict):
    chapters: Annotated[list[str], operator.add]


def agent(saver: SafepointSaver, *, dies: bool = False) -> Any:
    def write(report: Report) -> Report:
        chapter = CHAPTERS[len(report["chapters"])]
        print(f"write   {chapter}", flush=True)
        if dies and chapter == DIES_IN:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"chapters": [chapter]}

    def publish(report: Report) -> Report:
        name = interrupt(f"{len(report['chapters'])} chapters. Who signs?")
        return {"chapters": [f"signed by {name}"]}

    builder = StateGraph(Report)
    builder.add_node("write", write)
    builder.add_node("publish", publish)
    builder.add_edge(START, "write")
    builder.add_conditional_edges(
        "write", lambda report: "write" if len(report["chapters"]) < len(CHAPTERS) else "publish"
    )
    builder.add_edge("publish", END)
    return builder.compile(checkpointer=saver)


def work(folder: Path, step: str) -> None:
    with SafepointSaver.open(folder / "store", passphrase="correct horse battery") as saver:
        if step == "begin":
            begun = {"chapters": []}
            agent(saver, dies=True).invoke(begun, REPORT, durability="sync")
        if step == "go on":
            asked = agent(saver).invoke(None, REPORT)
            print("asks   ", asked["__interrupt__"][0].value)
        if step == "answer":
            done = agent(saver).invoke(Command(resume="Ada"), REPORT)
            print("done   ", ", ".join(done["chapters"]))
            rewrite(saver)


def rewrite(saver: SafepointSaver) -> None:
    """Go back to when there were two chapters, and put another one in their place."""
    graph = agent(saver)
    history = list(graph.get_state_history(REPORT))
    early = next(state for state in history if len(state.values.get("chapters", [])) == 2)
    edited = graph.update_state(early.config, {"chapters": ["opinions"]})
    graph.invoke(None, edited)
    branch = graph.invoke(Command(resume="Grace"), REPORT)
    print("branch ", ", ".join(branch["chapters"]))
    assert len(list(graph.get_state_history(REPORT))) > len(history)  # nothing was overwritten


def run(folder: Path, step: str) -> tuple[int, str]:
    command = [sys.executable, __file__, str(folder), step]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print("".join(f"  {step:8}{line}\n" for line in done.stdout.splitlines()), end="")
    return done.returncode, done.stdout + done.stderr


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed, first = run(folder, "begin")
        assert killed == -signal.SIGKILL, first
        _, second = run(folder, "go on")
        assert "write   plan" not in second, second
        assert second.startswith(f"write   {DIES_IN}"), second
        assert "asks    4 chapters. Who signs?" in second
        _, third = run(folder, "answer")
        assert "done    plan, facts, figures, summary, signed by Ada" in third, third
        assert "branch  plan, facts, opinions, summary, signed by Grace" in third, third
    print("Killed, resumed, asked, answered and branched, and every chapter done once.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(Path(sys.argv[1]), sys.argv[2])
    else:
        main()

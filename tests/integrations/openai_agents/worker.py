"""A process of its own: `python worker.py WHAT STORE KEY_FILE FOLDER`.

talk: begin or go on with a conversation whose tool leaves a line in FOLDER/notes; waits to be
killed while there is a file FOLDER/dies. pop: take items until none is left, and print them.
ask, resume: an agent that needs approval to pay, which leaves a line in FOLDER/paid.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from agents import Agent, Runner, function_tool

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.integrations.openai_agents.script import (
    Scripted,
    called,
    outputs,
    refunding,
    said,
)

from safepoint import Conflict, Store
from safepoint.integrations.openai_agents import (
    SafepointSession,
    load_run_state,
    save_run_state,
)


def leave(path: Path, line: str) -> str:
    with path.open("a") as file:
        file.write(line + "\n")
    return line


def noting(folder: Path) -> Agent[Any]:
    """Takes one note and then says so; dies in between where it is told to."""

    def answer(items: Any) -> list[Any]:
        if not outputs(items):
            return [called("call_1", "note", text="first")]
        if (folder / "dies").exists():
            print("ready to die", flush=True)
            sys.stdin.read()
        return [said(f"noted once, in {len(items)} items")]

    @function_tool
    def note(text: str) -> str:
        return leave(folder / "notes", text)

    return Agent(name="Scribe", model=Scripted(answer), tools=[note])


async def talk(store: Store, folder: Path) -> str:
    session = SafepointSession("chat", store)
    known = await session.get_items()
    result = await Runner.run(
        noting(folder), "Go on." if known else "Take a note.", session=session
    )
    return str(result.final_output)


async def pop(store: Store, folder: Path) -> str:
    session, found = SafepointSession("chat", store), []
    while (item := await session.pop_item()) is not None:
        found.append(item)
    return json.dumps(found)


async def ask(store: Store, folder: Path) -> str:
    session = SafepointSession("desk", store)
    result = await Runner.run(clerk(folder), "Pay me back", session=session)
    saved = await save_run_state(session.workspace, result)
    return json.dumps(saved.approvals)


async def resume(store: Store, folder: Path) -> str:
    session = SafepointSession("desk", store)
    try:
        state = await load_run_state(session.workspace, clerk(folder))
    except Conflict as conflict:
        return conflict.code
    result = await Runner.run(clerk(folder), state, session=session)
    return str(result.final_output)


def clerk(folder: Path) -> Agent[Any]:
    return refunding(lambda order: leave(folder / "paid", f"paid {order}"))


async def main(what: str, url: str, key_file: str, folder: str) -> None:
    works = {"talk": talk, "pop": pop, "ask": ask, "resume": resume}
    async with Store.open(url, key_file=Path(key_file)) as store:
        print(await works[what](store, Path(folder)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

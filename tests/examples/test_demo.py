"""The main job: an agent is killed again and again, and all is done once. And it can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safepoint import Store

Run = Callable[..., Any]


def test_a_killed_agent_finishes_every_step_once_and_loses_nothing(demo: Run) -> None:
    ran = demo("--seed", "11", "--kills", "5", "--files", "12")
    assert ran.code == 0, ran.shown
    told = ran.document
    assert set(ran.checks().values()) == {True}
    assert sum(life["killed"] for life in told["lives"]) == 5
    assert len(told["lives"]) == 6
    assert len(told["steps"]) == 2 + 2 * 12
    assert {step["status"] for step in told["steps"]} <= {"done", "skipped"}
    assert told["tickets_wanted"] == told["tickets_filed"] > 0
    assert told["replies_lost"] > 0
    assert told["repeats_refused"] >= told["replies_lost"]
    assert Path(told["report"]).read_text().startswith("# What was found")


def test_without_idempotency_tickets_are_doubled_and_the_demonstration_fails(
    demo: Run, notes: Path
) -> None:
    for number in range(4):
        text = (notes / "draft.md").read_text()
        (notes / f"draft{number}.md").write_text(text)
    ran = demo("--ignore-keys", "--kills", "0", "--folder", str(notes))
    assert ran.code == 1
    broken = {name for name, ok in ran.checks().items() if not ok}
    assert broken == {"tickets filed as wanted", "no ticket doubled"}


def test_it_reads_the_folder_and_uses_the_store_that_the_user_names(
    demo: Run, notes: Path, tmp_path: Path
) -> None:
    store = tmp_path / "mine"
    ran = demo("--folder", str(notes), "--store", str(store), "--kills", "1", "--seed", "2")
    assert ran.code == 0, ran.shown
    told = ran.document
    steps = {step["name"]: step["status"] for step in told["steps"]}
    assert set(steps) == {
        "scan the files",
        "analyse deep/clean notes.txt",
        "file tickets for deep/clean notes.txt",
        "analyse draft.md",
        "file tickets for draft.md",
        "write the report",
    }
    assert steps["file tickets for deep/clean notes.txt"] == "skipped"
    assert told["tickets_wanted"] == 3

    async def look() -> str:
        async with Store.open(store, create=False) as opened:
            return (await opened.workspace(told["workspace"]).load()).brief.status.value

    assert asyncio.run(look()) == "done"


def test_the_lines_shown_say_where_each_agent_resumed(demo: Run, notes: Path) -> None:
    ran = demo("--folder", str(notes), "--kills", "1", "--seed", "3")
    assert "agent 1" in ran.shown
    assert "agent 2" in ran.shown
    assert "finished the job" in ran.shown
    assert "\x1b" not in ran.shown

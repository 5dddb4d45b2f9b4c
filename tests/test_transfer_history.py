"""What exports, imports and copies make of rewinds, forks and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Store, Workspace
from safepoint.transfer import export_workspace, import_workspace

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def lived(store: Store) -> Workspace:
    """Run 1 with a plan of its own; run 2 in which `send` was done and taken back."""
    work = store.workspace("work")
    await work.plan_steps(["fetch", "send"])
    await work.mark_step_done("send", result=1, state={"page": 1})
    await work.start_new_run(reason="june")
    await work.plan_steps(["send", "tidy"])
    await work.save({"page": 2}, label="before")
    started = await work.start_step("send")
    await work.mark_step_done("send", fencing_token=started.fencing_token, result=2)
    await work.mark_step_done("tidy")
    await work.rewind(label="before")
    return work


async def test_an_import_brings_all_states_and_the_steps_of_the_newest_run(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await lived(store)
        done = await export_workspace(store, "work", tmp_path / "out")
        imported = await import_workspace(store, tmp_path / "out", name="again")
        again = store.workspace("again")
        assert (done.checkpoints, imported.checkpoints) == (4, 4)
        now = await again.load()
        assert (now.state, now.brief.run) == ({"page": 2}, 1)
        assert [step.name for step in (await again.steps()).items] == ["send", "tidy"]


async def test_what_was_taken_back_stays_in_doubt_and_its_old_key_is_named(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await lived(store)
        await export_workspace(store, "work", tmp_path / "out")
        imported = await import_workspace(store, tmp_path / "out", name="again")
        place.now = place.now.replace(year=2027)
        assert [(d.step, d.old_key, d.new_key) for d in imported.in_doubt] == [
            ("send", "work:2:send", "again:1:send"),
            ("tidy", "work:2:tidy", "again:1:tidy"),
        ]
        for step in ("send", "tidy"):
            started = await store.workspace("again").start_step(step)
            assert "effect may have happened" in started.advice


async def test_the_files_tell_of_runs_and_of_the_origin_of_a_fork(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await (await lived(store)).fork("copy")
        for name in ("work", "copy"):
            await export_workspace(store, name, tmp_path / name)
    work, copy = (
        json.loads((tmp_path / n / "workspace.json").read_text()) for n in ("work", "copy")
    )
    assert [(run["run"], run["last_version"], run["reason"]) for run in work["runs"]] == [
        (1, 2, "june")
    ]
    assert work["forked_from"] is None
    assert copy["forked_from"] == {"workspace": "work", "version": 9, "run": 2}

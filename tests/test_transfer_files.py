"""Exports and imports: readable, whole or not at all, and back again without loss."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.place import Place

from safepoint import (
    Actor,
    Conflict,
    Decision,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PlannedStep,
    Store,
    Unavailable,
    Unsupported,
)
from safepoint.testing.faults import Crash, Fault, FaultyObjects
from safepoint.transfer import (
    export_store,
    export_workspace,
    import_checkpoint,
    import_workspace,
)
from safepoint.transfer.files import whole_folder

pytestmark = pytest.mark.anyio

BIG = 2**200 + 1
TIMES = {
    "version", "saved_at", "saved_by", "started_at", "finished_at", "lease_until", "retry_at",
    "holder", "attempts", "idempotency_key", "exported_at", "run", "name", "latest_checkpoint",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def fill(store: Store, place: Place) -> None:
    trip = store.workspace("trip")
    plan = [PlannedStep("book", "Book it"), PlannedStep("pay", after=("book",)), PlannedStep("go")]
    await trip.plan_steps(plan, goal="Everybody is there")
    await trip.save({"z": BIG, "a": [1.5, None, "ä\n"]}, label="Half way! / ..", next_action="pay")
    started = await trip.start_step("book", input={"seat": 1})
    await trip.mark_step_done(
        "book", fencing_token=started.fencing_token, result={"ref": BIG}, patch={"page": 2}
    )
    first = await trip.start_step("pay")
    await trip.mark_step_done(
        "pay", status="failed", error="card", fencing_token=first.fencing_token, result=[1]
    )
    await trip.start_step("pay")
    await trip.mark_step_done("go", status="skipped", result=None, summary="no need")
    place.now += timedelta(hours=1)
    await trip.save(kind="milestone", summary="paid", step="pay")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


async def test_an_export_is_readable(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        await fill(store, place)
        done = await export_workspace(store, "trip", tmp_path / "out")
    assert (done.version, done.checkpoints, done.steps) == (9, 3, 3)
    assert sorted(files(tmp_path / "out")) == [
        "checkpoints/00000002-half-way.json",
        "checkpoints/00000004.json",
        "checkpoints/00000009.json",
        "history.jsonl",
        "steps.json",
        "workspace.json",
    ]
    told = json.loads((tmp_path / "out/workspace.json").read_bytes())
    assert (told["name"], told["goal"], told["status"]) == ("trip", "Everybody is there", "active")
    assert told["latest_checkpoint"] == "checkpoints/00000009.json"
    half = json.loads((tmp_path / "out/checkpoints/00000002-half-way.json").read_bytes())
    assert list(half["state"]) == ["z", "a"]
    assert half["state"]["z"] == BIG
    assert half["label"] == "Half way! / .."
    steps = {s["name"]: s for s in json.loads((tmp_path / "out/steps.json").read_bytes())["steps"]}
    assert steps["book"]["result"] == {"ref": BIG}
    assert (steps["pay"]["status"], steps["pay"]["attempts"]) == ("interrupted", 2)
    assert steps["go"]["result"] is None
    lines = (tmp_path / "out/history.jsonl").read_bytes().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["version"] for event in events] == list(range(1, 10))
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


async def test_with_latest_only_the_newest_checkpoint_is_there(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out", latest=True)
        await import_workspace(store, tmp_path / "out", name="again")
        assert (await store.workspace("again").load()).state == (
            await store.workspace("trip").load()
        ).state
    assert [p.name for p in (tmp_path / "out/checkpoints").iterdir()] == ["00000009.json"]


async def test_a_whole_store_is_a_folder_for_each_workspace(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        await fill(store, place)
        await store.workspace("../Ü|x").save(1)
        done = await export_store(store, tmp_path / "out")
        listed = json.loads((tmp_path / "out/store.json").read_bytes())["workspaces"]
        assert {one["name"]: one["folder"] for one in listed} == {
            one.name: one.folder.name for one in done
        }
        for one in listed:
            await import_workspace(store, tmp_path / "out" / one["folder"], name=one["name"] + "2")
        assert (await store.workspace("../Ü|x2").load()).state == 1
        with pytest.raises(InvalidInput, match="whole store"):
            await import_workspace(store, tmp_path / "out")
        await export_store(store, tmp_path / "out", force=True)
    assert len(list((tmp_path / "out").iterdir())) == 5


async def test_a_folder_that_holds_something_is_not_written_to(
    place: Place, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", out)
        with pytest.raises(Conflict, match="not empty"):
            await export_workspace(store, "trip", out)
        (out / "checkpoints" / "old.json").write_text("{}")
        await export_workspace(store, "trip", out, force=True)
        assert not (out / "checkpoints" / "old.json").exists()
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "thesis.txt").write_text("two years")
        with pytest.raises(Conflict, match="something else"):
            await export_workspace(store, "trip", mine, force=True)
        with pytest.raises(Conflict, match="is a file"):
            await export_workspace(store, "trip", mine / "thesis.txt", force=True)
    assert files(mine) == {"thesis.txt": b"two years"}


async def test_an_export_that_fails_leaves_nothing(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        await fill(store, place)
    places = set(tmp_path.iterdir())
    for at in range(100):
        faulty = FaultyObjects(place.objects, {at: Fault.CRASH_BEFORE})
        crashed = False
        try:
            async with place.process(faulty) as store:
                await export_workspace(store, "trip", tmp_path / "out")
        except Crash:
            crashed = True
        if not crashed:
            break
        assert set(tmp_path.iterdir()) == places
    assert at > 5
    assert len(files(tmp_path / "out")) == 6


async def test_what_is_not_there_cannot_be_exported(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        with pytest.raises(NotFound):
            await export_workspace(store, "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_an_import_makes_a_workspace_that_goes_on(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        done = await import_workspace(store, tmp_path / "out", name="trip 2")
        again = store.workspace("trip 2")
        assert (await again.load()).state == {"z": BIG, "a": [1.5, None, "ä\n"], "page": 2}
        assert (await again.load(label="Half way! / ..")).brief.next_action == "pay"
        assert (await again.start_step("book", input={"other": 1})).result == {"ref": BIG}
        (_, pay, _) = (await again.steps()).items
        assert (pay.error, pay.retryable, pay.result, pay.attempts) == ("card", True, [1], 2)
        (doubt,) = done.in_doubt
        assert (doubt.step, doubt.old_key, doubt.new_key) == ("pay", "trip:1:pay", "trip 2:1:pay")
        place.now += timedelta(seconds=2)
        started = await again.start_step("pay")
        assert started.decision is Decision.RUN
        assert "its effect may have happened" in started.advice
        origin = {event.actor.transport for event in (await again.history(limit=100)).items[1:]}
        assert len(origin) == 1
        assert origin.pop().startswith("import of trip@9 (")


async def test_an_import_waits_for_the_same_approvals_and_times(
    place: Place, tmp_path: Path
) -> None:
    later = place.now + timedelta(days=1)
    steps = [
        PlannedStep("done", needs_approval=("first",)),
        PlannedStep("ship", needs_approval=("deploy",)),
        PlannedStep("report", wake_at=later),
    ]
    async with place.process() as store:
        trip = store.workspace("trip")
        await trip.plan_steps(steps)
        for name in ("first", "deploy"):
            await trip.approvals.request(name, "May I?")
            await trip.approvals.decide(name, "approve", by=Actor("ann"))
        started = await trip.start_step("done")
        await trip.mark_step_done("done", fencing_token=started.fencing_token)
        await export_workspace(store, "trip", tmp_path / "out")
        await import_workspace(store, tmp_path / "out", name="trip 2")
        again = store.workspace("trip 2")
        assert (await again.start_step("done")).decision is Decision.SKIP
        blocked = await again.start_step("ship")
        assert [(one.name, one.status) for one in blocked.approvals] == [("deploy", "missing")]
        assert (await again.start_step("report")).wait_until == later


async def test_an_import_never_touches_a_workspace_that_is_there(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        with pytest.raises(Conflict) as caught:
            await import_workspace(store, tmp_path / "out")
        assert caught.value.code == "workspace_exists"
        assert (await store.workspace("trip").load()).version == 9


async def test_an_import_that_was_stopped_goes_on_where_it_was(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        whole = await import_workspace(store, tmp_path / "out", name="whole")
        expected = await store.workspace("whole").load()
    for at in range(200):
        name = f"trip {at}"
        faulty = FaultyObjects(place.objects, {at: Fault.CRASH_AFTER})
        crashed = False
        try:
            async with place.process(faulty) as store:
                await import_workspace(store, tmp_path / "out", name=name)
        except Crash:
            crashed = True
        async with place.process() as store:
            done = await import_workspace(store, tmp_path / "out", name=name)
            assert (done.version, done.repeated) == (whole.version, done.repeated)
            assert (await store.workspace(name).load()).state == expected.state
            assert (await import_workspace(store, tmp_path / "out", name=name)).repeated
        if not crashed:
            break
    assert at > whole.version


@pytest.mark.parametrize(
    ("file", "changes", "error"),
    [
        ("workspace.json", {"kind": "something"}, InvalidInput),
        ("workspace.json", {"format": 2}, Unsupported),
        ("workspace.json", {"name": ""}, InvalidInput),
        ("workspace.json", {"goal": ["x"]}, InvalidInput),
        ("steps.json", {"steps": {}}, InvalidInput),
        ("steps.json", {"steps": [{"name": "a", "status": "odd"}]}, InvalidInput),
        ("steps.json", {"steps": [{"name": "a", "status": "pending"}] * 2}, InvalidInput),
        (
            "steps.json",
            {"steps": [{"name": "a", "status": "pending", "after": ["b"]}]},
            InvalidInput,
        ),
        ("checkpoints/00000009.json", {"label": 7}, InvalidInput),
        ("checkpoints/00000009.json", {"label": "x" * 300}, LimitExceeded),
        ("checkpoints/00000009.json", {"checkpoint": "big"}, InvalidInput),
        ("checkpoints/00000009.json", {"version": -1}, InvalidInput),
        ("checkpoints/00000009.json", {"state": "x" * 17 * 1024 * 1024}, LimitExceeded),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_files_that_cannot_be_imported_leave_nothing_behind(
    place: Place, tmp_path: Path, file: str, changes: dict[str, Any], error: type[Exception]
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        edit(tmp_path / "out" / file, **changes)
        with pytest.raises(error):
            await import_workspace(store, tmp_path / "out", name=changes.get("name", "new"))
        (tmp_path / "out" / file).write_text('{"a":')
        with pytest.raises(InvalidInput, match="is not JSON"):
            await import_workspace(store, tmp_path / "out", name="new")
        (tmp_path / "out" / "workspace.json").unlink()
        with pytest.raises(InvalidInput):
            await import_workspace(store, tmp_path / "out", name="new")
        assert [info.name for info in (await store.workspaces()).items] == ["trip"]


async def test_an_edited_state_becomes_a_checkpoint_of_the_workspace(
    place: Place, tmp_path: Path
) -> None:
    newest = tmp_path / "out" / "checkpoints" / "00000009.json"
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        assert await import_checkpoint(store, tmp_path / "out", "trip") is None
        edit(newest, state={"page": "corrected"}, next_action="go on")
        me = Actor("ann")
        saved = await import_checkpoint(store, tmp_path / "out", "trip", label="mine", actor=me)
        assert saved is not None
        assert saved.version == 10
        now = await store.workspace("trip").load(label="mine")
        assert now.state == {"page": "corrected"}
        assert (now.brief.next_action, now.brief.summary) == ("go on", "paid")
        assert now.brief.saved_by is not None
        assert now.brief.saved_by.name == "ann"
        assert now.brief.saved_by.transport.startswith("import of trip@9")


async def test_a_workspace_that_went_on_since_the_export_is_not_set_back(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        await store.workspace("trip").save({"page": "newer"})
        with pytest.raises(Conflict, match="version 9 was expected") as caught:
            await import_checkpoint(store, tmp_path / "out", "trip")
        assert caught.value.code == "version_conflict"
        assert await import_checkpoint(store, tmp_path / "out", "trip", force=True) is not None
        assert (await store.workspace("trip").load()).version == 11


async def test_the_state_of_another_workspace_is_not_taken_by_mistake(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await fill(store, place)
        await store.workspace("other").save(1)
        await export_workspace(store, "trip", tmp_path / "out")
        with pytest.raises(InvalidInput) as caught:
            await import_checkpoint(store, tmp_path / "out", "other")
        assert caught.value.code == "another_workspace"
        with pytest.raises(NotFound):
            await import_checkpoint(store, tmp_path / "out", "nothing")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**90), 2**90) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
STEPS = ["a", "b/../c", "ü", "d" * 60]
COMMANDS = st.one_of(
    st.tuples(
        st.just("save"),
        st.one_of(st.just(...), JSON),
        st.none() | st.text(min_size=1, max_size=9),
        st.sampled_from([None, "", "x", "y"]),
        st.sampled_from([None, "", "x", "y"]),
        st.sampled_from(["step", "milestone"]),
    ),
    st.tuples(st.just("plan"), st.sampled_from(STEPS), st.sets(st.sampled_from(STEPS), max_size=2)),
    st.tuples(st.just("goal"), st.text(max_size=5)),
    st.tuples(st.just("start"), st.sampled_from(STEPS)),
    st.tuples(
        st.just("mark"),
        st.sampled_from(STEPS),
        st.sampled_from(["done", "failed", "skipped"]),
        st.one_of(st.just(...), JSON),
        st.booleans(),
    ),
    st.tuples(st.just("wait"), st.integers(1, 600)),
)


async def act(store: Store, place: Place, name: str, command: tuple[Any, ...]) -> None:
    work = store.workspace(name)
    tokens = {s.name: s.fencing_token for s in (await work.steps()).items}
    match command:
        case ("save", state, label, summary, action, kind):
            given = {} if state is ... else {"state": state}
            await work.save(**given, label=label, summary=summary, next_action=action, kind=kind)
        case ("plan", step, after):
            await work.plan_steps([PlannedStep(step, after=tuple(sorted(after)))])
        case ("goal", goal):
            await work.plan_steps([], goal=goal)
        case ("start", step):
            await work.start_step(step)
        case ("mark", step, status, result, more):
            given = {} if result is ... else {"result": result}
            failed = {"error": "e" if more else None, "retryable": more}
            await work.mark_step_done(
                step,
                status=status,
                fencing_token=tokens.get(step),
                patch={"marked": step} if more else {},
                **given,
                **(failed if status == "failed" else {}),
            )
        case ("wait", seconds):
            place.now += timedelta(seconds=seconds)


def comparable(folder: Path) -> list[Any]:
    """What the files say, without what belongs to the import: times, versions, attempts, actors."""

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kept = {k: plain(v) if k != "state" else v for k, v in value.items() if k not in TIMES}
        if kept.get("status") == "running":
            kept["status"] = "interrupted"
        if "steps" in kept and isinstance(kept["steps"], list):
            kept["steps"] = [plain(step) for step in kept["steps"]]
        if kept.get("kind") == "safepoint workspace":
            del kept["progress"]
        return kept

    paths = [folder / "workspace.json", folder / "steps.json"]
    paths += sorted((folder / "checkpoints").iterdir())
    return [(path.name[8:], plain(json.loads(path.read_bytes()))) for path in paths]


@given(st.lists(COMMANDS, min_size=6, max_size=30))
def test_exported_imported_and_exported_again_it_says_the_same(
    happened: list[tuple[Any, ...]],
) -> None:
    async def run(folder: Path) -> None:
        place = Place(folder)
        async with place.process() as store:
            await store.workspace("w").plan_steps(STEPS)
            for command in happened:
                try:
                    await act(store, place, "w", command)
                except (Conflict, InvalidInput, NotFound):
                    continue
            await export_workspace(store, "w", folder / "one")
            await import_workspace(store, folder / "one", name="w2")
            await export_workspace(store, "w2", folder / "two")
            first, second = comparable(folder / "one"), comparable(folder / "two")
            assert second == first
            assert [
                i.sha256 for i in (await store.workspace("w2").checkpoints(limit=99)).items
            ] == [i.sha256 for i in (await store.workspace("w").checkpoints(limit=99)).items]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_an_export_that_is_cancelled_at_its_end_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving, removing = threading.Event(), threading.Event()
    rename, remove = Path.rename, shutil.rmtree

    def slow_rename(self: Path, target: Path) -> Path:
        moving.set()
        removing.wait(0.3)  # what a thread might meet
        return rename(self, target)

    def slow_remove(path: Path, **options: Any) -> None:
        if path.exists():
            (path / "0").unlink()
            removing.set()
            time.sleep(0.1)
            remove(path, **options)

    async def export() -> None:
        async with whole_folder(tmp_path / "out", force=False) as fresh:
            for number in range(50):
                (fresh / str(number)).write_text("all")
            monkeypatch.setattr(Path, "rename", slow_rename)
            monkeypatch.setattr(shutil, "rmtree", slow_remove)

    exporting = asyncio.create_task(export())
    while not (moving.is_set() or exporting.done()):
        await asyncio.sleep(0.01)
    exporting.cancel()
    await asyncio.wait({exporting})
    await asyncio.sleep(0.2)
    there = tmp_path / "out"
    assert not there.exists() or len(list(there.iterdir())) == 50
    assert set(tmp_path.iterdir()) <= {there}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")
@pytest.mark.parametrize("kind", ["pipe", "link"])
async def test_an_import_reads_ordinary_files_only(place: Place, tmp_path: Path, kind: str) -> None:
    async with place.process() as store:
        await fill(store, place)
        await export_workspace(store, "trip", tmp_path / "out")
        steps = tmp_path / "out" / "steps.json"
        (tmp_path / "elsewhere.json").write_bytes(steps.read_bytes())
        steps.unlink()
        if kind == "pipe":
            os.mkfifo(steps)
        else:
            steps.symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises((InvalidInput, Unavailable), match=r"steps\.json"):
            await import_workspace(store, tmp_path / "out", name="new")


async def test_nothing_is_imported_under_the_name_of_a_deleted_workspace(place: Place) -> None:
    async with place.process() as store:
        await store.workspace("work").save({"n": 1})
        await export_workspace(store, "work", place.folder / "exported")
        await store.delete("work")
        with pytest.raises(Conflict, match="was deleted") as caught:
            await import_workspace(store, place.folder / "exported")
        assert caught.value.code == "workspace_deleted"
        again = await import_workspace(store, place.folder / "exported", name="again")
        assert (await store.workspace(again.name).load()).state == {"n": 1}

"""Compare, fork, rewind and new runs through the public library, in memory and on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    RetentionPolicy,
    Store,
    Workspace,
)
from safepoint.brief import LONG_RUN_VERSIONS
from safepoint.format.keys import artifacts_folder, log_key
from safepoint.log.transitions.runs import KEPT_RUNS
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import CountingObjects, GatedObjects

pytestmark = pytest.mark.anyio

BIG = 12345678901234567890123


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, LocalObjects(tmp_path / "store") if request.param == "disk" else None)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.process() as opened:
        yield opened


@pytest.fixture
async def work(store: Store) -> Workspace:
    """1 plan, 2 save 'first', 3 start fetch, 4 fetch done with a new state."""
    work = store.workspace("work")
    await work.plan_steps(["fetch", "send"], goal="Mail everybody")
    await work.save({"z": 1, "a": {"n": BIG}, "log": ["x"]}, label="first", summary="begun")
    await run_step(work, "fetch", patch={"log": ["x", "y"]})
    return work


async def run_step(work: Workspace, step: str, **more: object) -> int:
    token = (await work.start_step(step)).fencing_token
    assert token is not None
    await work.mark_step_done(step, fencing_token=token, result={"rows": 7}, **more)
    return token


async def test_by_default_the_checkpoint_before_is_compared_with_now(work: Workspace) -> None:
    found = await work.compare()
    assert (found.from_version, found.to_version) == (2, 4)
    (change,) = found.state.items
    assert (change.kind, change.path, change.new) == ("added", "/log/1", '"y"')
    (step,) = found.steps.items
    assert (step.path, step.old, step.new) == (
        "fetch", "pending", 'done, 1 attempt, result {"rows":7}',
    )  # fmt: skip
    assert not found.same


async def test_any_two_versions_or_labels_can_be_compared_either_way(work: Workspace) -> None:
    there, back = await work.compare("first", 4), await work.compare(4, "first")
    assert (there.state.added, back.state.removed) == (1, 1)
    assert (await work.compare(3, 3)).same
    assert (await work.compare(1, 2)).fields.added == 2


async def test_what_cannot_be_compared_is_said(work: Workspace, store: Store) -> None:
    with pytest.raises(NotFound, match="no version 9"):
        await work.compare(9)
    with pytest.raises(NotFound, match="labelled 'frist'"):
        await work.compare("frist")
    with pytest.raises(NotFound, match="no checkpoint before version 2"):
        await work.compare(None, 2)
    with pytest.raises(NotFound, match="no workspace"):
        await store.workspace("none").compare()


async def test_a_rewind_is_a_new_version_and_all_between_can_still_be_loaded(
    work: Workspace,
) -> None:
    done = await work.rewind(label="first", reason="wrong pages")
    assert (done.version, done.to_version, done.run) == (5, 2, 1)
    now = await work.load()
    assert now.state == {"z": 1, "a": {"n": BIG}, "log": ["x"]}
    assert list(now.state) == ["z", "a", "log"]
    assert now.brief.pending == ("fetch", "send")
    assert "may have had an effect already ('fetch')" in (now.brief.advice or "")
    assert (await work.load(version=4)).brief.done == ("fetch",)
    events = (await work.history(limit=1)).items
    assert events[0].detail == {
        "to": 2, "reason": "wrong pages", "state_bytes": len(now.state_json),
    }  # fmt: skip


async def test_a_rehearsed_rewind_says_the_same_and_changes_nothing(work: Workspace) -> None:
    rehearsed = await work.rewind(version=2, dry_run=True)
    assert (await work.load()).version == 4
    assert rehearsed == await work.rewind(version=2)


async def test_a_rewind_that_expected_another_version_tells_what_came_between(
    work: Workspace,
) -> None:
    await work.save(patch={"more": 1}, label="theirs")
    with pytest.raises(Conflict, match="Since then: 5 save 'theirs' by tester"):
        await work.rewind(version=2, expected_version=4)


@pytest.mark.parametrize("arguments", [{}, {"version": 2, "label": "first"}])
async def test_a_rewind_needs_one_place_to_go_to(
    work: Workspace, arguments: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput, match="version and label"):
        await work.rewind(**arguments)


async def test_a_fork_is_a_workspace_of_its_own(work: Workspace, store: Store) -> None:
    made = await work.fork("copy", label="first", reason="another way")
    assert (made.workspace, made.version) == ("copy", 1)
    assert (made.origin, made.origin_version, made.origin_run) == ("work", 2, 1)
    assert [effect.step for effect in made.effects] == ["fetch"]
    copy = store.workspace("copy")
    await copy.save(patch={"z": 2})
    assert (await copy.load()).state == {"z": 2, "a": {"n": BIG}, "log": ["x"]}
    assert (await work.load()).state["z"] == 1
    assert (await work.load()).version == 5
    (event,) = (await work.history(limit=1)).items
    assert (event.kind, event.detail["to"], event.detail["version"]) == ("forked", "copy", 2)
    assert (await copy.load(version=1)).brief.next_step == "fetch"


async def test_a_fork_is_sealed_under_keys_of_its_own(work: Workspace, place: Place) -> None:
    await work.fork("copy")
    record = await place.objects.get(log_key("work", 5))
    assert record is not None
    async with place.process() as other:
        theirs = other.workspace("copy")
        assert (await theirs.load()).version == 1
        copied = await place.objects.get(log_key("copy", 1))
        assert copied is not None
        await place.objects.delete(log_key("copy", 1))
        await place.objects.put(log_key("copy", 1), record)
    async with place.process() as other:
        with pytest.raises(Damaged):
            await other.workspace("copy").load()


async def test_files_go_along_as_they_were_at_that_version(
    work: Workspace, store: Store, place: Place
) -> None:
    await work.artifacts.save("notes.txt", b"one", summary="draft")
    await work.artifacts.save("big.bin", bytes(3_000_000))
    version = (await work.load()).version
    await work.artifacts.save("notes.txt", b"two")
    await work.artifacts.save("later.txt", b"x")
    made = await work.fork("copy", version=version)
    assert made.artifacts == 2
    copy = store.workspace("copy")
    assert await copy.artifacts.load("notes.txt") == b"one"
    assert await copy.artifacts.load("big.bin") == bytes(3_000_000)
    info = await copy.artifacts.info("notes.txt")
    assert (info.revision, info.version, info.summary) == (1, 1, "draft")
    with pytest.raises(NotFound):
        await copy.artifacts.info("later.txt")
    names = await place.objects.list(artifacts_folder("copy"))
    assert len(names) == 2


async def test_a_rewind_brings_files_back_and_keeps_what_came_since(work: Workspace) -> None:
    await work.artifacts.save("notes.txt", b"one")
    version = (await work.load()).version
    await work.artifacts.save("notes.txt", b"two")
    await work.artifacts.save("later.txt", b"x")
    await work.rewind(version=version)
    assert await work.artifacts.load("notes.txt") == b"one"
    assert await work.artifacts.load("notes.txt", revision=2) == b"two"
    with pytest.raises(NotFound):
        await work.artifacts.info("later.txt")
    found = await work.compare(version, None)
    assert found.artifacts.total == 0


async def test_forking_again_answers_the_same_also_when_both_went_on(
    work: Workspace, store: Store
) -> None:
    first = await work.fork("copy")
    await work.save(patch={"later": 1})
    await store.workspace("copy").save({"own": 1})
    again = await work.fork("copy")
    assert again.repeated
    assert (again.version, again.origin_version) == (first.version, first.origin_version)
    assert (again.state_bytes, again.effects) == (first.state_bytes, first.effects)
    assert (await work.load()).version == 6


async def test_a_name_that_is_taken_is_a_conflict_and_changes_neither(
    work: Workspace, store: Store
) -> None:
    await store.workspace("taken").save({})
    await work.fork("copy", version=2)
    for name, version in (("taken", None), ("copy", 3)):
        with pytest.raises(Conflict) as caught:
            await work.fork(name, version=version)
        assert caught.value.code == "workspace_exists"
    assert (await store.workspace("taken").load()).version == 1
    assert (await work.load()).version == 5


@pytest.mark.parametrize("name", ["work", "", "x" * 1001])
async def test_a_fork_needs_a_name_of_its_own(work: Workspace, name: str) -> None:
    with pytest.raises(InvalidInput):
        await work.fork(name)


async def test_two_that_fork_at_once_make_one_fork(place: Place, work: Workspace) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as quick:
        gate = gated.hold("put", log_key("copy", 1))
        forking = asyncio.create_task(slow.workspace("work").fork("copy", version=4))
        await gate.reached.wait()
        first = await quick.workspace("work").fork("copy", version=4)
        gate.open()
        second = await forking
    assert (first.repeated, second.repeated) == (False, True)
    kinds = [event.kind for event in (await work.history()).items]
    assert kinds.count("forked") == 1


async def test_a_new_run_starts_with_what_is_carried(work: Workspace) -> None:
    made = await work.start_new_run(carry=["z", "a"], reason="next week", run=1)
    assert (made.run, made.version) == (2, 5)
    now = await work.load()
    assert now.state == {"z": 1, "a": {"n": BIG}}
    assert (now.brief.run, now.brief.progress.total, now.brief.goal) == (2, 0, "Mail everybody")
    assert (await work.start_step("fetch")).idempotency_key == "work:2:fetch"
    assert (await work.start_new_run(carry=["z", "a"], run=1)).repeated


async def test_earlier_runs_stay_readable(work: Workspace) -> None:
    await work.start_new_run(reason="done with it")
    await work.start_new_run(state={"n": 1})
    runs = [(r.run, r.first_version, r.last_version, r.done) for r in await work.runs()]
    assert runs == [(3, 6, 6, 0), (2, 5, 5, 0), (1, 1, 4, 1)]
    assert [one.run for one in (await work.checkpoints()).items] == [3, 2, 1, 1]
    assert (await work.load(version=4)).brief.done == ("fetch",)
    assert (await work.runs())[2].reason == "done with it"


async def test_of_an_earlier_run_state_and_files_come_back(work: Workspace) -> None:
    await work.start_new_run(carry="nothing")
    assert (await work.load()).state is None
    done = await work.rewind(version=4)
    assert (done.run, done.to_run) == (2, 1)
    now = await work.load()
    assert now.state["log"] == ["x", "y"]
    assert now.brief.progress.total == 0


@pytest.mark.parametrize("carry", ["all", [1]])
async def test_what_to_carry_has_to_make_sense(work: Workspace, carry: object) -> None:
    with pytest.raises(InvalidInput, match="carry is"):
        await work.start_new_run(carry=carry)


async def test_a_state_and_keys_to_carry_exclude_each_other(work: Workspace) -> None:
    with pytest.raises(InvalidInput, match="exclude"):
        await work.start_new_run(carry=["z"], state={})


async def test_somebody_at_work_holds_a_new_run_up(work: Workspace, place: Place) -> None:
    await work.start_step("send", lease=timedelta(minutes=1))
    with pytest.raises(Conflict) as caught:
        await work.start_new_run()
    assert caught.value.code == "steps_running"
    place.now += timedelta(minutes=2)
    assert (await work.start_new_run()).effects[0].step == "send"


async def test_a_workspace_that_does_not_exist_has_no_runs_forks_or_past(store: Store) -> None:
    nobody = store.workspace("nobody")
    for call in (
        nobody.runs(),
        nobody.start_new_run(),
        nobody.rewind(version=1),
        nobody.fork("copy"),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.code == "workspace_not_found"


async def test_a_run_that_grew_long_is_advised_to_end(store: Store) -> None:
    work = store.workspace("work")
    for number in range(LONG_RUN_VERSIONS - 1):
        await work.save(number)
    assert (await work.load()).brief.advice is None
    await work.save(0)
    advice = (await work.load()).brief.advice
    assert advice is not None
    assert "start_new_run" in advice
    assert (await work.load(version=5)).brief.advice is None
    await work.start_new_run()
    assert (await work.load()).brief.advice is None


async def test_what_it_costs(place: Place, work: Workspace) -> None:
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        mine = store.workspace("work")
        await mine.load(version=2)
        counting.clear()
        await mine.rewind(version=2)
        assert counting.count("put") == 1
        counting.clear()
        await mine.start_new_run()
        assert counting.count("put") == 1
        counting.clear()
        await mine.fork("copy")
        assert counting.count("put") == 3


async def test_what_was_pruned_cannot_be_gone_back_to(store: Store, place: Place) -> None:
    work = store.workspace("work")
    for number in range(600):
        await work.save(number)
    place.now += timedelta(days=2)
    await work.retention.prune(RetentionPolicy(keep_last=10))
    for call in (work.rewind(version=5), work.fork("copy", version=5), work.compare(5)):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.code == "pruned"
    assert (await work.compare()).from_version == 600  # 601 pruned


async def test_each_run_that_is_listed_has_its_own_versions(store: Store) -> None:
    work = store.workspace("work")
    await work.save(0)
    for number in range(KEPT_RUNS + 1):
        await work.start_new_run(state=number)
    runs = await work.runs()
    assert len(runs) == KEPT_RUNS
    assert all(one.first_version == one.last_version for one in runs)

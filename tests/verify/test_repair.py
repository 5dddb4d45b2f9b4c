"""Repair: nothing intact is lost, nothing is deleted, and the workspace goes on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.conftest import CAMPAIGN
from tests.place import Place
from tests.verify.broken import (
    NAME,
    VERSIONS,
    WAYS,
    Objects,
    Whole,
    everything,
    fill,
    gone,
    in_memory,
    left_of,
    readable,
    record,
    whole_store,
)

from safepoint import Damaged, RepairReport, Unavailable
from safepoint.format.keys import keys_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects, GatedObjects, Operation

T = TypeVar("T")
pytestmark = pytest.mark.anyio

SLOW: Any = settings(
    max_examples=8 * CAMPAIGN,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example takes a second: none is shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def whole(place: Place) -> Whole:
    return asyncio.run(whole_store(place))


async def goes_on(
    place: Place, objects: ObjectStore, whole: Whole, damaged: list[int], report: RepairReport
) -> None:
    """Everything that was intact is there, verify is content, and new versions come after all."""
    left = left_of(VERSIONS, damaged)
    async with place.process(objects, create=False) as store:
        work = store.workspace(NAME)
        newest = await work.load()
        assert newest.state == whole.states[left[-1]]
        assert newest.version == (VERSIONS if left[-1] == VERSIONS else VERSIONS + 1)
        near = {v for bad in damaged for v in range(bad - 3, bad + 4)} | {1, 256, 257, VERSIONS}
        asked = sorted(v for v in near if 1 <= v <= VERSIONS)
        assert await readable(store, asked) == {v: whole.states[v] for v in asked if v in left}
        labels = [c.label for c in (await work.checkpoints(limit=1000)).items if c.label]
        assert set(labels) >= {f"save {n}" for n in range(50, VERSIONS + 1, 50) if n in left}
        assert len((await work.history(limit=1000)).items) == newest.version
        for number in range(20):
            await work.save({"after": number})
        checked = await store.verify()
        assert (checked.problems, checked.unread) == ((), ())
        assert checked.lost == len(damaged)
    async with place.process(objects, create=False) as store:
        again = await store.workspace(NAME).repair()
        assert not again.changed
        loaded = await store.workspace(NAME).load()
        assert (loaded.version, loaded.state) == (newest.version + 20, {"after": 19})


@SLOW
@given(
    way=st.sampled_from(sorted(WAYS)),
    versions=st.one_of(
        st.lists(st.integers(1, VERSIONS - 1), min_size=1, max_size=3, unique=True),
        st.sampled_from([[513], [528], [529], [VERSIONS - 1, 513], [257], [1, 256]]),
    ),
    seed=st.integers(0, 10_000),
)
def test_after_a_repair_nothing_intact_is_lost(
    place: Place, whole: Whole, way: str, versions: list[int], seed: int
) -> None:
    async def check() -> None:
        objects = whole.objects
        for version in versions:
            objects = WAYS[way](objects, record(version), seed)
        memory = await in_memory(objects)
        async with place.process(memory, create=False) as store:
            planned = await store.workspace(NAME).repair(dry_run=True)
            assert await everything(memory) == sorted(objects)
            report = await store.workspace(NAME).repair()
        left = left_of(VERSIONS, versions)
        lost = sorted(set(range(1, VERSIONS + 1)) - set(left))
        assert [v for first, last in report.lost for v in range(first, last + 1)] == lost
        assert planned.lost == report.lost
        assert (report.restored, report.version) == (
            (None, None) if left[-1] == VERSIONS else (left[-1], VERSIONS + 1)
        )
        assert sorted(key for key, _ in report.aside) == sorted(map(record, versions))
        for key, kept in report.aside:
            assert (await memory.get(kept) if kept else None) == objects.get(key)
        for key, data in whole.objects.items():
            if key not in map(record, versions):
                assert await memory.get(key) == data
        await goes_on(place, memory, whole, versions, report)

    asyncio.run(check())


async def test_a_damaged_head_is_restored_from_the_version_before_it(
    place: Place, whole: Whole
) -> None:
    memory = await in_memory(WAYS["flipped"](whole.objects, record(VERSIONS), 9999))
    async with place.process(memory, create=False) as store:
        work = store.workspace(NAME)
        with pytest.raises(Damaged) as caught:
            await work.load()
        assert f"safepoint verify {NAME} --repair" in caught.value.hint
        report = await work.repair()
        assert (report.restored, report.version) == (VERSIONS - 1, VERSIONS + 1)
        assert (await work.load()).state == whole.states[VERSIONS - 1]
        newest = (await work.history(limit=2)).items
        assert [event.kind for event in newest] == ["repair", "lost"]
        assert newest[0].detail["restored"] == VERSIONS - 1
        assert newest[0].detail["lost"] == [[VERSIONS, VERSIONS]]
        with pytest.raises(Damaged, match="gave it up") as lost:
            await work.load(version=VERSIONS)
        assert lost.value.code == "lost_version"


async def test_the_repair_works_on_disk_as_it_does_in_memory(
    place: Place, whole: Whole, tmp_path: Path
) -> None:
    damaged = [40, 513]
    objects = WAYS["flipped"](whole.objects, record(40), 100)
    await fill(LocalObjects(tmp_path), gone(objects, record(513), 0))
    disk = LocalObjects(tmp_path)
    async with place.process(disk, create=False) as store:
        report = await store.workspace(NAME).repair()
    await goes_on(place, LocalObjects(tmp_path), whole, damaged, report)


async def test_a_workspace_of_which_nothing_is_intact_is_left_as_it_is(
    place: Place, whole: Whole
) -> None:
    few = {k: d for k, d in whole.objects.items() if k not in map(record, range(6, VERSIONS + 1))}
    for key in (record(1), keys_key(NAME, 1)):
        memory = await in_memory(WAYS["flipped"](few, key, 300))
        before = await everything(memory)
        async with place.process(memory, create=False) as store:
            with pytest.raises(Damaged) as caught:
                await store.workspace(NAME).repair()
            assert caught.value.code == "nothing_intact"
        assert await everything(memory) == before


async def steps_and_damage(place: Place, versions: dict[str, int]) -> Objects:
    """A workspace in which `send` ran and `ship` was planned in versions that are damaged then."""
    async with place.process() as store:
        work = store.workspace(NAME)
        await work.plan_steps(["send", "sweep"])
        await work.save({"n": 2})
        token = (await work.start_step("send")).fencing_token
        await work.mark_step_done("send", fencing_token=token)
        await work.start_step("ship")
        keys = await everything(store.objects)
        return {key: await store.objects.get(key) or b"" for key in keys}


async def test_steps_that_ran_in_lost_versions_say_so_when_they_are_started(tmp_path: Path) -> None:
    """Version 3 is damaged: it is part of 4. The records of 4 and 5 still tell what happened."""
    place = Place(tmp_path)
    objects = await steps_and_damage(place, {})
    memory = await in_memory(WAYS["flipped"](objects, record(3), 200))
    memory = await in_memory(
        {**{k: await memory.get(k) or b"" for k in await everything(memory)}, record(5): b"broken"}
    )
    async with place.process(memory, create=False) as store:
        work = store.workspace(NAME)
        report = await work.repair()
        assert report.restored == 2
        assert "version 4: done 'send'" in report.known
        for step in ("send", "sweep"):
            started = await work.start_step(step)
            assert "Versions 3 to 5 of the workspace were lost" in started.advice
        assert started.attempt == 1
        assert (await work.load()).brief.next_step is None


async def test_steps_that_no_lost_version_touched_stay_certain(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        work = store.workspace(NAME)
        await work.plan_steps(["send", "sweep"])
        for number in range(2, 256):
            await work.save({"n": number})
        token = (await work.start_step("send")).fencing_token  # 256
        await work.mark_step_done("send", fencing_token=token)  # 257, whole
        await work.save({"n": 258})  # built of 257
        keys = await everything(store.objects)
        objects = {key: await store.objects.get(key) or b"" for key in keys}
    memory = await in_memory({**objects, record(257): objects[record(258)]})
    async with place.process(memory, create=False) as store:
        work = store.workspace(NAME)
        assert (await work.repair()).restored == 256
        assert "lost" in (await work.start_step("sweep")).advice  # 257 does not tell


async def test_versions_that_were_seen_and_are_gone_are_given_up_and_never_used_again(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    seen = tmp_path / "seen"
    async with place.process(seen=seen) as store:
        for number in range(6):
            await store.workspace(NAME).save({"n": number})
    for version in (5, 6):
        await place.objects.delete(record(version))
    async with place.process(seen=seen, create=False) as store:
        work = store.workspace(NAME)
        with pytest.raises(Damaged) as caught:
            await work.load()
        assert caught.value.code == "rolled_back"
        found = await work.verify()
        assert [problem.what for problem in found.problems] == ["rolled_back"]
        report = await work.repair()
        assert (report.restored, report.version, report.lost) == (4, 7, ((5, 6),))
        assert (await work.load()).state == {"n": 3}
    async with place.process(seen=seen, create=False) as store:
        assert (await store.workspace(NAME).save({"n": "on"})).version == 8
        assert (await store.verify()).ok


async def test_a_process_that_had_the_head_in_memory_goes_on_after_the_repair(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    async with place.process() as idle, place.process() as store:
        for number in range(1, 6):
            await idle.workspace(NAME).save({"n": number})
        await place.objects.put(record(5), b"broken")
        await place.objects.put(record(1), b"broken too")
        with pytest.raises(Damaged, match="no version"):
            await store.workspace(NAME).repair()
        for number in range(6, 259):
            await idle.workspace(NAME).save({"n": number})
        await place.objects.put(record(258), b"broken")
        await store.workspace(NAME).repair()
        assert (await idle.workspace(NAME).load()).state == {"n": 257}
        assert (await idle.workspace(NAME).save({"n": "idle"})).version == 260
        assert (await store.workspace(NAME).load()).state == {"n": "idle"}


async def test_a_process_with_older_keys_learns_where_deltas_begin_anew(tmp_path: Path) -> None:
    """257 was the first of its block: what 259 would be a delta of is lost, so 259 is whole."""
    place = Place(tmp_path)
    async with place.process() as idle, place.process() as reader:
        for number in range(1, 259):
            await idle.workspace(NAME).save({"n": number})
        await reader.workspace(NAME).load()
        await place.objects.put(record(257), b"broken")
        async with place.process() as other:
            assert (await other.workspace(NAME).repair()).version == 259
        assert (await idle.workspace(NAME).save({"n": "cut"})).version == 260
        assert (await reader.workspace(NAME).load()).state == {"n": "cut"}
    async with place.process() as fresh:
        assert (await fresh.workspace(NAME).load()).state == {"n": "cut"}
        assert (await fresh.workspace(NAME).load(version=256)).state == {"n": 256}
        assert (await fresh.verify()).ok


async def test_whoever_commits_while_a_repair_is_under_way_wins_and_nothing_forks(
    tmp_path: Path,
) -> None:
    """The writer has everything in memory, so that the damage does not stop it."""
    place = Place(tmp_path)
    gated = GatedObjects(place.objects)
    async with place.process() as writer, place.process(gated) as store:
        for number in range(1, 301):
            await writer.workspace(NAME).save({"n": number})
        await place.objects.put(record(300), b"broken")
        gate = gated.hold("put", record(301))
        repairing = asyncio.create_task(store.workspace(NAME).repair())
        await gate.reached.wait()
        assert (await writer.workspace(NAME).save({"n": "writer"})).version == 301
        gate.open()
        report = await repairing
        assert report.version is None
        assert (await store.workspace(NAME).load()).state == {"n": "writer"}
        assert (await store.verify()).ok


class FaultyChanges(FaultyObjects):
    """Has a fault at its n-th change, counted from 1; `changes` is how many there were."""

    def __init__(self, inner: ObjectStore, fault: Fault, at: int) -> None:
        super().__init__(inner)
        self.fault, self.at, self.changes = fault, at, 0

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        self.changes += operation.verb == "put"
        if operation.verb == "put" and self.changes == self.at:
            self.schedule = {self.operations: self.fault}
        return await super().around(operation, act)


async def stopped_repair(
    place: Place, memory: ObjectStore, seen: Path, fault: Fault, at: int
) -> int:
    """How many changes a repair made, or tried to, until it ended or met the fault."""
    faulty = FaultyChanges(memory, fault, at)
    with contextlib.suppress(Crash, Unavailable):
        async with place.process(faulty, create=False, seen=seen) as store:
            await store.workspace(NAME).repair()
    await faulty.land()
    return faulty.changes


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LATE])
async def test_a_repair_that_stops_anywhere_is_finished_by_a_repeat(
    tmp_path: Path, fault: Fault
) -> None:
    """What new versions would be deltas of is lost, and the newest version is gone altogether."""
    place = Place(tmp_path)
    seen = tmp_path / "seen"
    async with place.process(seen=seen) as store:
        for number in range(1, 261):
            await store.workspace(NAME).save({"n": number})
        keys = await everything(store.objects)
        objects = {key: await store.objects.get(key) or b"" for key in keys}
    objects = {**objects, record(257): b"broken", record(40): b"broken"}
    del objects[record(260)]
    at = 1
    while True:
        memory = await in_memory(objects)
        memories = tmp_path / str(at)
        shutil.copytree(seen, memories)
        changes = await stopped_repair(place, memory, memories, fault, at)
        async with place.process(memory, create=False, seen=memories) as store:
            work = store.workspace(NAME)
            await work.repair()
            assert (await work.load()).state == {"n": 256}
            assert (await work.save({"n": "on"})).version >= 262
            checked = await store.verify()
            assert (checked.problems, checked.unread) == ((), ())
        aside = [key for key in await everything(memory) if key.startswith("damaged/")]
        assert len(aside) == 2
        if changes < at:
            break
        at += 1
    assert at > 8


async def test_a_workspace_that_has_only_keys_has_nothing_to_repair(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        await store.workspace(NAME).save({"n": 1})
    await place.objects.delete(record(1))
    async with place.process() as store:
        assert not (await store.workspace(NAME).repair()).changed
        assert (await store.verify()).ok


async def test_a_stump_is_no_damage_and_a_repair_sets_it_aside(tmp_path: Path) -> None:
    place = Place(tmp_path)
    disk = LocalObjects(tmp_path / "store")
    async with place.process(disk) as store:
        await store.workspace(NAME).save({"n": 1})
    disk = LocalObjects(tmp_path / "store")
    assert await disk.put(record(2), bytes(1024), if_absent=True)
    async with place.process(disk, create=False) as store:
        report = await store.verify()
        assert (report.ok, report.stumps) == (True, 1)
        assert not (await store.workspace(NAME).repair()).changed
        again = await store.verify()
        assert (again.ok, again.stumps, again.aside) == (True, 0, 1)
        assert (await store.workspace(NAME).load()).state == {"n": 1}

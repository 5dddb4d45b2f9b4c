"""Verify: every object of a store that is not what was written is named, and no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.conftest import CAMPAIGN
from tests.place import Place
from tests.verify.broken import (
    NAME,
    OTHER,
    VERSIONS,
    WAYS,
    Whole,
    everything,
    fill,
    in_memory,
    left_of,
    readable,
    record,
    whole_store,
)

from safepoint import NotFound, Unavailable
from safepoint.format.keys import keys_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Fault, FaultyObjects

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def whole(place: Place) -> Whole:
    return asyncio.run(whole_store(place))


async def test_a_whole_store_is_found_whole_and_every_object_of_it_is_counted(
    place: Place, whole: Whole
) -> None:
    memory = await in_memory(whole.objects)
    told: list[tuple[int, int]] = []
    async with place.process(memory, create=False) as store:
        report = await store.verify(deep=True, on_progress=lambda *of: told.append(of))
    assert report.ok
    assert (report.problems, report.unread, report.notes) == ((), (), ())
    assert (report.workspaces, report.manifests) == (2, 3)
    assert report.records == report.documents == VERSIONS + 1
    records = sum(len(data) for key, data in whole.objects.items() if "/log/" in key)
    assert report.read_bytes >= records
    assert told[-1][0] == told[-1][1] >= VERSIONS
    assert await everything(memory) == sorted(whole.objects)


@settings(
    max_examples=12 * CAMPAIGN,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example takes a second: none is shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    way=st.sampled_from(sorted(WAYS)),
    version=st.integers(1, VERSIONS - 1),
    seed=st.integers(0, 10_000),
)
def test_exactly_the_damaged_record_is_named_and_the_rest_is_as_it_was(
    place: Place, whole: Whole, way: str, version: int, seed: int
) -> None:
    async def check() -> None:
        memory = await in_memory(WAYS[way](whole.objects, record(version), seed))
        async with place.process(memory, create=False) as store:
            report = await store.verify()
            (problem,) = report.problems
            assert (problem.key, problem.version) == (record(version), version)
            assert (report.problem_count, report.unread_count) == (1, 0)
            left = left_of(VERSIONS, [version])
            assert report.documents == len(left) + 1
            lost = sorted(set(range(1, VERSIONS + 1)) - set(left))
            span = f"{lost[0]} to {lost[-1]}" if len(lost) > 1 else str(lost[0])
            assert f"{span} cannot be read" in problem.effect
            near = [v for v in (version - 1, version, lost[-1], lost[-1] + 1) if v in whole.states]
            opens = VERSIONS in left
            expected = {v: whole.states[v] for v in near if v in left and opens}
            assert ("does not open" in problem.effect) == (not opens)
            assert await readable(store, near) == expected
            alone = await store.workspace(OTHER).verify()
            assert alone.ok

    asyncio.run(check())


async def test_two_records_swapped_are_both_named(place: Place, whole: Whole) -> None:
    one, other = record(40), record(300)
    swapped = {**whole.objects, one: whole.objects[other], other: whole.objects[one]}
    async with place.process(await in_memory(swapped), create=False) as store:
        report = await store.workspace(NAME).verify()
    assert [problem.key for problem in report.problems] == [one, other]


async def test_a_record_of_a_copy_that_went_its_own_way_is_named_though_it_opens(
    place: Place, whole: Whole
) -> None:
    """The copy forked at version 520. Its 521 is sealed for this very place."""
    until = {k: d for k, d in whole.objects.items() if k not in map(record, range(521, 531))}
    copy = await in_memory(until)
    async with place.process(copy, create=False) as store:
        for number in range(5):
            await store.workspace(NAME).save({"copy": number})
    for foreign in (521, 523, 525):
        data = await copy.get(record(foreign))
        assert data is not None
        mixed = await in_memory({**whole.objects, record(foreign): data})
        async with place.process(mixed, create=False) as store:
            report = await store.workspace(NAME).verify()
        assert [(p.key, p.what) for p in report.problems] == [(record(foreign), "broken_chain")]


@pytest.mark.parametrize("way", ["flipped", "cut", "gone"])
async def test_a_damaged_manifest_of_a_workspace_is_named_and_hides_no_other(
    place: Place, whole: Whole, way: str
) -> None:
    key = keys_key(NAME, 1)
    memory = await in_memory(WAYS[way](whole.objects, key, 77))
    async with place.process(memory, create=False) as store:
        report = await store.verify()
    (problem,) = report.problems
    assert problem.key in (key, key.rpartition("/")[0] + "/")
    assert "no repair" in problem.remedy
    assert report.records == 1


async def test_what_cannot_be_read_is_no_damage(place: Place, whole: Whole) -> None:
    class Unreadable(FaultyObjects):
        async def get(self, key: str) -> bytes | None:
            if key == record(260):
                raise Unavailable("the disk does not answer")
            return await super().get(key)

    inner = await in_memory(whole.objects)
    async with place.process(Unreadable(inner), create=False) as store:
        report = await store.workspace(NAME).verify()
        assert not report.ok
        assert report.problems == ()
        assert [problem.key for problem in report.unread] == [record(260)]
        with pytest.raises(Unavailable, match="may be intact"):
            await store.workspace(NAME).repair()
    assert await everything(inner) == sorted(whole.objects)


async def test_a_store_that_fails_is_not_verified_at_all(place: Place, whole: Whole) -> None:
    inner = await in_memory(whole.objects)
    async with place.process(inner, create=False) as store:
        failing = FaultyObjects(inner, dict.fromkeys(range(5, 100_000), Fault.REFUSED))
        async with place.process(failing, create=False) as other:
            with pytest.raises(Unavailable):
                await other.verify()
        assert (await store.workspace(OTHER).verify()).ok


@pytest.mark.parametrize("kind", ["memory", "local"])
async def test_what_nothing_names_is_told_and_left_alone(
    place: Place, whole: Whole, kind: str, tmp_path: Path
) -> None:
    strange = {
        f"workspaces/{NAME}/notes.txt": b"mine",
        f"workspaces/{NAME}/artifacts/report.pdf/00ff": b"?",
        "workspaces/UPPER/x": b"?",
        "elsewhere/x": b"?",
        "readme": b"?",
        "damaged/000001/workspaces/work/log/x": b"old",
    }
    objects: ObjectStore = MemoryObjects() if kind == "memory" else LocalObjects(tmp_path)
    await fill(objects, {**whole.objects, **strange})
    async with place.process(objects, create=False) as store:
        report = await store.verify()
    assert report.ok
    assert (report.foreign, report.orphans, report.aside) == (4, 1, 1)
    assert len(report.notes) == 5
    assert await everything(objects) == sorted({**whole.objects, **strange})


async def test_a_workspace_that_is_not_there_cannot_be_verified(place: Place) -> None:
    async with place.process() as store:
        with pytest.raises(NotFound, match="no workspace"):
            await store.workspace("nothing").verify()


async def test_writers_and_deleters_meanwhile_raise_no_alarm(place: Place, whole: Whole) -> None:
    memory = await in_memory(whole.objects)
    async with place.process(memory, create=False) as store, place.process(memory) as other:
        done = False

        async def write() -> None:
            number = 0
            while not done:
                number += 1
                await (store, other)[number % 2].workspace(NAME).save({"more": number})
                if number == 3:
                    await other.delete(OTHER)
                    await other.keys.rotate([NAME])
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        reports = [await store.verify() for _ in range(3)]
        done = True
        await writing
    assert all(report.ok for report in reports)


async def test_records_from_before_a_deletion_wait_to_be_removed_and_are_no_damage(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        for number in range(3):
            await store.workspace(NAME).save({"n": number})
        await store.delete(NAME)
        gone = await store.verify()
        await store.workspace(NAME).save({"n": "again"})
        again = await store.verify()
    assert (gone.ok, gone.deleted, gone.workspaces) == (True, 1, 0)
    assert (again.ok, again.deleted, again.workspaces) == (True, 0, 1)
    assert again.records == 1
    assert again.waiting >= 1

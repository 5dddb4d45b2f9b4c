"""Copies and exports of workspaces that were pruned, before and in between."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.place import Place

from safepoint import Conflict, Damaged, NotFound, RetentionPolicy, Store
from safepoint.crypto.keyring import KeyFile
from safepoint.format.keys import log_key
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects, GatedObjects
from safepoint.transfer import copy_store, copy_workspaces, export_workspace

pytestmark = pytest.mark.anyio

LAST_10 = RetentionPolicy(keep_last=10)
KEPT = [100, 200, 300, 400, 500, 600, 700, *range(791, 801)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def save(store: Store, first: int, last: int) -> None:
    for number in range(first, last + 1):
        label = f"label {number}" if number % 100 == 0 else None
        await store.workspace("work").save({"n": number}, label=label)


async def prune(place: Place) -> None:
    """Two days later, so that records are removed too."""
    place.now += timedelta(days=2)
    async with place.process() as store:
        assert (await store.workspace("work").retention.prune(LAST_10)).removed > 100


@asynccontextmanager
async def another(place: Place, objects: Any) -> Any:
    """A store with keys of its own."""
    path = place.folder / "other key"
    path.write_text(KeyFile(bytes(range(1, 33))).text())
    async with place.process(objects, key_file=path) as store:
        yield store


async def check(store: Store, kept: list[int]) -> None:
    work = store.workspace("work")
    page = await work.checkpoints(limit=1000)
    assert [info.version for info in page.items] == sorted(kept, reverse=True)
    for version in kept:
        assert (await work.load(version=version)).state == {"n": version}
    with pytest.raises(NotFound, match="pruned"):
        await work.load(version=5)
    assert (await work.verify()).problems == ()


@pytest.mark.parametrize("same_keys", [True, False])
async def test_a_copy_of_a_pruned_workspace_has_what_is_kept(place: Place, same_keys: bool) -> None:
    async with place.process(prune=False) as store:
        await save(store, 1, 800)
    await prune(place)
    target = MemoryObjects()
    async with place.process() as source:
        if same_keys:
            (done,) = (await copy_store(source, target)).workspaces
            (again,) = (await copy_store(source, target)).workspaces
        else:
            async with another(place, target) as other:
                (done,) = (await copy_workspaces(source, other, ["work"])).workspaces
                (again,) = (await copy_workspaces(source, other, ["work"])).workspaces
    assert done.written < 150
    assert (done.present, again.written, again.present) == (0, 0, done.written)
    opened = place.process(target) if same_keys else another(place, target)
    async with opened as copy:
        await check(copy, KEPT)
        assert (await copy.workspace("work").save(1)).version == 802


@pytest.mark.parametrize("same_keys", [True, False])
async def test_a_copy_goes_on_when_its_source_was_pruned_since(
    place: Place, same_keys: bool
) -> None:
    target = MemoryObjects()

    async def copy() -> int:
        async with place.process() as source:
            if same_keys:
                return (await copy_store(source, target)).workspaces[0].written
            async with another(place, target) as other:
                return (await copy_workspaces(source, other, ["work"])).workspaces[0].written

    async with place.process(prune=False) as store:
        await save(store, 1, 790)
    assert await copy() == 790
    async with place.process(prune=False) as store:
        await save(store, 791, 800)
    await prune(place)
    assert await copy() == 11
    assert await copy() == 0
    opened = place.process(target) if same_keys else another(place, target)
    async with opened as there:
        await check(there, KEPT)
        assert (await there.workspace("work").retention.prune(LAST_10)).removed > 100
        await check(there, KEPT)
    assert await copy() == 0  # what the copy pruned does not come back


async def test_a_copy_whose_newest_version_was_pruned_cannot_be_told_from_another(
    place: Place,
) -> None:
    target = MemoryObjects()
    async with place.process(prune=False) as store:
        await save(store, 1, 50)
        await copy_store(store, target)
        await save(store, 51, 800)
    await prune(place)
    async with place.process() as source:
        with pytest.raises(Conflict) as refused:
            await copy_store(source, target)
    assert refused.value.code == "history_pruned"


async def test_a_record_that_is_needed_and_missing_is_damage_as_ever(place: Place) -> None:
    async with place.process(prune=False) as store:
        await save(store, 1, 800)
    await prune(place)
    await place.objects.delete(log_key("work", 100))
    async with place.process() as source:
        with pytest.raises(Damaged, match="00000100 is missing"):
            await copy_store(source, MemoryObjects())


async def test_a_prune_while_a_copy_is_under_way_leaves_it_whole(place: Place) -> None:
    async with place.process(prune=False) as store:
        await save(store, 1, 800)
    target = MemoryObjects()
    gated = GatedObjects(place.objects)
    async with place.process(gated) as source:
        gate = gated.hold("get", log_key("work", 33))
        copying = asyncio.create_task(copy_store(source, target))
        await gate.reached.wait()
        await prune(place)
        gate.open()
        await copying
    async with place.process() as source:
        await copy_store(source, target)
    async with place.process(target) as there:
        await check(there, KEPT)


async def test_a_copy_of_a_pruned_workspace_that_died_is_finished_by_the_next(
    place: Place,
) -> None:
    async with place.process(prune=False) as store:
        await save(store, 1, 800)
    await prune(place)
    for at in range(5, 400, 37):
        target = MemoryObjects()
        async with place.process() as source:
            try:
                await copy_store(source, FaultyObjects(target, {at: Fault.CRASH_BEFORE}))
            except Crash:
                await copy_store(source, target)
        async with place.process(target) as there:
            await check(there, KEPT)


async def test_an_export_has_what_is_kept(place: Place, tmp_path: Path) -> None:
    async with place.process(prune=False) as store:
        await save(store, 1, 800)
    await prune(place)
    async with place.process() as store:
        done = await export_workspace(store, "work", tmp_path / "files")
    assert done.checkpoints == len(KEPT)
    lines = (tmp_path / "files" / "history.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["version"] for line in lines] == [*KEPT, 801]

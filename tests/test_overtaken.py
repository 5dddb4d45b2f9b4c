"""Calls that are overtaken: what they go by is deleted, begun anew or pruned before they commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Conflict, NotFound, RetentionPolicy, Store, Workspace
from safepoint.format.keys import log_key
from safepoint.testing.faults import GatedObjects

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def names(store: Store) -> list[str]:
    return [name async for name in store.names()]


async def test_an_origin_that_is_deleted_while_it_is_forked_stays_deleted(place: Place) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        await store.workspace("work").save({"n": 1})
        gate = gated.hold("put", log_key("fork", 1))
        forking = asyncio.create_task(store.workspace("work").fork("fork"))
        await gate.reached.wait()
        await other.delete("work")
        gate.open()
        assert (await forking).workspace == "fork"
        assert await names(other) == ["fork"]


@pytest.mark.parametrize(
    "go", [lambda work: work.rewind(version=1), lambda work: work.start_new_run()]
)
async def test_what_is_deleted_meanwhile_is_not_brought_back(
    place: Place, go: Callable[[Workspace], Awaitable[object]]
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        work = store.workspace("work")
        await work.save({"n": 1})
        await work.save({"n": 2})
        gate = gated.hold("put", log_key("work", 3))
        going = asyncio.ensure_future(go(work))
        await gate.reached.wait()
        await other.delete("work")
        gate.open()
        with pytest.raises(NotFound, match="it was deleted"):
            await going
        assert await names(other) == []


async def test_another_workspace_of_the_name_is_not_rewound_to_the_deleted_one(
    place: Place,
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        work = store.workspace("work")
        await work.save({"n": 1})
        await work.save({"n": 2})
        gate = gated.hold("put", log_key("work", 3))
        rewinding = asyncio.create_task(work.rewind(version=1))
        await gate.reached.wait()
        await other.delete("work")
        place.now += timedelta(seconds=1)
        await other.workspace("work").save({"n": "new"})
        gate.open()
        with pytest.raises(Conflict, match="begun anew"):
            await rewinding
        assert (await other.workspace("work").load()).state == {"n": "new"}


async def test_a_version_that_is_pruned_meanwhile_is_not_gone_back_to(place: Place) -> None:
    """Its files may be gone with it: the workspace would lose those that it has."""
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        work = store.workspace("work")
        await work.artifacts.save("plan", b"one")
        await work.save({"n": 2})
        await work.artifacts.save("plan", b"two")
        await work.save({"n": 4})
        gate = gated.hold("put", log_key("work", 5))
        rewinding = asyncio.create_task(work.rewind(version=2))
        await gate.reached.wait()
        await other.workspace("work").retention.prune(RetentionPolicy(keep_last=1))
        gate.open()
        with pytest.raises(NotFound) as caught:
            await rewinding
        assert caught.value.code == "pruned"
        assert await work.artifacts.load("plan") == b"two"


async def test_deleting_takes_no_files_of_a_workspace_that_is_begun_meanwhile(
    place: Place,
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        await store.workspace("work").artifacts.save("plan", b"old")
        await store.workspace("work").save({"n": 2})
        place.now += timedelta(hours=2)
        gate = gated.hold("delete", log_key("work", 2))
        deleting = asyncio.create_task(store.delete("work"))
        await gate.reached.wait()
        await other.workspace("work").artifacts.save("plan", b"new")
        gate.open()
        await deleting
        assert await other.workspace("work").artifacts.load("plan") == b"new"
        assert (await other.verify(deep=True)).ok


async def test_a_file_that_was_stored_for_a_deleted_workspace_gets_into_no_other(
    place: Place,
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        gate = gated.hold("put", log_key("work", 1))
        saving = asyncio.create_task(store.workspace("work").artifacts.save("plan", b"text"))
        await gate.reached.wait()
        await other.workspace("work").save({"n": 1})
        await other.delete("work")
        gate.open()
        with pytest.raises(Conflict) as caught:
            await saving
        assert caught.value.code == "upload_expired"
        assert (await other.workspace("work").artifacts.save("plan", b"text")).revision == 1
        assert await store.workspace("work").artifacts.load("plan") == b"text"

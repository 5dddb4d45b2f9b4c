"""What is watched is told: at once when this process changes it, soon when another does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safepoint import InvalidInput, LimitExceeded, Store
from safepoint.log.commit import Patience
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, Fault, FaultyObjects, GatedObjects
from safepoint.watching import MAX_WATCHED, Part, Watch, Watched

pytestmark = pytest.mark.anyio

HANG = 60
SOON = timedelta(milliseconds=5)
NEVER = timedelta(days=1)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with Store.open("memory://") as opened:
        yield opened


async def told(watch: Watch) -> tuple[Watched, ...]:
    return await asyncio.wait_for(watch.changed(), HANG)


async def nothing_told(watch: Watch, store: Store) -> None:
    """Another change comes next."""
    mark = Watched(Part.WORKSPACE, "mark")
    await watch.add(mark)
    await store.workspace("mark").save({})
    assert await told(watch) == (mark,)
    watch.discard(mark)


async def test_each_part_is_told_of_its_own_changes_only(store: Store) -> None:
    work = store.workspace("w")
    await work.plan_steps(["a", "b"])
    parts = [Watched(part, "w") for part in (Part.WORKSPACE, Part.STEPS, Part.CHECKPOINTS)]
    whole, steps, checkpoints = parts
    first, second = Watched(Part.STEP, "w", "a"), Watched(Part.STEP, "w", "b")
    file = Watched(Part.ARTIFACT, "w", "notes.md")
    async with store.watch(NEVER) as watch:
        for watched in (*parts, first, second, file):
            await watch.add(watched)
        await work.save({"n": 1})
        assert set(await told(watch)) == {whole, checkpoints}
        await work.start_step("a")
        assert set(await told(watch)) == {whole, steps, first}
        await work.artifacts.save("notes.md", b"x")
        assert set(await told(watch)) == {whole, file}
        await work.artifacts.save("other.md", b"x")
        assert set(await told(watch)) == {whole}
        await work.artifacts.remove("notes.md")
        assert set(await told(watch)) == {whole, file}
        watch.discard(whole)
        await work.start_step("b")
        assert set(await told(watch)) == {steps, second}
        await store.delete("w")
        assert set(await told(watch)) >= {steps, first, second, checkpoints}


async def test_many_changes_are_told_once(store: Store) -> None:
    async with store.watch(NEVER) as watch:
        await watch.add(Watched(Part.WORKSPACE, "w"))
        for n in range(5):
            await store.workspace("w").save(n)
        assert await told(watch) == (Watched(Part.WORKSPACE, "w"),)
        await nothing_told(watch, store)


async def test_what_another_process_did_is_noticed(tmp_path: Path) -> None:
    async with Store.open(tmp_path) as here, Store.open(tmp_path) as there:
        await there.workspace("w").save(1)
        async with here.watch(SOON) as watch:
            whole, steps = Watched(Part.WORKSPACE, "w"), Watched(Part.STEPS, "w")
            await watch.add(whole)
            await watch.add(steps)
            await watch.add(Watched(Part.NAMES))
            await there.workspace("w").save(2)
            assert await told(watch) == (whole,)
            await there.workspace("w").start_step("a")
            assert set(await told(watch)) == {whole, steps}
            await there.workspace("new").save(1)
            assert await told(watch) == (Watched(Part.NAMES),)
            for n in range(20):  # more than one version at a time
                await there.workspace("w").save(n)
            assert await told(watch) == (whole,)
            loaded = await here.workspace("w").load()
        assert loaded.version == 23


async def test_watching_costs_one_request_for_each_workspace_and_look_however_many_watch(
    store: Store,
) -> None:
    objects = CountingObjects(MemoryObjects())
    async with Store.open(objects) as counted:
        await counted.workspace("w").save(1)
        await counted.workspace("w").load()
        objects.clear()
        async with counted.watch(NEVER) as watch, counted.watch(NEVER) as other:
            for one in (watch, other):
                await one.add(Watched(Part.WORKSPACE, "w"))
            objects.clear()
            watching = counted._watching
            await watching.look(["w"], 0.0)
            await watching.look(["w"], 3600.0)
            assert [operation.verb for operation in objects.operations] == ["get"]
        objects.clear()
        await counted.workspace("w").save(2)
        assert {operation.verb for operation in objects.operations} == {"put"}


async def test_which_workspaces_there_are_is_told_when_one_begins_or_ends(store: Store) -> None:
    names, everything = Watched(Part.NAMES), Watched(Part.LIST)
    async with store.watch(NEVER) as watch:
        await watch.add(names)
        await watch.add(everything)
        await store.workspace("w").save(1)
        assert set(await told(watch)) == {names, everything}
        await store.workspace("w").save(2)
        assert await told(watch) == (everything,)
        await store.delete("w")
        assert set(await told(watch)) == {names, everything}
        await store.workspace("w").save(1)
        assert set(await told(watch)) == {names, everything}


async def test_nothing_is_told_of_names_that_are_not_visible(store: Store) -> None:
    async with store.watch(SOON, visible=lambda name: name.startswith("mine")) as watch:
        await watch.add(Watched(Part.NAMES))
        await watch.add(Watched(Part.LIST))
        await store.workspace("yours").save(1)
        await store.delete("yours")
        await nothing_told_but(watch, store)


async def nothing_told_but(watch: Watch, store: Store) -> None:
    await watch.add(Watched(Part.WORKSPACE, "mine"))
    await store.workspace("mine").save(1)
    assert set(await told(watch)) == {
        Watched(Part.NAMES), Watched(Part.LIST), Watched(Part.WORKSPACE, "mine")
    }  # fmt: skip
    assert not watch._changed


async def test_a_store_that_cannot_be_read_is_looked_at_again() -> None:
    faulty = FaultyObjects(MemoryObjects())
    async with Store.open(faulty) as store, Store.open(faulty.inner) as there:
        await there.workspace("w").save(1)
        faulty.schedule = {faulty.operations + n: Fault.REFUSED for n in range(6)}
        async with store.watch(SOON) as watch:
            await watch.add(Watched(Part.WORKSPACE, "w"))
            assert await told(watch) == (Watched(Part.WORKSPACE, "w"),)
            await there.workspace("w").save(2)
            assert await told(watch) == (Watched(Part.WORKSPACE, "w"),)


async def test_the_number_of_watched_workspaces_is_bounded(store: Store) -> None:
    async with store.watch(NEVER) as watch:
        for n in range(MAX_WATCHED):
            await watch.add(Watched(Part.WORKSPACE, f"w{n}"))
        with pytest.raises(LimitExceeded, match="1000 workspaces"):
            await watch.add(Watched(Part.WORKSPACE, "one more"))
        await watch.add(Watched(Part.STEPS, "w1"))
        watch.discard(Watched(Part.WORKSPACE, "w0"))
        await watch.add(Watched(Part.WORKSPACE, "one more"))
        assert store._watching.pace(5) == 100


async def test_who_waits_is_told_of_the_end_also_while_the_store_is_asked() -> None:
    gated, now = GatedObjects(MemoryObjects()), [0.0]
    patience = Patience(timer=lambda: now[0])
    async with Store.open(gated, pages="off", patience=patience) as store:
        await store.workspace("w").save(1)
        async with store.watch(NEVER) as watch:
            await watch.add(Watched(Part.WORKSPACE, "w"))
            now[0] += NEVER.total_seconds()
            looking = gated.hold("get")
            waiting = asyncio.create_task(watch.changed())
            await looking.reached.wait()
            watch.close()
            looking.open()
            assert await asyncio.wait_for(waiting, HANG) == ()


async def test_of_more_than_a_thousand_workspaces_the_last_is_told_of_too() -> None:
    objects = MemoryObjects()
    async with Store.open(objects, pages="off") as here, Store.open(objects) as there:
        for n in range(1001):
            await objects.put(f"workspaces/a{n:04d}/summary", b"")
        await there.workspace("w").save(1)
        async with here.watch(SOON) as watch:
            await watch.add(Watched(Part.NAMES))
            await here.workspace("w").save(2)
            await watch._watching.look([""], 0)
            assert not watch._changed
            await there.workspace("v").save(1)
            assert await told(watch) == (Watched(Part.NAMES),)


async def recents(store: Store) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await store.recent(limit=2, cursor=cursor)
        found += [info.name for info in page.items]
        if (cursor := page.next_cursor) is None:
            return found


def clock() -> Callable[[], datetime]:
    """Each look at it is a second later."""
    seconds = itertools.count()
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))


@pytest.mark.parametrize("pages", ["counts", "off"])
async def test_recent_workspaces_come_first_page_by_page(pages: Any) -> None:
    objects = MemoryObjects()
    for others in (False, True):  # the second time another process did it all
        async with Store.open(objects, clock=clock(), pages=pages) as store:
            if not others:
                for name in ("w1", "ü|/:" * 60, "w3", "w4", "w5"):
                    await store.workspace(name).save({"n": 1})
                await store.workspace("w3").save({"n": 2})
                await store.delete("w4")
            assert await recents(store) == ["w3", "w5", "ü|/:" * 60, "w1"]
            assert await store.recent_names() == ("w3", "w5", "ü|/:" * 60, "w1")
            shown = await store.recent(visible=lambda name: name != "w5")
            assert [info.name for info in shown.items] == ["w3", "ü|/:" * 60, "w1"]
            with pytest.raises(InvalidInput):
                await store.recent(cursor="nonsense")


async def test_names_of_many_workspaces_cost_two_requests() -> None:
    objects = CountingObjects(MemoryObjects())
    async with Store.open(objects) as store:
        for n in range(20):
            await store.workspace(f"w{n}").save(n)
    async with Store.open(objects) as store:
        objects.clear()
        assert len(await store.recent_names()) == 20
        assert sorted(operation.verb for operation in objects.operations) == ["get", "list"]

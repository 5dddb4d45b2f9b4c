"""Summaries: written behind commits, good for cheap lists, never relied on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.behind.ticker import Ticker, WatchedObjects
from tests.place import Place

from safepoint import PlannedStep, Store, Unavailable, WorkspaceInfo
from safepoint.format.keys import (
    ROOT_PAGE,
    ROOT_SUMMARY,
    encode_name,
    log_key,
    page_key,
    summary_key,
)
from safepoint.objects.base import ObjectStore
from safepoint.testing.faults import Operation

pytestmark = pytest.mark.anyio


class PlaceWithPages(Place):
    def process(
        self, objects: ObjectStore | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Store]:
        return super().process(objects, **{"pages": "counts", **options})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return PlaceWithPages(tmp_path)


async def fill(store: Store) -> None:
    """Workspaces of every status, with texts, a long name and steps in all states."""
    trip = store.workspace("trip")
    await trip.plan_steps([PlannedStep("a"), "b", "c", "d", "e"], goal="be there")
    for step, status in (("a", "done"), ("b", "skipped"), ("c", "failed")):
        await trip.mark_step_done(step, status=status)
    await trip.start_step("d", lease=timedelta(minutes=1))
    await trip.save({"n": 1}, summary="so far", next_action="go on")
    await store.workspace("N" * 300).save([1, 2, 3])
    done = store.workspace("done")
    await done.plan_steps(["only"])
    await done.mark_step_done("only")
    failed = store.workspace("failed")
    await failed.plan_steps(["only"])
    await failed.mark_step_done("only", status="failed", retryable=False)


async def listed(store: Store, **options: Any) -> tuple[WorkspaceInfo, ...]:
    return (await store.workspaces(**options)).items


async def without_summaries(place: Place) -> Place:
    """The same store as it was, had no summary ever been written."""
    bare = PlaceWithPages(place.folder)
    for key in await place.objects.list(""):
        if not key.endswith("summary"):
            await bare.objects.put(key, await place.objects.get(key) or b"")
    return bare


class TestWriting:
    async def test_a_save_is_one_put_and_the_summary_follows_once(self, place: Place) -> None:
        ticker, objects = Ticker(), WatchedObjects(place.objects)
        async with place.process(objects, pace=ticker.pace()) as store:
            work = store.workspace("work")
            await work.save(0)
            for number in range(1, 50):
                objects.clear()
                saved = await work.save(number)
                assert objects.operations == [Operation("put", log_key("work", saved.version))]
            await ticker.pass_(5)
            await objects.until(lambda: objects.puts(ROOT_PAGE) == 1)
            assert objects.puts(summary_key("work")) == 1

    async def test_no_object_is_written_twice_in_five_seconds(self, place: Place) -> None:
        ticker, objects = Ticker(), WatchedObjects(place.objects)
        keys = (summary_key("work"), page_key("work"), ROOT_SUMMARY, ROOT_PAGE)
        async with place.process(objects, pace=ticker.pace()) as store:
            for round_ in range(1, 4):
                for number in range(20):
                    await store.workspace("work").save([round_, number])
                await ticker.pass_(5)
                await objects.until(lambda n=round_: all(objects.puts(key) == n for key in keys))
        assert [objects.puts(key) for key in keys] == [3, 3, 3, 3]

    async def test_leaving_the_store_writes_what_is_outstanding(self, place: Place) -> None:
        objects = WatchedObjects(place.objects)
        async with place.process(objects) as store:
            await store.workspace("work").save(1)
            assert objects.puts(summary_key("work")) == 0
        assert objects.puts(summary_key("work")) == 1

    async def test_who_only_reads_writes_nothing(self, place: Place) -> None:
        async with place.process() as store:
            await fill(store)
        objects = WatchedObjects(place.objects)
        async with place.process(objects) as store:
            await store.workspace("trip").load()
            await listed(store)
        assert objects.count("put") == 0

    async def test_failing_never_fails_a_commit(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        objects = WatchedObjects(place.objects)
        objects.refuse = lambda operation: (
            Unavailable("secret contents", code="access_denied")
            if operation.verb == "put" and operation.key.endswith(("summary", "index.html"))
            else None
        )
        with caplog.at_level(logging.WARNING, "safepoint"):
            async with place.process(objects) as store:
                for number in range(3):
                    await store.workspace(f"work-{number}").save(number)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "access_denied" in caplog.text
        assert "secret" not in caplog.text
        async with place.process() as store:
            assert len(await listed(store)) == 3

    async def test_a_slower_process_does_not_put_an_older_summary_back(self, place: Place) -> None:
        async with place.process() as slow:
            await slow.workspace("work").save(1)
            async with place.process() as quick:
                await quick.workspace("work").save(2, next_action="second")
            written = await place.objects.get(summary_key("work"))
        assert await place.objects.get(summary_key("work")) == written

    async def test_a_summary_holds_no_plaintext(self, place: Place) -> None:
        async with place.process(pages="off") as store:
            await store.workspace("work").save(1, summary="whisper", next_action="murmur")
        sealed = await place.objects.get(summary_key("work")) or b""
        assert sealed.startswith(b"SFPT")
        assert not [word for word in (b"work", b"whisper", b"murmur") if word in sealed]


class TestListing:
    def test_a_list_by_summaries_is_the_list_by_heads(self, place: Place) -> None:
        async def by_summaries(cheap: bool) -> tuple[WorkspaceInfo, ...]:
            objects = WatchedObjects(place.objects, lists_cheaply=cheap)
            async with place.process(objects, pages="off") as store:
                found = await listed(store)
            assert {o.key for o in objects.operations if o.verb == "get"} <= {
                *(summary_key(encode_name(info.name)) for info in found),
                "safepoint/000001.json",
            }
            return found

        async def by_heads() -> tuple[WorkspaceInfo, ...]:
            async with bare.process(pages="off") as store:
                return await listed(store)

        async def make() -> None:
            async with place.process() as store:
                await fill(store)

        asyncio.run(make())
        bare = asyncio.run(without_summaries(place))
        for later in (timedelta(), timedelta(minutes=2)):
            place.now += later
            bare.now = place.now
            heads = asyncio.run(by_heads())
            assert len(heads) == 4
            assert heads == asyncio.run(by_summaries(True)) == asyncio.run(by_summaries(False))
        trip = next(info for info in heads if info.name == "trip")
        assert (trip.progress.running, trip.progress.interrupted) == (0, 1)

    @pytest.mark.parametrize("cheap", [True, False])
    async def test_filters_and_pages_work_by_summaries(self, place: Place, cheap: bool) -> None:
        async with place.process() as store:
            await fill(store)
            for number in range(70):
                await store.workspace(f"x-{number:02}").save(number)
        async with place.process(WatchedObjects(place.objects, lists_cheaply=cheap)) as store:
            assert [info.name for info in await listed(store, prefix="NNN")] == ["N" * 300]
            assert [info.name for info in await listed(store, status="failed")] == ["failed"]
            names: list[str] = []
            cursor = None
            while True:
                page = await store.workspaces("x-", limit=33, cursor=cursor)
                names += [info.name for info in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert names == [f"x-{number:02}" for number in range(70)]

    async def test_a_thousand_workspaces_are_one_list_and_one_get_each(self, place: Place) -> None:
        async with place.process(pages="off") as store:
            for number in range(1000):
                await store.workspace(f"task-{number}").save({"number": number})
        objects = WatchedObjects(place.objects, lists_cheaply=False)
        async with place.process(objects) as store:
            objects.clear()
            assert len(await listed(store, limit=1000)) == 1000
            assert (objects.count("list"), objects.count("get")) == (1, 1000)
            assert len(objects.operations) == 1001
            assert objects.most_at_once <= 32

    @pytest.mark.parametrize(
        "harm",
        [
            lambda data, other: None,
            lambda data, other: data[:-1] + bytes([data[-1] ^ 1]),
            lambda data, other: b"",
            lambda data, other: b'{"format": 1, "version": 99}',
            lambda data, other: other,
        ],
        ids=["missing", "damaged", "empty", "forged", "swapped"],
    )
    @pytest.mark.parametrize("cheap", [True, False])
    async def test_a_lost_summary_is_answered_from_the_head_and_written_again(
        self, place: Place, harm: Callable[[bytes, bytes], bytes | None], cheap: bool
    ) -> None:
        async with place.process() as store:
            await fill(store)
            expected = await listed(store)
        key = summary_key("trip")
        good, other = await place.objects.get(key), await place.objects.get(summary_key("done"))
        harmed = harm(good or b"", other or b"")
        await place.objects.delete(key)
        if harmed is not None:
            await place.objects.put(key, harmed)
        objects = WatchedObjects(place.objects, lists_cheaply=cheap)
        async with place.process(objects) as store:
            assert await listed(store) == expected
        puts = [operation.key for operation in objects.operations if operation.verb == "put"]
        assert puts == [key]  # a reader writes no pages
        objects = WatchedObjects(place.objects, lists_cheaply=cheap)
        async with place.process(objects) as store:
            objects.clear()
            assert await listed(store) == expected
            assert objects.count("get") == 4

    async def test_a_reader_who_may_not_write_is_not_bothered(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with place.process() as store:
            await fill(store)
        await place.objects.delete(summary_key("trip"))
        objects = WatchedObjects(place.objects)
        objects.refuse = lambda operation: (
            Unavailable("read-only") if operation.verb == "put" else None
        )
        with caplog.at_level(logging.DEBUG, "safepoint"):
            async with place.process(objects) as store:
                assert len(await listed(store)) == 4
        assert objects.count("put") == 1
        assert caplog.records == []


class TestLagging:
    """A process was killed before its summary was written: the store holds an older one."""

    @pytest.fixture
    def lagging(self, place: Place) -> Place:
        async def make() -> None:
            async with place.process() as store:
                await store.workspace("work").save(1)
                older = await store.objects.get(summary_key("work"))
                assert older is None
            older = await place.objects.get(summary_key("work"))
            assert older is not None
            async with place.process() as store:
                await store.workspace("work").save(2)
            await place.objects.put(summary_key("work"), older)

        asyncio.run(make())
        return place

    async def test_where_listing_is_cheap_it_is_never_shown(self, lagging: Place) -> None:
        async with lagging.process() as store:
            assert [info.version for info in await listed(store)] == [2]
        async with lagging.process(WatchedObjects(lagging.objects, lists_cheaply=False)) as store:
            assert [info.version for info in await listed(store)] == [2]  # written again

    async def test_elsewhere_it_is_shown_until_this_process_knows_better(
        self, lagging: Place
    ) -> None:
        async with lagging.process(WatchedObjects(lagging.objects, lists_cheaply=False)) as store:
            assert [info.version for info in await listed(store)] == [1]
            await store.workspace("work").load()
            assert [info.version for info in await listed(store)] == [2]

    async def test_a_commit_of_this_process_shows_before_its_summary_is_written(
        self, lagging: Place
    ) -> None:
        objects = WatchedObjects(lagging.objects, lists_cheaply=False)
        async with lagging.process(objects) as store:
            await store.workspace("work").save(3)
            assert [info.version for info in await listed(store)] == [3]
            assert objects.puts(summary_key("work")) == 0
        async with lagging.process(WatchedObjects(lagging.objects, lists_cheaply=False)) as store:
            assert [info.version for info in await listed(store)] == [3]

    async def test_an_old_summary_put_back_with_the_old_log_is_noticed(
        self, lagging: Place
    ) -> None:
        seen = lagging.folder / "seen"
        older = await lagging.objects.get(summary_key("work"))
        async with lagging.process(seen=seen) as store:
            await store.workspace("work").save(3)
        for version in (2, 3):
            await lagging.objects.delete(log_key("work", version))
        await lagging.objects.put(summary_key("work"), older or b"")
        async with lagging.process(seen=seen) as store:
            (found,) = await listed(store)
            assert found.status == "damaged"
            assert "was seen before" in str(found.summary)

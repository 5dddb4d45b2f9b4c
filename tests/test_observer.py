"""What an observer is told: every operation, how it ended, and nothing that a client chose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.behind.ticker import Ticker
from tests.place import Place

from safepoint import Conflict, NotFound, Store, Unavailable
from safepoint.format.keys import log_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.memory import MemoryObjects
from safepoint.objects.observed import ObservedObjects
from safepoint.observer import Facts, outcome_of
from safepoint.testing.contract import ObjectStoreContract
from safepoint.testing.faults import Fault, FaultyObjects, GatedObjects
from safepoint.testing.streams import StreamStoreContract

pytestmark = pytest.mark.anyio


class Notes:
    """An observer that writes down what it is told, in the order in which operations end."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str, Facts]] = []
        self.under_way: list[str] = []

    @contextmanager
    def operation(self, name: str, facts: Facts, /) -> Iterator[None]:
        self.under_way.append(name)
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self.under_way.remove(name)
            self.ended.append((name, outcome_of(facts, failure), facts))

    def of(self, name: str) -> list[tuple[str, Facts]]:
        return [(outcome, facts) for ended, outcome, facts in self.ended if ended == name]


class TestObservedObjects(ObjectStoreContract):
    @pytest.fixture
    def place(self) -> Callable[[], ObjectStore]:
        objects = MemoryObjects()
        return lambda: ObservedObjects(objects, Notes())


class TestObservedStreams(StreamStoreContract):
    @pytest.fixture
    def place(self) -> Callable[[], ObjectStore]:
        objects = MemoryObjects()
        return lambda: ObservedObjects(objects, Notes())


async def test_a_save_and_a_load_tell_version_and_bytes(place: Place) -> None:
    notes = Notes()
    async with place.process(observer=notes) as store:
        work = store.workspace("work")
        saved = await work.save({"page": 1})
        assert notes.of("commit") == [
            ("ok", {"conflicts": 0, "version": 1, "bytes": saved.stored_bytes})
        ]
        notes.ended.clear()
        await work.load()
        assert notes.ended == [
            ("get", "absent", {"outcome": "absent"}),
            ("load", "ok", {"version": 1, "bytes": len('{"page":1}')}),
        ]


async def test_a_commit_contains_what_it_asks_of_the_place(place: Place) -> None:
    notes = Notes()
    gated = GatedObjects(place.objects)
    async with place.process(gated, observer=notes) as store:
        gate = gated.hold("put", log_key("work", 1))
        saving = asyncio.create_task(store.workspace("work").save(1))
        await gate.reached.wait()
        assert notes.under_way == ["commit", "put"]
        gate.open()
        await saving


async def test_conflicts_are_told_also_when_the_command_is_then_refused(place: Place) -> None:
    notes = Notes()
    gated = GatedObjects(place.objects)
    async with place.process(gated, observer=notes) as store, place.process() as other:
        work = store.workspace("work")
        await work.save(1)
        gate = gated.hold("put", log_key("work", 2))
        saving = asyncio.create_task(work.save(2, expected_version=1))
        await gate.reached.wait()
        await other.workspace("work").save(3)
        gate.open()
        with pytest.raises(Conflict):
            await saving
    outcome, facts = notes.of("commit")[-1]
    assert (outcome, facts) == ("version_conflict", {"conflicts": 1})
    assert "exists" in [outcome for outcome, _ in notes.of("put")]


@pytest.mark.parametrize("when", ["operation", "begin", "end"])
async def test_one_that_fails_or_hides_errors_changes_nothing(
    place: Place, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def operation(self, name: str, facts: Facts, /) -> Any:
            self.fail("operation")
            return self

        def __enter__(self) -> None:
            self.fail("begin")

        def __exit__(self, *_: object) -> bool:
            self.fail("end")
            return True

        def fail(self, now: str) -> None:
            if now == when:
                raise RuntimeError("not ready")

    async with place.process(observer=Broken()) as store:
        work = store.workspace("work")
        assert (await work.save(1)).version == 1
        with pytest.raises(Conflict):
            await work.save(2, expected_version=7)
        assert (await work.load()).state == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the observer fails (RuntimeError); what it watches goes on"
    ]


async def test_what_changes_nothing_is_unchanged(place: Place) -> None:
    notes = Notes()
    async with place.process(observer=notes) as store:
        work = store.workspace("work")
        for _ in range(2):
            await work.save(1, request_id="once")
    assert [outcome for outcome, _ in notes.of("commit")] == ["ok", "unchanged"]


async def test_failures_are_told_by_their_codes(place: Place) -> None:
    notes, faulty = Notes(), FaultyObjects(place.objects)
    async with place.process(faulty, observer=notes) as store:
        with pytest.raises(NotFound):
            await store.workspace("none").load()
        work = store.workspace("work")
        await work.save(1)
        notes.ended.clear()
        faulty.schedule = dict.fromkeys(
            range(faulty.operations, faulty.operations + 9), Fault.REFUSED
        )
        with pytest.raises(Unavailable):
            await work.load()
        faulty.schedule = {}
    assert [(name, outcome) for name, outcome, _ in notes.ended[:2]] == [
        ("get", "unavailable"),
        ("load", "unavailable"),
    ]


async def test_a_call_that_nobody_waits_for_any_more_is_cancelled(place: Place) -> None:
    notes = Notes()
    gated = GatedObjects(place.objects)
    async with place.process(gated, observer=notes) as store:
        gate = gated.hold("list")
        loading = asyncio.create_task(store.workspace("work").load())
        await gate.reached.wait()
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert [outcome for outcome, _ in notes.of("load")] == ["cancelled"]


async def test_streams_tell_their_bytes_and_reading_a_part_is_no_failure() -> None:
    async def two() -> Any:
        yield b"one"
        yield b"two"

    notes = Notes()
    objects = ObservedObjects(MemoryObjects(), notes)
    await objects.put_stream("k", two())
    async with aclosing(objects.get_stream("k", start=1)) as chunks:
        assert await anext(chunks) == b"netwo"
    with pytest.raises(NotFound):
        await anext(objects.get_stream("other"))
    assert notes.ended == [
        ("put_stream", "ok", {"bytes": 6}),
        ("get_stream", "ok", {"bytes": 5}),
        ("get_stream", "object_not_found", {}),
    ]


async def test_figures_tell_how_far_summaries_and_pages_are_behind(place: Place) -> None:
    ticker = Ticker()
    async with place.process(pages="counts", pace=ticker.pace()) as store:
        assert (store.figures().behind, store.figures().lag) == (0, timedelta(0))
        for name in ("one", "two"):
            await store.workspace(name).save(1)
        await ticker.pass_(4)
        figures = store.figures()
        assert (figures.behind, figures.lag) == (3, timedelta(seconds=4))  # with the page of all
        assert figures.given_up == figures.repeats == 0


async def test_figures_count_hits_and_misses_of_the_cache(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        for version in range(1, 4):
            await work.save(version)
    async with place.process() as store:
        work = store.workspace("work")
        await work.load()
        before = store.figures()
        await work.load(version=2)
        await work.load(version=2)
        figures = store.figures()
    assert figures.cache_hits > before.cache_hits
    assert 0 < figures.cache_bytes <= figures.cache_limit


async def test_open_approvals_are_counted_from_one_object_and_what_is_not_written_yet(
    place: Place,
) -> None:
    async def ask(store: Store, *names: str) -> None:
        for name in names:
            await store.workspace(name).approvals.request("go", "May I?")

    async with place.process(pages="counts") as store:
        assert await store.open_approvals() == 0
        await ask(store, "one", "two")
        assert await store.open_approvals() == 2
    async with place.process(pages="counts") as store:
        assert await store.open_approvals() == 2
        await ask(store, "three")
        await store.workspace("one").approvals.decide("go", "deny")
        assert await store.open_approvals() == 2
        await store.delete("two")
        assert await store.open_approvals() == 1
    async with place.process(pages="off") as store:
        assert await store.open_approvals() is None


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)

"""Retention through a workspace: what is kept can be loaded and listed, what went says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Conflict, InvalidInput, NotFound, RetentionPolicy, Store, Unavailable
from safepoint.format.keys import chain_of, log_folder, log_key, version_of
from safepoint.testing.faults import CountingObjects, Crash, Fault, FaultyObjects, GatedObjects

pytestmark = pytest.mark.anyio

LAST_10 = RetentionPolicy(keep_last=10)
VERSIONS = 900


async def fill(store: Store, place: Place, versions: int, name: str = "work") -> None:
    """A checkpoint a minute; every hundredth has a label, number 150 is a milestone."""
    work = store.workspace(name)
    for number in range(1, versions + 1):
        place.now += timedelta(minutes=1)
        label = f"label {number}" if number % 100 == 0 else None
        kind = "milestone" if number == 150 else "step"
        await work.save({"n": number}, label=label, kind=kind)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
async def full(place: Place) -> Place:
    """A workspace of 900 versions, three days ago."""
    async with place.process(prune=False) as store:
        await fill(store, place, VERSIONS)
    place.now += timedelta(days=3)
    return place


async def stored(place: Place, name: str = "work") -> set[int]:
    found: set[int] = set()
    after = ""
    while keys := await place.objects.list(log_folder(name), after=after):
        found |= set(map(version_of, keys))
        after = keys[-1]
    return found


async def check_whole(store: Store, kept: list[int]) -> None:
    """Exactly these checkpoints are listed, and each is what it was; all others are pruned."""
    work = store.workspace("work")
    listed: list[int] = []
    cursor: str | None = None
    while True:
        page = await work.checkpoints(limit=100, cursor=cursor)
        listed += [info.version for info in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert listed == sorted(kept, reverse=True)
    for version in kept:
        assert (await work.load(version=version)).state == {"n": version}
    head = (await work.load()).version
    for version in {1, 2, 99, 101, 256, 257, 512, 700, kept[0] + 1, *range(885, 891)} - set(kept):
        if version < min(head, VERSIONS):
            with pytest.raises(NotFound) as refused:
                await work.load(version=version)
            assert refused.value.code == "pruned"
    assert (await work.verify()).problems == ()


KEPT = [100, 150, *range(200, 900, 100), *range(891, 901)]


async def test_what_the_policy_keeps_is_there_and_the_rest_says_that_it_was_pruned(
    full: Place,
) -> None:
    async with full.process() as store:
        work = store.workspace("work")
        planned = await work.retention.plan(LAST_10)
        assert (await stored(full)) == set(range(1, VERSIONS + 1))
        done = await work.retention.prune(LAST_10)
        assert (done.versions, done.floor, done.kept) == (890 - 9, 891, 9)
        assert (planned.versions, planned.ranges) == (done.versions, done.ranges)
        assert (planned.dry_run, done.dry_run, done.version) == (True, False, VERSIONS + 1)
        await check_whole(store, KEPT)
        with pytest.raises(NotFound, match=r"pruned by policy \(keep last 10\) on 2026-01-04"):
            await work.load(version=5)
        assert (await work.load(label="label 300")).state == {"n": 300}
        history = (await work.history(limit=1000)).items
        assert [event.version for event in history] == [901, *reversed(KEPT)]
        assert (history[0].kind, history[0].detail["versions"]) == ("prune", 881)
    async with full.process() as store:
        await check_whole(store, KEPT)
    left = await stored(full)
    assert left >= set(range(901 - 512 + 1, 902))  # two blocks stay for now
    assert len(left) == VERSIONS + 1 - done.removed < 600
    assert all(set(chain_of(version)) <= left for version in KEPT)


async def test_pruning_again_removes_what_was_too_close_to_the_head(full: Place) -> None:
    async with full.process(prune=False) as store:
        first = await store.workspace("work").retention.prune(LAST_10)
        assert first.waiting > 300
        await fill(store, full, 600)
        full.now += timedelta(days=2)
        again = await store.workspace("work").retention.prune(LAST_10)
        assert again.removed >= first.waiting
    assert not await stored(full) & {501, 502, 503, 889, 890}


async def test_nothing_younger_than_a_day_is_removed(place: Place) -> None:
    async with place.process(prune=False) as store:
        await fill(store, place, VERSIONS)  # within 15 hours
        done = await store.workspace("work").retention.prune(LAST_10)
        assert (done.versions, done.removed) == (881, 0)
        assert done.waiting > 800
        place.now += timedelta(hours=12)
        partly = await store.workspace("work").retention.prune(LAST_10)
        assert 0 < partly.removed < 200


async def test_an_age_keeps_what_is_younger(full: Place) -> None:
    full.now -= timedelta(minutes=30)
    async with full.process() as store:
        done = await store.workspace("work").retention.prune(
            RetentionPolicy(keep_within=timedelta(days=3))
        )
        assert done.floor == VERSIONS - 29
        both = RetentionPolicy(keep_last=10, keep_within=timedelta(days=3))
        assert (await store.workspace("work").retention.prune(both)).versions == 0


async def test_an_age_that_everything_exceeds_leaves_the_newest(full: Place) -> None:
    async with full.process() as store:
        within = RetentionPolicy(keep_within=timedelta(days=1))
        assert (await store.workspace("work").retention.prune(within)).floor == VERSIONS
        assert (await store.workspace("work").load()).state == {"n": VERSIONS}


async def test_a_pinned_version_stays_until_it_is_unpinned(full: Place) -> None:
    async with full.process() as store:
        work = store.workspace("work")
        assert (await work.retention.pin(77), await work.retention.pin(77)) == (True, False)
        await work.retention.prune(LAST_10)
        await check_whole(store, [77, *KEPT])
        assert (await work.retention.get()).pins == (77,)
        with pytest.raises(NotFound, match="pruned"):
            await work.retention.pin(78)
        with pytest.raises(NotFound, match="no version 5000"):
            await work.retention.pin(5000)
        assert (await work.retention.unpin(77), await work.retention.unpin(77)) == (True, False)
        assert (await work.retention.prune(LAST_10)).ranges == ((77, 77),)
        await check_whole(store, KEPT)


async def test_what_is_in_force_stays(full: Place) -> None:
    """The version of a running step, of an approval, and what a fork was made from."""
    async with full.process(prune=False) as store:
        work = store.workspace("work")
        started = await work.start_step("long", lease=timedelta(hours=1))
        await work.approvals.request("go", "Go on?")
        await work.fork("other", version=123)
        for number in range(40):
            await work.save({"n": number})
        full.now += timedelta(days=30)  # the step is interrupted by now
        done = await work.retention.prune(LAST_10)
        assert started.fencing_token == VERSIONS + 1
        for version in (VERSIONS + 1, VERSIONS + 2, 123):
            assert (await work.load(version=version)).version == version
        assert done.floor > VERSIONS + 2
        assert (await store.workspace("other").load()).state == {"n": 123}


async def test_the_own_policy_wins_over_that_of_the_store(full: Place) -> None:
    async with full.process() as store:
        work = store.workspace("work")
        assert (await work.retention.get()).policy.keeps_everything
        assert (await work.retention.prune()).versions == 0
        await store.retention.set(LAST_10)
        assert (await work.retention.get()).policy == LAST_10
        everything = RetentionPolicy()
        told = await work.retention.set(everything)
        assert (told.policy, told.own, told.store) == (everything, everything, LAST_10)
        assert (await work.retention.prune()).versions == 0
        await work.retention.set(None)
    async with full.process() as store:
        assert await store.retention.get() == LAST_10
        (done,) = await store.retention.prune()
        assert (done.workspace, done.versions) == ("work", 881)
        await store.retention.set(None)
        assert await store.retention.get() is None


@pytest.mark.parametrize(
    "policy", [RetentionPolicy(keep_last=0), RetentionPolicy(keep_within=timedelta(0))]
)
async def test_a_policy_that_nobody_can_mean_is_refused(
    place: Place, policy: RetentionPolicy
) -> None:
    async with place.process() as store:
        await store.workspace("work").save(1)
        for call in (
            store.workspace("work").retention.set(policy),
            store.workspace("work").retention.prune(policy),
            store.retention.set(policy),
        ):
            with pytest.raises(InvalidInput) as refused:
                await call
            assert refused.value.code == "bad_policy"


async def test_a_workspace_that_is_not_there_cannot_be_pruned(place: Place) -> None:
    async with place.process() as store:
        none = store.workspace("none").retention
        for call in (none.get(), none.set(LAST_10), none.pin(1), none.plan(), none.prune()):
            with pytest.raises(NotFound) as refused:
                await call
            assert refused.value.code == "workspace_not_found"


async def test_a_conflict_tells_of_what_is_left_of_the_history(full: Place) -> None:
    async with full.process() as store:
        work = store.workspace("work")
        await work.retention.prune(RetentionPolicy(keep_last=2))
        with pytest.raises(Conflict, match="901 prune by tester"):
            await work.save(1, expected_version=5)


async def test_repeating_a_save_whose_version_was_pruned_still_answers(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        await work.save(1, request_id="once")
        for number in range(5):
            await work.save(number)
        await work.retention.prune(RetentionPolicy(keep_last=1))
        again = await work.save(1, request_id="once")
        assert (again.version, again.repeated, again.stored_bytes) == (1, True, 0)


async def test_a_prune_that_dies_anywhere_leaves_all_that_is_kept_and_is_finished_by_the_next(
    place: Place, tmp_path: Path
) -> None:
    async with place.process(prune=False) as store:
        await fill(store, place, 600)
    place.now += timedelta(days=2)
    before = {key: await place.objects.get(key) for key in await all_keys(place)}
    expected = [100, 150, 200, 300, 400, 500, *range(591, 601)]
    finished: set[int] | None = None
    for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
        at = 0
        while True:
            await put_back(place, before)
            faulty = FaultyObjects(place.objects, {at: fault})
            died = await prune_until(place, faulty)
            async with place.process(prune=False) as store:
                pruned = (await store.workspace("work").retention.get()).floor
                if pruned:
                    await check_whole(store, expected)
                else:
                    assert (await store.workspace("work").load(version=2)).state == {"n": 2}
                await store.workspace("work").retention.prune(LAST_10)
                await check_whole(store, expected)
            left = {version for version in await stored(place) if version <= 600}
            finished = finished or left
            assert left == finished
            if not died:
                break
            at += 1 if at < 12 else 23
        assert at > 20


async def prune_until(place: Place, faulty: FaultyObjects) -> bool:
    try:
        async with place.process(faulty, prune=False) as store:
            await store.workspace("work").retention.prune(LAST_10)
    except Crash:
        return True
    return False


async def all_keys(place: Place) -> list[str]:
    found: list[str] = []
    while keys := await place.objects.list("", after=found[-1] if found else ""):
        found += keys
    return found


async def put_back(place: Place, before: dict[str, bytes | None]) -> None:
    for key in await all_keys(place):
        if key not in before:
            await place.objects.delete(key)
    for key, data in before.items():
        assert data is not None
        await place.objects.put(key, data)


@pytest.mark.parametrize("fault", [Fault.LOST_RESPONSE, Fault.LATE, Fault.REFUSED])
async def test_a_store_that_fails_in_a_prune_is_pruned_by_repeating_it(
    full: Place, fault: Fault
) -> None:
    faulty = FaultyObjects(full.objects)
    async with full.process(faulty, prune=False) as store:
        work = store.workspace("work")
        await work.load()
        for at in (1, 40, 200):
            faulty.schedule = {faulty.operations + at: fault}
            try:
                await work.retention.prune(LAST_10)
            except Unavailable:
                await work.retention.prune(LAST_10)
        await check_whole(store, KEPT)


async def test_a_reader_that_is_overtaken_by_a_prune_is_told_that_it_was_pruned(
    full: Place,
) -> None:
    gated = GatedObjects(full.objects)
    async with full.process(gated) as reader, full.process() as other:
        await reader.workspace("work").load()
        gate = gated.hold("get", log_key("work", 3))
        loading = asyncio.create_task(reader.workspace("work").load(version=3))
        await gate.reached.wait()
        await other.workspace("work").retention.prune(LAST_10)
        gate.open()
        with pytest.raises(NotFound) as refused:
            await loading
        assert refused.value.code == "pruned"


async def test_a_list_that_is_overtaken_by_a_prune_shows_what_is_kept(place: Place) -> None:
    async with place.process(prune=False) as store:
        for number in range(800):
            await store.workspace("work").save(number)
        place.now += timedelta(days=3)
        await store.workspace("work").retention.pin(3)
        await store.workspace("work").retention.prune(LAST_10)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as reader, place.process() as other:
        gate = gated.hold("get", log_key("work", 256))
        listing = asyncio.create_task(reader.workspace("work").checkpoints(limit=1000))
        await gate.reached.wait()
        await other.workspace("work").retention.unpin(3)
        await other.workspace("work").retention.prune(LAST_10)
        assert await place.objects.get(log_key("work", 256)) is None
        gate.open()
        assert [info.version for info in (await listing).items] == list(range(800, 790, -1))


async def test_a_version_pinned_while_a_prune_is_under_way_stays(full: Place) -> None:
    gated = GatedObjects(full.objects)
    async with full.process(gated) as pruner, full.process() as other:
        gate = gated.hold("put", log_key("work", VERSIONS + 1))
        pruning = asyncio.create_task(pruner.workspace("work").retention.prune(LAST_10))
        await gate.reached.wait()
        await other.workspace("work").retention.pin(5)
        gate.open()
        await pruning
        await check_whole(other, [5, *KEPT])


async def test_a_pruned_log_is_opened_in_two_rounds(full: Place) -> None:
    async with full.process() as store:
        await store.workspace("work").retention.prune(LAST_10)
    counting = CountingObjects(full.objects)
    async with full.process(counting) as store:
        counting.clear()
        await store.workspace("work").load()
        lists = [n for n, op in enumerate(counting.operations) if op.verb == "list"]
        gets = [n for n, op in enumerate(counting.operations) if op.verb == "get"]
        assert lists == [0, 1]
        assert len(gets) <= 10


async def test_versions_before_one_that_is_damaged_are_not_taken_for_old(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        for number in range(1, 41):
            await work.save({"n": number})
            place.now += timedelta(hours=1)
        day = RetentionPolicy(keep_within=timedelta(hours=24, minutes=30))
        floor = (await work.retention.plan(day)).floor
        assert floor == 17
        for version in range(21, 41):
            whole = await place.objects.get(log_key("work", version)) or b""
            await place.objects.delete(log_key("work", version))
            assert (await work.retention.plan(day)).floor <= floor
            await place.objects.put(log_key("work", version), whole)

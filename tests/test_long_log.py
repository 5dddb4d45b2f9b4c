"""A long history: opened, listed, loaded anywhere, pruned and verified. 20,000 in a campaign."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import NotFound, RetentionPolicy, Store
from safepoint.format.document import encode
from safepoint.testing.faults import CountingObjects

pytestmark = pytest.mark.anyio


@pytest.fixture
def versions(campaign: int) -> int:
    return 2_000 if campaign == 1 else 20_000


async def listed(store: Store) -> list[int]:
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = await store.workspace("work").checkpoints(limit=1000, cursor=cursor)
        found += [info.version for info in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_long_log_does_all_that_a_short_one_does(tmp_path: Path, versions: int) -> None:
    place = Place(tmp_path)
    async with place.process(prune=False) as store:
        for number in range(1, versions + 1):
            label = f"label {number}" if number % 250 == 0 else None
            await store.workspace("work").save({"n": number}, label=label)
    place.now += timedelta(days=2)
    labelled = list(range(250, versions + 1, 250))
    sample = [1, 2, 255, 256, 257, versions // 2, versions - 1, versions]

    async with place.process() as store:
        work = store.workspace("work")
        assert await listed(store) == list(range(versions, 0, -1))
        for version in sample:
            assert (await work.load(version=version)).state == {"n": version}
        assert (await work.load(label="label 250")).version == 250
        assert (await work.verify()).problems == ()
        done = await work.retention.prune(RetentionPolicy(keep_last=100))
        newest = range(versions - 99, versions + 1)
        assert done.versions == versions - 100 - len([v for v in labelled if v not in newest])
        assert done.removed > versions // 3

    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        work = store.workspace("work")
        counting.clear()
        assert (await work.load()).state == {"n": versions}
        assert [operation.verb for operation in counting.operations[:2]] == ["list", "list"]
        assert len(counting.operations) <= 2 + 9 + 1
        assert await listed(store) == sorted({*labelled, *newest}, reverse=True)
        for version in [*labelled[:: max(1, len(labelled) // 8)], newest[0]]:
            assert (await work.load(version=version)).state == {"n": version}
        with pytest.raises(NotFound, match="pruned"):
            await work.load(version=255)
        assert (await work.verify()).problems == ()
        counting.clear()
        assert (await work.save({"n": 0})).version == versions + 2
        await work.load()
        assert [operation.verb for operation in counting.operations] == ["put", "get"]


async def test_a_document_does_not_grow_with_what_is_kept_of_its_history(
    tmp_path: Path, versions: int
) -> None:
    """At the same place of a block: what a long history adds is the set of versions kept."""
    place = Place(tmp_path)
    weights = []
    async with place.process(prune=False) as store:
        work = store.workspace("work")
        for number in range(1, versions + 1):
            await work.save({"n": 1}, label="x" if number % 100 == 0 else None)
            if number == 101:
                weights.append(await weight(store))
        await work.retention.prune(RetentionPolicy(keep_last=5))
        while (await work.load()).version % 256 != 101:
            await work.save(
                {"n": 1},
            )
        weights.append(await weight(store))
    assert weights[1] - weights[0] < 300 + 3 * versions / 100


async def weight(store: Store) -> int:
    head = await store.open_log("work").log.head()
    return len(encode(head.document))

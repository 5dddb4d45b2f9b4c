"""Pruning in a bucket of a real server: removed there, opened in two rounds after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.s3.bucket import SELDOM, Bucket

from safepoint import NotFound, RetentionPolicy, Store
from safepoint.format.keys import log_folder
from safepoint.objects.s3 import S3Objects
from safepoint.testing.faults import CountingObjects

pytestmark = pytest.mark.anyio

VERSIONS = 620


async def test_what_is_pruned_leaves_the_bucket_and_the_rest_is_read_as_ever(real: Bucket) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    async with real.open(pages="off", prune=False) as store:
        work = store.workspace("work")
        for number in range(1, VERSIONS + 1):
            await work.save({"n": number}, label="kept" if number == 40 else None)
    async with real.open(pages="off", clock=lambda: later) as store:
        work = store.workspace("work")
        policy = RetentionPolicy(keep_last=5, keep_within=timedelta(days=1))
        planned = await work.retention.plan(policy)
        done = await work.retention.prune(policy)
        assert (done.versions, done.ranges) == (planned.versions, planned.ranges)
        assert done.versions == VERSIONS - 5 - 1
        assert done.removed > 60
        listed = await store.objects.list(log_folder("work"), limit=1000)
        assert len(listed) == VERSIONS + 1 - done.removed
    counting = CountingObjects(
        S3Objects(real.client(), real.server.bucket, real.prefix, close_client=True)
    )
    async with Store.open(counting, key_file=real.key_file, pages="off", pace=SELDOM) as store:
        work = store.workspace("work")
        counting.clear()
        assert (await work.load()).state == {"n": VERSIONS}
        verbs = [operation.verb for operation in counting.operations]
        assert verbs[:2] == ["list", "list"]
        assert set(verbs[2:]) == {"get"}
        page = await work.checkpoints()
        assert [info.version for info in page.items] == [*range(VERSIONS, VERSIONS - 5, -1), 40]
        assert (await work.load(label="kept")).state == {"n": 40}
        with pytest.raises(NotFound, match="pruned"):
            await work.load(version=41)
    await counting.inner.close()

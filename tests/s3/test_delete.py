"""Deleting a workspace in a bucket of a real server, under another process's eyes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.s3.bucket import Bucket

from safepoint import NotFound
from safepoint.format.keys import keys_folder, log_folder, log_key

pytestmark = pytest.mark.anyio


async def test_a_deleted_workspace_is_gone_for_every_process_and_may_begin_anew(
    real: Bucket,
) -> None:
    async with real.open() as store, real.open() as idle:
        await idle.workspace("work").save({"n": 0})
        for number in range(1, 4):
            await store.workspace("work").save({"n": number})
        deleted = await store.delete("work")
        assert deleted.version == 5
        with pytest.raises(NotFound, match="it was deleted"):
            await idle.workspace("work").load()
        assert [name async for name in idle.names()] == []
        assert len(await idle.objects.list(keys_folder("work"))) == 1
        assert (await idle.workspace("work").save({"n": "new"})).version == 6
        assert (await store.workspace("work").load()).state == {"n": "new"}
    async with real.open() as store:
        assert (await store.workspace("work").load()).state == {"n": "new"}
        assert [info.name for info in (await store.workspaces()).items] == ["work"]
        await store.delete("work")
    async with real.open() as store:
        assert (await store.workspaces()).items == ()


async def test_what_is_left_of_it_after_an_hour_is_one_record_and_one_manifest(
    real: Bucket,
) -> None:
    async with real.open() as store:
        for number in range(5):
            await store.workspace("work").save({"n": number})
        now = store.now()
        await store.delete("work")
    async with real.open(clock=lambda: now + timedelta(hours=2)) as store:
        assert (await store.delete("work")).left == 0
        assert await store.objects.list(log_folder("work")) == [log_key("work", 6)]
        assert len(await store.objects.list(keys_folder("work"))) == 1

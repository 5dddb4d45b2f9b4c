"""Artifacts in a bucket: in parts, read by ranges, and nothing left of what did not come about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.s3.bucket import Bucket

from safepoint.filing.sweep import orphans, sweep_artifacts, sweep_uploads
from safepoint.format.keys import artifacts_folder

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
DATA = bytes(range(256)) * (20 * MIB // 256)
HOUR = timedelta(hours=1)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), MIB):
        yield data[at : at + MIB]


async def test_a_large_artifact_passes_in_parts_and_is_read_by_ranges(bucket: Bucket) -> None:
    async with bucket.open() as store:
        artifacts = store.workspace("work").artifacts
        saved = await artifacts.save("d/large.bin", pieces(DATA))
        assert saved.size == len(DATA)
        assert (await artifacts.save("d/large.bin", DATA)).repeated
        assert (
            await artifacts.load("d/large.bin", start=9 * MIB - 1, length=3)
            == (DATA[9 * MIB - 1 : 9 * MIB + 2])
        )
        await artifacts.save("small", b"1")
    async with bucket.open() as store:
        artifacts = store.workspace("work").artifacts
        assert await artifacts.load("d/large.bin") == DATA
        assert len(await store.objects.list(artifacts_folder("work"))) == 2


async def test_an_upload_that_is_cancelled_or_never_committed_is_swept_once_it_is_old(
    bucket: Bucket,
) -> None:
    async with bucket.open() as store:
        work, log = store.workspace("work"), store.open_log("work").log
        await work.artifacts.save("kept", b"kept")
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for piece in pieces(DATA):
                yield piece
            begun.set()
            await asyncio.Event().wait()

        saving = asyncio.create_task(work.artifacts.save("never", endless()))
        await begun.wait()
        assert await sweep_uploads(log, older_than=HOUR) == 0, "it is under way"
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        orphan = artifacts_folder("work") + "a/" + "0" * 32
        await store.objects.put(orphan, b"left by a process that died")
        assert await orphans(log) == [orphan]
        assert await sweep_artifacts(log, older_than=HOUR) == 0
        assert await sweep_artifacts(log, older_than=-HOUR) == 1
        assert await sweep_uploads(log, older_than=-HOUR) == 0, "nothing was left to end"
        assert await orphans(log) == []
        assert await work.artifacts.load("kept") == b"kept"

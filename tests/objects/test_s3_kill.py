"""A server that is killed and started again still has every object that it acknowledged."""

from __future__ import annotations

import asyncio

import pytest
from tests.servers.seaweedfs import SeaweedFS

from safepoint.errors import Unavailable

pytestmark = pytest.mark.anyio

WRITERS = 4
BEFORE_THE_KILL = 60


async def test_acknowledged_objects_survive_the_death_of_the_server(
    seaweedfs_process: SeaweedFS, prefix: str
) -> None:
    objects = seaweedfs_process.s3.objects(prefix, timeout=60, read_timeout=60)
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def write(writer: int) -> None:
        for n in range(100_000):
            key = f"log/{writer}-{n:05d}"
            try:
                assert await objects.put(key, key.encode() * 500, if_absent=True)
            except Unavailable:  # OutcomeUnknown among them
                return
            acknowledged.append(key)
            if len(acknowledged) >= BEFORE_THE_KILL:
                enough.set()

    writers = [asyncio.create_task(write(writer)) for writer in range(WRITERS)]
    await enough.wait()
    seaweedfs_process.kill()
    await asyncio.gather(*writers)
    await asyncio.to_thread(seaweedfs_process.start)

    listed = await objects.list("log/", limit=100_000)
    assert set(acknowledged) <= set(listed)
    for key in acknowledged:
        assert await objects.get(key) == key.encode() * 500
    assert not await objects.put(acknowledged[0], b"again", if_absent=True)
    assert await objects.put("log/new", b"after", if_absent=True)
    await objects.close()

"""The probe passes stores that keep their promises and refuses those that do not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.servers.s3 import S3Server

from safepoint.errors import Unavailable, Unsupported
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.objects.probe import PROBE_FOLDER, probe
from safepoint.testing.faults import CountingObjects, Fault, FaultyObjects

pytestmark = pytest.mark.anyio


async def test_a_sound_store_passes_in_four_requests_and_keeps_nothing() -> None:
    objects = CountingObjects(MemoryObjects())
    await probe(objects)
    assert [operation.verb for operation in objects.operations] == ["put", "put", "get", "delete"]
    await probe(objects, thorough=True)
    assert await objects.list("") == []


async def test_a_folder_passes(tmp_path: Path) -> None:
    await probe(LocalObjects(tmp_path), thorough=True)


async def test_servers_that_enforce_the_condition_pass(
    ministack_server: S3Server, seaweedfs_server: S3Server, prefix: str
) -> None:
    for server in (ministack_server, seaweedfs_server):
        objects = server.objects(prefix)
        await probe(objects, thorough=True)
        assert await objects.list(PROBE_FOLDER) == []


async def test_rclone_lets_every_writer_win_and_is_refused(
    rclone_server: S3Server, prefix: str
) -> None:
    objects = rclone_server.objects(prefix)
    with pytest.raises(Unsupported, match="does not enforce conditional puts") as refused:
        await probe(objects)
    assert refused.value.code == "no_conditional_put"
    assert "versioning" in refused.value.hint
    assert await objects.list(PROBE_FOLDER) == []


class Careless(MemoryObjects):
    """Looks first and writes then: whoever comes in between is overwritten."""

    async def put(
        self, key: str, data: bytes, *, if_absent: bool = False, after: str | None = None
    ) -> bool:
        taken = await self.get(key) is not None
        await asyncio.sleep(0)
        return not (if_absent and taken) and await super().put(key, data)


async def test_a_store_that_lets_racers_win_is_refused_by_the_thorough_probe() -> None:
    await probe(Careless())
    with pytest.raises(Unsupported, match="of 4 writers racing for a key 4 won"):
        await probe(Careless(), thorough=True)


class Overwriting(MemoryObjects):
    """Says no and writes all the same."""

    async def put(
        self, key: str, data: bytes, *, if_absent: bool = False, after: str | None = None
    ) -> bool:
        free = await self.get(key) is None
        await super().put(key, data)
        return free


class Forgetful(MemoryObjects):
    async def get(self, key: str) -> bytes | None:
        return None


class Full(MemoryObjects):
    async def put(
        self, key: str, data: bytes, *, if_absent: bool = False, after: str | None = None
    ) -> bool:
        return False


@pytest.mark.parametrize("objects", [Overwriting(), Forgetful(), Full()])
async def test_a_store_that_answers_right_and_acts_wrong_is_refused(objects: ObjectStore) -> None:
    with pytest.raises(Unsupported):
        await probe(objects)


class Unordered(MemoryObjects):
    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        found = await super().list(prefix, after=after, folders=folders)
        return found[::-1][:limit]


class Stale(MemoryObjects):
    """Goes on listing what was deleted."""

    async def delete(self, key: str) -> None:
        pass


@pytest.mark.parametrize("objects", [Unordered(), Stale()])
async def test_a_store_that_lists_wrongly_is_refused(objects: ObjectStore) -> None:
    await probe(objects)
    with pytest.raises(Unsupported, match="does not list what is there") as refused:
        await probe(objects, thorough=True)
    assert refused.value.code == "wrong_listing"


@pytest.mark.parametrize("fault", [Fault.LOST_RESPONSE, Fault.TIMED_OUT, Fault.LATE])
@pytest.mark.parametrize("at", [0, 1])
async def test_a_put_of_unknown_outcome_is_asked_again(fault: Fault, at: int) -> None:
    await probe(FaultyObjects(MemoryObjects(), {at: fault}))


async def test_a_store_that_never_answers_is_unavailable() -> None:
    lost = dict.fromkeys(range(20), Fault.TIMED_OUT)
    with pytest.raises(Unavailable, match="leaves open") as failed:
        await probe(FaultyObjects(MemoryObjects(), lost))
    assert type(failed.value) is Unavailable


async def test_a_store_that_cannot_be_written_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="as scheduled"):
        await probe(FaultyObjects(MemoryObjects(), {0: Fault.REFUSED}))


async def test_whoever_may_not_delete_may_work() -> None:
    await probe(FaultyObjects(MemoryObjects(), {3: Fault.REFUSED}))

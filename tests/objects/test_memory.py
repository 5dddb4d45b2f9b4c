"""MemoryObjects keeps the contract, between threads and event loops too, and owns its bytes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from safepoint.objects.base import ObjectStore, SetsAside
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.contract import ObjectStoreContract


class TestMemoryObjects(ObjectStoreContract):
    @pytest.fixture
    def place(self) -> Callable[[], ObjectStore]:
        objects = MemoryObjects()
        return lambda: objects


def test_a_buffer_changed_after_the_put_changes_nothing() -> None:
    async def scenario() -> None:
        objects = MemoryObjects()
        buffer = bytearray(b"before")
        await objects.put("k", buffer)  # type: ignore[arg-type]
        buffer[:] = b"after!"
        assert await objects.get("k") == b"before"

    asyncio.run(scenario())


def test_two_memory_stores_share_nothing() -> None:
    async def scenario() -> None:
        one, other = MemoryObjects(), MemoryObjects()
        await one.put("k", b"1")
        assert await other.get("k") is None

    asyncio.run(scenario())


def test_closing_leaves_the_objects_to_the_other_users() -> None:
    async def scenario() -> None:
        objects = MemoryObjects()
        await objects.put("k", b"1")
        await objects.close()
        assert await objects.get("k") == b"1"

    asyncio.run(scenario())


def test_nothing_in_memory_is_ever_torn() -> None:
    assert not isinstance(MemoryObjects(), SetsAside)


def test_one_of_many_threads_wins_each_key() -> None:
    objects = MemoryObjects()

    def race(racer: int) -> list[int]:
        async def run() -> list[int]:
            return [
                n for n in range(500) if await objects.put(f"k/{n}", b"%d" % racer, if_absent=True)
            ]

        return asyncio.run(run())

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(race, range(8)))
    assert sorted(n for keys in won for n in keys) == list(range(500))
    for racer, keys in enumerate(won):
        assert all(asyncio.run(objects.get(f"k/{n}")) == b"%d" % racer for n in keys[:3])

"""The promises of StreamStore as tests, for stores that passed those of ObjectStore.

class TestMyStreams(StreamStoreContract):
    @pytest.fixture
    def place(self) -> Iterator[Callable[[], ObjectStore]]: ...  # as for ObjectStoreContract
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from datetime import timedelta
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safepoint.errors import Conflict, InvalidInput, NotFound
from safepoint.objects.base import ObjectStore, StreamStore, TellsAge
from safepoint.testing.contract import REFUSED_KEYS

__all__ = ["StreamStoreContract", "Streams", "read", "stream"]

MIB = 1024 * 1024
HOUR = timedelta(hours=1)

_example = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Streams(ObjectStore, StreamStore, Protocol):
    """What the contract is about: objects and streams of one place."""


class Stopped(Exception):
    """Raised by a source."""


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A source that gives these chunks."""
    for chunk in chunks:
        yield chunk


async def read(
    objects: StreamStore, key: str, *, start: int = 0, length: int | None = None
) -> bytes:
    """All that `get_stream` gives, each chunk within its limit."""
    found = bytearray()
    async for chunk in objects.get_stream(key, start=start, length=length):
        assert 0 < len(chunk) <= MIB
        found += chunk
    return bytes(found)


class StreamStoreContract:
    """Subclass it, name the class `Test…`, and give it the fixture `place`.

    `large_bytes` should be more than the store moves at once, in parts, pages or pieces.
    """

    large_bytes = 16 * MIB + 3

    @pytest.fixture
    def place(self) -> Callable[[], Streams]:
        raise NotImplementedError("a subclass of StreamStoreContract needs the fixture `place`")

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def objects(
        self, anyio_backend: str, place: Callable[[], Streams]
    ) -> AsyncIterator[Streams]:
        store = place()
        yield store
        await store.close()

    @pytest.fixture
    async def others(
        self, anyio_backend: str, place: Callable[[], Streams]
    ) -> AsyncIterator[Streams]:
        """A second store over the same place, as another process has it."""
        store = place()
        yield store
        await store.close()

    pytestmark = pytest.mark.anyio

    def large(self, first: int) -> list[bytes]:
        """Chunks of odd sizes; objects that begin with other bytes differ everywhere."""
        pattern = bytes((first + n) % 256 for n in range(251)) * 4096
        whole, rest = divmod(self.large_bytes, len(pattern))
        return [*[pattern] * whole, pattern[:rest]]

    async def test_the_store_says_that_it_takes_streams(self, objects: Streams) -> None:
        assert isinstance(objects, StreamStore)

    async def test_a_stream_becomes_an_object_like_any_other(
        self, objects: Streams, others: Streams
    ) -> None:
        assert await objects.put_stream("a/b", stream([b"one ", b"", b"two"])) == 7
        assert await others.get("a/b") == b"one two"
        assert await read(others, "a/b") == b"one two"
        assert await others.list("a/") == ["a/b"]
        await others.delete("a/b")
        with pytest.raises(NotFound):
            await read(objects, "a/b")

    async def test_an_object_that_was_put_can_be_read_as_a_stream(self, objects: Streams) -> None:
        await objects.put("k", b"put whole", if_absent=True)
        assert await read(objects, "k", start=4) == b"whole"

    @pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
    async def test_a_stream_of_nothing_is_an_empty_object(
        self, objects: Streams, chunks: list[bytes]
    ) -> None:
        assert await objects.put_stream("empty", stream(chunks)) == 0
        assert await objects.get("empty") == b""
        assert await read(objects, "empty") == b""
        assert await read(objects, "empty", start=3, length=5) == b""

    @given(
        chunks=st.lists(st.binary(max_size=900), max_size=5),
        start=st.integers(0, 3000),
        length=st.none() | st.integers(0, 3000),
    )
    @_example
    async def test_any_range_of_any_bytes_is_what_it_is_of_the_whole(
        self, objects: Streams, chunks: list[bytes], start: int, length: int | None
    ) -> None:
        key, data = f"any/{uuid.uuid4()}", b"".join(chunks)
        assert await objects.put_stream(key, stream(chunks)) == len(data)
        expected = data[start:] if length is None else data[start : start + length]
        assert await read(objects, key, start=start, length=length) == expected

    async def test_a_large_stream_is_whole_and_so_are_its_ranges(
        self, objects: Streams, others: Streams
    ) -> None:
        chunks = self.large(1)
        data = b"".join(chunks)
        assert await objects.put_stream("large", stream(chunks)) == len(data)
        assert await read(others, "large") == data
        for start, length in [
            (8 * MIB - 1, 2),
            (8 * MIB, 8 * MIB),
            (5, 9 * MIB),
            (len(data) - 1, 1),
            (len(data) - 1, None),
            (len(data) - MIB, 2 * MIB),
            (len(data), 1),
            (len(data) + 1, None),
            (MIB, 0),
        ]:
            end = len(data) if length is None else start + length
            assert await read(others, "large", start=start, length=length) == data[start:end]

    async def test_one_huge_chunk_is_as_good_as_many(self, objects: Streams) -> None:
        data = b"".join(self.large(2))
        assert await objects.put_stream("huge", stream([data])) == len(data)
        assert await objects.get("huge") == data

    @pytest.mark.parametrize(("start", "length"), [(0, None), (0, 0), (5, 1)])
    async def test_a_missing_object_is_not_found_at_the_first_chunk(
        self, objects: Streams, start: int, length: int | None
    ) -> None:
        await objects.put("folder/object", b"1")
        for key in ("nothing", "no/folder", "folder", "folder/object/below"):
            chunks = objects.get_stream(key, start=start, length=length)
            with pytest.raises(NotFound):
                await anext(chunks)

    @pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
    async def test_a_negative_range_is_refused(
        self, objects: Streams, start: int, length: int | None
    ) -> None:
        await objects.put("k", b"data")
        with pytest.raises(InvalidInput):
            await read(objects, "k", start=start, length=length)

    @pytest.mark.parametrize("key", REFUSED_KEYS)
    async def test_a_key_that_could_leave_the_store_is_refused(
        self, objects: Streams, key: str
    ) -> None:
        with pytest.raises(InvalidInput):
            await objects.put_stream(key, stream([b"x"]))
        with pytest.raises(InvalidInput):
            await read(objects, key)

    async def test_nothing_is_seen_before_the_end(self, objects: Streams, others: Streams) -> None:
        chunks = self.large(3)

        async def source() -> AsyncIterator[bytes]:
            for chunk in chunks:
                assert await others.get("p/k") is None
                assert await others.list("p/") == []
                yield chunk

        await objects.put_stream("p/k", source())
        assert await others.get("p/k") == b"".join(chunks)

    async def test_an_object_is_replaced_at_the_end_and_not_before(
        self, objects: Streams, others: Streams
    ) -> None:
        await objects.put_stream("k", stream([b"old"]))

        async def source() -> AsyncIterator[bytes]:
            yield b"new "
            assert await read(others, "k") == b"old"
            yield b"object"

        await objects.put_stream("k", source())
        assert await read(others, "k") == b"new object"

    async def test_a_source_that_fails_leaves_everything_as_it_was(
        self, objects: Streams, others: Streams
    ) -> None:
        await objects.put("p/old", b"old")

        async def source() -> AsyncIterator[bytes]:
            for chunk in self.large(4):
                yield chunk
            raise Stopped

        for key in ("p/new", "p/old"):
            with pytest.raises(Stopped):
                await objects.put_stream(key, source())
        assert await others.list("p/") == ["p/old"]
        assert await others.get("p/old") == b"old"
        assert await others.sweep(older_than=-HOUR) == 0, "something was left behind"

    @pytest.mark.parametrize("large", [False, True])
    async def test_a_cancelled_upload_leaves_nothing(
        self, objects: Streams, others: Streams, large: bool
    ) -> None:
        taken = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            for chunk in self.large(5) if large else [b"small"]:
                yield chunk
            taken.set()
            await asyncio.Event().wait()

        upload = asyncio.create_task(objects.put_stream("p/k", source()))
        await taken.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert await others.get("p/k") is None
        assert await others.list("p/") == []
        assert await others.sweep(older_than=-HOUR) == 0, "something was left behind"

    async def test_a_sweep_leaves_what_is_younger(self, objects: Streams, others: Streams) -> None:
        chunks = self.large(6)

        async def source() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk
            assert await others.sweep(older_than=HOUR) == 0

        await objects.put_stream("k", source())
        assert await others.get("k") == b"".join(chunks)

    async def test_an_object_has_the_age_of_its_last_put(self, objects: Streams) -> None:
        if not isinstance(objects, TellsAge):
            pytest.skip("this store knows no ages")
        assert await objects.age("a/k") is None
        await objects.put_stream("a/k", stream([b"x"]))
        age = await objects.age("a/k")
        assert age is not None
        assert timedelta() <= age < HOUR

    @pytest.mark.parametrize("deleted", [False, True])
    async def test_a_reader_never_gets_bytes_of_two_objects(
        self, objects: Streams, others: Streams, deleted: bool
    ) -> None:
        old = self.large(7)
        await objects.put_stream("k", stream(old))
        found = bytearray()
        try:
            async for chunk in objects.get_stream("k"):
                if not found:
                    if deleted:
                        await others.delete("k")
                    else:
                        await others.put_stream("k", stream(self.large(8)))
                found += chunk
        except Conflict:
            assert found == b"".join(old)[: len(found)]
        else:
            assert found == b"".join(old)

    async def test_a_reader_may_stop_early(self, objects: Streams) -> None:
        await objects.put_stream("k", stream(self.large(9)))
        async with aclosing(objects.get_stream("k")) as chunks:
            assert await anext(chunks)
        await objects.delete("k")
        assert await objects.get("k") is None

    async def test_many_streams_at_once_do_not_disturb_each_other(self, objects: Streams) -> None:
        async def one(n: int) -> None:
            chunks = [b"%d" % n * 1000] * (n * 300)
            await objects.put_stream(f"many/{n}", stream(chunks))
            assert await read(objects, f"many/{n}") == b"".join(chunks)

        await asyncio.gather(*(one(n) for n in range(9)))
        assert len(await objects.list("many/")) == 9

"""Artifact objects of one workspace: sealed on their way into a store, opened on their way out.

A few segments at a time, the next ones being read and sealed in threads while some are written, so
that neither the size of a file nor one slow part of the way decides about memory and speed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, Protocol, TypeVar

from safepoint.crypto.envelope import Place
from safepoint.crypto.stream import (
    HEADER_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    Segments,
    open_header,
    sealed_bytes,
    segment_count,
    start_sealing,
    truncated,
)
from safepoint.errors import Damaged, InvalidInput, LimitExceeded, NotFound, Unsupported
from safepoint.format.entries import ArtifactEntry
from safepoint.format.keys import artifact_key
from safepoint.log.codec import Codec
from safepoint.model import OnBytes
from safepoint.objects.base import ObjectStore, StreamStore
from safepoint.values import dataclass

__all__ = ["ID_BYTES", "Chunks", "SealedObjects", "Source", "Stored", "ahead", "stream_store"]

ID_BYTES: Final = 16
_AT_ONCE: Final = 1  # segments: more of them leave the caches of a processor
_BATCH: Final = _AT_ONCE * SEGMENT_BYTES

T = TypeVar("T")


class Source(Protocol):
    """Bytes to be stored, from their beginning."""

    async def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end."""


class Chunks:
    """See Source: what an iterator gives, in pieces of any size."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    async def read(self, count: int) -> bytes:
        """See Source. Raises InvalidInput when what it gives is not bytes."""
        parts: list[memoryview] = []
        while count:
            if not self._rest:
                chunk = await anext(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(_as_bytes(chunk))
            parts.append(self._rest[:count])
            self._rest = self._rest[count:]
            count -= len(parts[-1])
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was stored: of how many bytes of plaintext, with which SHA-256 in hex."""

    id: str
    size: int
    sha256: str
    stored_bytes: int


def stream_store(objects: ObjectStore) -> StreamStore:
    """Raises Unsupported for a store without streams."""
    if not isinstance(objects, StreamStore):
        raise Unsupported(
            f"{objects.url} cannot store artifacts: it has no streams",
            hint="Use a store on disk, in memory or in S3.",
            code="no_streams",
        )
    return objects


class SealedObjects:
    """The objects of the artifacts of the workspace whose `codec` this is."""

    def __init__(
        self,
        objects: ObjectStore,
        codec: Codec,
        newer: Callable[[], Awaitable[Codec | None]] | None = None,
    ) -> None:
        """`newer` gives the codec once its keys are read again: others may have added some."""
        self._objects = stream_store(objects)
        self._codec = codec
        self._newer = newer

    def key(self, artifact: str, object_id: str) -> str:
        return artifact_key(self._codec.name, artifact, object_id)

    async def put(
        self,
        artifact: str,
        source: Source,
        *,
        object_id: str | None = None,
        limit: int | None = None,
        total: int | None = None,
        told: OnBytes | None = None,
    ) -> Stored:
        """Store all of `source` as a new object, durable when this returns; all or nothing.

        Raises:
            LimitExceeded: it has more than `limit` bytes.
            OutcomeUnknown, Unavailable: see StreamStore.put_stream.
        """
        codec = self._codec
        object_id = object_id or codec.random(ID_BYTES).hex()
        key, key_id = self.key(artifact, object_id), max(codec.secrets)
        segments = await asyncio.to_thread(
            start_sealing, codec.secrets[key_id], key_id, self._place(key), random=codec.random
        )
        sealing = _Sealing(segments, source, limit, total, told)
        async with aclosing(_each(ahead(sealing.batches()))) as chunks:
            stored_bytes = await self._objects.put_stream(key, chunks)
        return Stored(object_id, sealing.size, sealing.digest.hexdigest(), stored_bytes)

    async def get(
        self, artifact: str, entry: ArtifactEntry, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a revision from `start` on, at most `length` of them.

        Each chunk is authentic. Of a whole read the last one comes only when size and SHA-256 are
        those of the table. To be closed by who stops early.

        Raises:
            Damaged: it is not there, or not what was stored.
            Conflict, Unavailable: it cannot be read, or to its end.
        """
        size, key = entry.size, self.key(artifact, entry.id)
        end = size if length is None else min(size, start + length)
        if start >= end and not (start == 0 == size):
            return
        first = start // SEGMENT_BYTES
        count = max(1, -(-end // SEGMENT_BYTES)) - first
        segments = await self._segments(key)
        at = HEADER_BYTES + first * SEALED_SEGMENT_BYTES
        wanted = min(count * SEALED_SEGMENT_BYTES, sealed_bytes(size) - at)
        whole = start == 0 and end == size
        opening = _Opening(segments, entry, key, first, first + count, whole=whole)
        # One byte more than there should be, so that what was prolonged is noticed.
        stream = ahead(self._objects.get_stream(key, start=at, length=wanted + whole))
        async with (
            aclosing(stream) as sealed,
            aclosing(_each(ahead(opening.batches(sealed)))) as chunks,
        ):
            skip, left = start - first * SEGMENT_BYTES, end - start
            try:
                async for chunk in chunks:
                    part = chunk[skip : skip + left]
                    skip, left = 0, left - len(part)
                    yield part
            except NotFound:
                raise missing(key) from None

    async def has(self, artifact: str, entry: ArtifactEntry) -> bool:
        """Whether the object is there and begins as it should: its header is read."""
        try:
            await self._segments(self.key(artifact, entry.id))
        except Unsupported:
            return True
        except Damaged as error:
            return error.code == "unknown_key"
        return True

    async def check(self, artifact: str, entry: ArtifactEntry) -> None:
        """Read it whole. Raises what `get` raises."""
        async with aclosing(self.get(artifact, entry)) as chunks:
            async for _ in chunks:
                pass

    async def _segments(self, key: str) -> Segments:
        header = bytearray()
        try:
            async with aclosing(self._objects.get_stream(key, length=HEADER_BYTES)) as chunks:
                async for chunk in chunks:
                    header += chunk
        except NotFound:
            raise missing(key) from None
        try:
            return open_header(self._codec.secrets, self._place(key), bytes(header))
        except Damaged as error:
            newer = await self._newer() if error.code == "unknown_key" and self._newer else None
            if newer is None:
                raise
            self._codec = newer
            return open_header(newer.secrets, self._place(key), bytes(header))

    def _place(self, key: str) -> Place:
        return Place(self._codec.store_id, self._codec.workspace_id, "artifact", key)


def missing(key: str) -> Damaged:
    """The error for an object that the table names and that is not there."""
    return Damaged(
        f"{key} is missing, though the workspace names it",
        hint="Objects were deleted from the store; restore them from a copy.",
        code="missing_object",
    )


class _Sealing:
    """One object on its way in."""

    def __init__(
        self,
        segments: Segments,
        source: Source,
        limit: int | None,
        total: int | None,
        told: OnBytes | None,
    ) -> None:
        self._segments = segments
        self._source = source
        self._limit = limit
        self._total = total
        self._told = told
        self.size = 0
        self.digest = hashlib.sha256()

    async def batches(self) -> AsyncGenerator[Sequence[bytes], None]:
        index = 0
        yield (self._segments.header,)
        async with aclosing(ahead(self._plain())) as batches:
            async for plain, last in batches:
                sealed = await asyncio.to_thread(self._seal, index, plain, last)
                index += _AT_ONCE
                yield sealed
                if self._told is not None:
                    self._told(self.size, self._total)

    async def _plain(self) -> AsyncGenerator[tuple[bytes, bool], None]:
        """What is sealed at once, and whether it is the end: so one is read ahead."""
        plain, size = await self._source.read(_BATCH), 0
        while True:
            size += len(plain)
            if self._limit is not None and size > self._limit:
                raise LimitExceeded(
                    f"the artifact is larger than {self._limit:,} bytes, the limit",
                    hint="Split it into several files.",
                )
            following = await self._source.read(_BATCH) if len(plain) == _BATCH else b""
            yield plain, not following
            if not following:
                return
            plain = following

    def _seal(self, index: int, plain: bytes, last: bool) -> list[bytes]:
        self.digest.update(plain)
        self.size += len(plain)
        view, count = memoryview(plain), segment_count(len(plain))
        return [
            self._segments.seal(
                index + n,
                view[n * SEGMENT_BYTES : (n + 1) * SEGMENT_BYTES],
                last=last and n == count - 1,
            )
            for n in range(count)
        ]


class _Opening:
    """Some segments of one object on their way out; `whole` if they are all, from `first` 0 on."""

    def __init__(
        self,
        segments: Segments,
        entry: ArtifactEntry,
        key: str,
        first: int,
        end: int,
        *,
        whole: bool,
    ) -> None:
        self._segments = segments
        self._entry = entry
        self._key = key
        self._index = first
        self._end = end
        self._final = segment_count(entry.size) - 1
        self._digest = hashlib.sha256() if whole else None

    async def batches(
        self, sealed: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[Sequence[bytes], None]:
        source = Chunks(sealed)
        while self._index < self._end:
            count = min(_AT_ONCE, self._end - self._index)
            data = await source.read(count * SEALED_SEGMENT_BYTES)
            parts = await asyncio.to_thread(self._open, data, count)
            if self._index == self._end and self._digest is not None:
                if await source.read(1):
                    raise truncated(self._key)
                if self._digest.hexdigest() != self._entry.sha256:
                    raise Damaged(
                        f"{self._key} has another SHA-256 than the workspace's table says",
                        hint="Restore it from a copy of the store.",
                        code="wrong_digest",
                    )
            yield parts

    def _open(self, data: bytes, count: int) -> Sequence[bytes]:
        view, parts = memoryview(data), []
        for n in range(count):
            sealed = view[n * SEALED_SEGMENT_BYTES : (n + 1) * SEALED_SEGMENT_BYTES]
            if not sealed:
                raise truncated(self._key)
            last = self._index == self._final
            part = self._segments.open(self._index, sealed, last=last)
            if self._digest is not None:
                self._digest.update(part)
            parts.append(part)
            self._index += 1
        return parts


async def ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items; each is being made while the one before is used. Closes `items`."""
    following = asyncio.ensure_future(anext(items, None))
    try:
        while (item := await asyncio.shield(following)) is not None:
            following = asyncio.ensure_future(anext(items, None))
            yield item
    finally:  # goes on when it is cancelled too
        await asyncio.shield(asyncio.ensure_future(_close(following, items)))


async def _each(batches: AsyncGenerator[Sequence[T], None]) -> AsyncGenerator[T, None]:
    async with aclosing(batches):
        async for batch in batches:
            for item in batch:
                yield item


async def _close(following: asyncio.Future[T | None], items: AsyncGenerator[T, None]) -> None:
    following.cancel()
    await asyncio.wait({following})
    if not following.cancelled():
        following.exception()  # so that nobody complains that it was not heard
    await items.aclose()


def _as_bytes(chunk: object) -> bytes:
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise InvalidInput(
        f"an artifact is made of bytes, not of {type(chunk).__name__}", code="bad_source"
    )

"""What the streams of all stores share: ranges, chunks, and the end of an upload that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Protocol

from safepoint.errors import InvalidInput, NotFound, OutcomeUnknown, Unavailable

__all__ = ["CHUNK", "Pouring", "Sink", "check_range", "chunks_of", "heard", "not_found"]

CHUNK = 1024 * 1024


class Sink(Protocol):
    """Takes one object in pieces. `write` and `commit` are called one after the other."""

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes."""

    async def commit(self) -> None:
        """Let the object appear, whole and durable."""

    async def discard(self) -> None:
        """Undo everything, also a commit; called once, instead of or after any of the others.

        Waits for what a cancelled call has left under way.
        """


class Pouring:
    """Streams on their way into sinks, and what is being discarded of those that failed."""

    def __init__(self) -> None:
        self._discarding: set[asyncio.Task[None]] = set()

    async def pour(self, chunks: AsyncIterator[bytes], sink: Sink) -> int:
        """Write all chunks and commit; the size. Discards on failure or cancellation.

        A second cancellation (anyio's scopes repeat theirs) does not wait for the discarding,
        which goes on. After an OutcomeUnknown nothing is discarded: that could not be relied on.
        """
        size = 0
        try:
            async for chunk in chunks:
                await sink.write(chunk)
                size += len(chunk)
            await sink.commit()
        except OutcomeUnknown:
            raise
        except BaseException:
            task = asyncio.ensure_future(_discard(sink))
            self._discarding.add(task)
            task.add_done_callback(self._discarding.discard)
            await asyncio.shield(task)
            raise
        return size

    async def settle(self) -> None:
        """Wait for all that is being discarded."""
        if self._discarding:
            await asyncio.wait(set(self._discarding))


def check_range(start: int, length: int | None) -> None:
    if start < 0 or (length is not None and length < 0):
        raise InvalidInput("a range of an object begins at 0 or later and has no negative length")


def chunks_of(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    view = memoryview(data)
    for at in range(0, len(view), CHUNK):
        yield bytes(view[at : at + CHUNK])


def not_found(key: str, place: str) -> NotFound:
    return NotFound(f"there is no object {key} in {place}", code="object_not_found")


def heard(step: asyncio.Future[Any]) -> None:
    """So that nobody complains about the error of a step that was left alone."""
    if not step.cancelled():
        step.exception()


async def _discard(sink: Sink) -> None:
    with suppress(Unavailable):  # `sweep` removes what is left
        await sink.discard()

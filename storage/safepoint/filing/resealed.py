"""Files of one workspace on their way into another: opened, and sealed anew under its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from safepoint.filing.batch import Meter
from safepoint.filing.files import Filing
from safepoint.filing.sealed import Chunks, SealedObjects
from safepoint.format.entries import ArtifactEntry
from safepoint.log.transitions.artifact import NewArtifact
from safepoint.model import OnBytes

__all__ = ["Resealing"]

_SMALL: Final = 256 * 1024
_SMALL_AT_ONCE: Final = 8


class Resealing:
    """`new` is what has been stored for the other workspace, in the order of the names."""

    def __init__(self, source: SealedObjects, target: SealedObjects, filing: Filing) -> None:
        """`filing` is that of the target."""
        self._source = source
        self._target = target
        self._filing = filing
        self._done: dict[str, NewArtifact] = {}

    @property
    def new(self) -> tuple[NewArtifact, ...]:
        return tuple(self._done[name] for name in sorted(self._done))

    async def run(self, files: Mapping[str, ArtifactEntry], now_ms: int, meter: Meter) -> None:
        """Store them all, in constant memory; small ones several at once. `meter` is told.

        Raises what the first failure is; `discard` removes what was stored then.
        """
        small = iter([(n, entry) for n, entry in files.items() if entry.size <= _SMALL])

        async def some() -> None:
            for name, entry in small:
                await self._store(name, entry, now_ms, meter.of_one())

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_SMALL_AT_ONCE):
                    group.create_task(some())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        for name, entry in files.items():
            if entry.size > _SMALL:
                await self._store(name, entry, now_ms, meter.of_one())

    async def discard(self) -> None:
        """Remove what was stored, which must be in no table."""
        for new in self._done.values():
            await self._filing.discard(self._target, new)

    async def _store(self, name: str, entry: ArtifactEntry, now_ms: int, told: OnBytes) -> None:
        async with (
            aclosing(self._source.get(name, entry)) as chunks,
            aclosing(_telling(chunks, entry.size, told)) as heard,
        ):
            stored = await self._target.put(name, Chunks(heard))
        self._done[name] = NewArtifact(
            name,
            id=stored.id,
            size=stored.size,
            sha256=stored.sha256,
            media_type=entry.media_type,
            executable=entry.executable,
            stored_bytes=stored.stored_bytes,
            uploaded_ms=now_ms,
            step=entry.step,
            summary=entry.summary,
        )


async def _telling(
    chunks: AsyncIterator[bytes], total: int, told: OnBytes
) -> AsyncGenerator[bytes, None]:
    done = 0
    async for chunk in chunks:
        yield chunk
        done += len(chunk)
        told(done, total)

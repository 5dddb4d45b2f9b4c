"""Objects as streams to and from files: aiofiles for the bytes, Files for the names."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from aiofiles.threadpool import wrap

from safepoint.errors import OutcomeUnknown
from safepoint.objects._durable import OsCalls
from safepoint.objects._files import Files
from safepoint.objects._root import Root
from safepoint.objects._streams import CHUNK, heard, not_found

__all__ = ["FileSink", "read_file"]

T = TypeVar("T")


class FileSink:
    """See Sink. Temporary file, writes, fsync, rename, fsync of the folder, as a replacing put."""

    def __init__(self, key: str, root: Root, files: Files, os_calls: OsCalls) -> None:
        self._key = key
        self._root = root
        self._files = files
        self._os = os_calls
        self._path = ""
        self._file: io.BufferedWriter | None = None
        self._named = False
        self._under_way: asyncio.Future[Any] | None = None

    async def write(self, chunk: bytes) -> None:
        """See Sink."""
        with self._files.failing_as("store", self._key):
            await self._step(wrap(await self._opened()).write(chunk))

    async def commit(self) -> None:
        """See Sink."""
        with self._files.failing_as("store", self._key):
            file = await self._opened()
            await self._step(asyncio.to_thread(self._name, file))

    async def discard(self) -> None:
        """See Sink."""
        if self._under_way is not None:
            await asyncio.wait({self._under_way})
        await asyncio.to_thread(self._remove)

    async def _opened(self) -> io.BufferedWriter:
        if self._file is None:
            return await self._step(asyncio.to_thread(self._open))
        return self._file

    async def _step(self, work: Awaitable[T]) -> T:
        """What a thread has begun cannot be cancelled; `discard` waits for it."""
        step = asyncio.ensure_future(work)
        step.add_done_callback(heard)
        self._under_way = step
        return await asyncio.shield(step)

    def _open(self) -> io.BufferedWriter:
        self._root.open()
        self._root.path_of(self._key)  # a key that cannot be is told before anything is written
        self._path, fd = self._root.new_temporary()
        self._file = io.BufferedWriter(io.FileIO(fd, "wb"))
        return self._file

    def _name(self, file: io.BufferedWriter) -> None:
        file.flush()
        self._os.fsync(file.fileno())
        file.close()
        try:
            self._files.adopt(self._key, self._path)
        except OutcomeUnknown:
            self._named = True
            raise
        self._named = True

    def _remove(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):  # its buffer may not find room
            self._file.close()
        with self._files.failing_as("discard", self._key), suppress(FileNotFoundError):
            os.unlink(self._path)
        if self._named:
            self._files.delete(self._key)


async def read_file(
    files: Files, key: str, place: str, start: int, length: int | None
) -> AsyncGenerator[bytes, None]:
    """See StreamStore.get_stream."""
    opening = asyncio.ensure_future(asyncio.to_thread(files.open, key))
    try:
        opened = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise
    if opened is None:
        raise not_found(key, place)
    file = wrap(opened)
    try:
        with files.failing_as("read", key):
            await file.seek(start)
            left = length
            while chunk := await file.read(CHUNK if left is None else min(CHUNK, left)):
                yield chunk
                left = None if left is None else left - len(chunk)
    finally:  # a read that was cancelled is still under way: closing it waits for that in a thread
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, opened.close))


def _close_opened(opening: asyncio.Future[io.BufferedReader | None]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        file = opening.result()
        if file is not None:
            file.close()

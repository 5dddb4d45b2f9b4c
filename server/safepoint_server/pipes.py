"""stdin and stdout of this process, without a thread wherever the system says what would wait."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["Outlet", "chunks", "claimed_stdout"]

CHUNK_BYTES: Final = 64 * 1024
CHUNKS_AHEAD: Final = 16


async def chunks(fd: int) -> AsyncIterator[bytes]:
    """What arrives on `fd`, as it arrives, until its other end is closed. At most one chunk is read
    before it is asked for."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    ahead: list[bytes] = []
    listening = True

    def read() -> None:
        nonlocal listening
        if ahead:  # what comes now may wait where it is
            loop.remove_reader(fd)
            listening = False
            return
        with suppress(BlockingIOError):
            ahead.append(_read(fd))
            arrived.set()

    try:
        loop.add_reader(fd, read)
    except (OSError, NotImplementedError):  # a file, or Windows: nothing tells when to read
        async for chunk in _chunks_by_thread(fd):
            yield chunk
        return
    try:
        while True:
            await arrived.wait()
            arrived.clear()
            chunk = ahead.pop()
            if not chunk:
                return
            if not listening:
                loop.add_reader(fd, read)
                listening = True
            yield chunk
    finally:
        loop.remove_reader(fd)


async def _chunks_by_thread(fd: int) -> AsyncIterator[bytes]:
    """By a thread that never keeps the process alive."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_AHEAD)

    def read() -> None:
        chunk = b"-"
        while chunk:
            room.acquire()
            chunk = _read(fd)
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(arrived.put_nowait, chunk)

    threading.Thread(target=read, name="safepoint-stdin", daemon=True).start()
    while chunk := await arrived.get():
        room.release()
        yield chunk


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        raise
    except OSError:
        return b""


class Outlet:
    """A text file as the SDK's transport writes to it. Only what a client is slow to take is left
    to a thread; nothing here stops the event loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._ready = select.poll()
        self._ready.register(fd, select.POLLOUT)
        self._data = b""

    async def write(self, text: str) -> None:
        self._data += text.encode()

    async def flush(self) -> None:
        """Return when all of it was taken. Raises BrokenPipeError when nobody is there to."""
        rest, self._data = memoryview(self._data), b""
        with suppress(BlockingIOError):
            while rest and self._ready.poll(0):  # so much is taken at once by what is ready
                rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]
        if rest:
            await asyncio.to_thread(_write_all, self._fd, rest)


def _write_all(fd: int, rest: memoryview) -> None:
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            select.select([], [fd], [])


@contextmanager
def claimed_stdout() -> Iterator[int]:
    """stdout for the protocol alone: what else is printed meanwhile goes to stderr."""
    sys.stdout.flush()
    claimed = os.dup(1)
    try:
        elsewhere = os.dup(2)
    except OSError:  # closed by whoever started this
        elsewhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(elsewhere, 1)
    os.close(elsewhere)
    try:
        yield claimed
    finally:
        with suppress(ValueError):
            sys.stdout.flush()
        os.dup2(claimed, 1)
        os.close(claimed)

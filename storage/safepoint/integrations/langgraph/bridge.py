"""From any thread and any event loop to the one event loop that a store lives on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from safepoint.errors import InvalidInput

__all__ = ["Bridge", "LoopThread"]

T = TypeVar("T")


class Bridge:
    """To the store's loop, which must be running."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result, with this thread waiting. Raises InvalidInput in the loop's own thread, where
        it would wait for ever."""
        if _running() is self._loop:
            work.close()
            raise InvalidInput(
                "a synchronous call in the event loop that the store was opened in would wait for "
                "itself",
                hint="Use the asynchronous methods (ainvoke, aget_state, …), or open the store "
                "with SafepointSaver.open, which has an event loop of its own.",
                code="own_event_loop",
            )
        return self._send(work).result()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result, from whatever loop is running."""
        if _running() is self._loop:
            return await work
        return await asyncio.wrap_future(self._send(work))

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items, one at a time."""
        while (found := self.wait(_next(items))) is not None:
            yield found[0]

    async def each_async(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        while (found := await self.run(_next(items))) is not None:
            yield found[0]

    def _send(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if not self._loop.is_running():
            work.close()
            raise InvalidInput(
                "the event loop of the store has ended", hint="Open the store again."
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class LoopThread:
    """An event loop in a thread of its own, until `close`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="safepoint", daemon=True)
        self._thread.start()
        started = threading.Event()
        self.loop.call_soon_threadsafe(started.set)
        started.wait()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _next(items: AsyncIterator[T]) -> tuple[T] | None:
    async for item in items:
        return (item,)
    return None

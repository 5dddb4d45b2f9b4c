"""Opening a store in an event loop of its own, for programs with or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from safepoint.integrations.langgraph.bridge import Bridge, LoopThread
from safepoint.store import Store

__all__ = ["Opening"]


class _Settles(Protocol):
    async def settled(self) -> None: ...


T = TypeVar("T", bound=_Settles)


class Opening(Generic[T]):
    """To be entered once, with `with` or `async with`; gives what `make` makes of the store."""

    def __init__(
        self, opening: AbstractAsyncContextManager[Store], make: Callable[[Store], T]
    ) -> None:
        self._opening = opening
        self._make = make
        self._made: T | None = None
        self._loop: LoopThread | None = None

    def __enter__(self) -> T:
        self._loop = LoopThread()
        try:
            return Bridge(self._loop.loop).wait(self._start())
        except BaseException:
            self._loop.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None  # noqa: S101 - it was entered
        try:
            Bridge(self._loop.loop).wait(self._end())
        finally:
            self._loop.close()

    async def __aenter__(self) -> T:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    async def _start(self) -> T:
        store = await self._opening.__aenter__()
        self._made = self._make(store)
        return self._made

    async def _end(self) -> None:
        if self._made is not None:
            await self._made.settled()
        await self._opening.__aexit__(None, None, None)

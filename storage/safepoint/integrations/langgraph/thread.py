"""The one way to a thread's document: what waits while a commit is under way goes into the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from safepoint.errors import LimitExceeded, SafepointError
from safepoint.integrations.langgraph.commands import AddWrites, Operation, Put, Together
from safepoint.log.registry import OpenLog
from safepoint.model import Actor

__all__ = ["Habit", "Thread"]

_MOST_BYTES = 4 * 1024 * 1024
_MOST = 256


@dataclass(slots=True)
class Habit:
    """Whether callers hand in a checkpoint while the writes before it are still on their way, as
    LangGraph's loop does. Then writes wait for it, `patience` seconds, and both are one commit."""

    overlaps: bool = False
    patience: float = 0.003


@dataclass(slots=True)
class _Waiting:
    operation: Operation
    size: int
    alone: bool
    done: asyncio.Future[Any]


class Thread:
    """One LangGraph thread, that is, one workspace. Lives on the store's event loop."""

    def __init__(
        self, opened: OpenLog, actor: Actor, habit: Habit, forget: Callable[[], None]
    ) -> None:
        self._opened = opened
        self._actor = actor
        self._habit = habit
        self._forget = forget
        self._waiting: list[_Waiting] = []
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def commit(self, operation: Operation, *, size: int = 0, alone: bool = False) -> Any:
        """Apply it, durably: what it answers. `size` is that of its data in bytes; `alone` keeps it
        from sharing a commit. Cancelling the caller leaves it open whether it was committed."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(operation, size, alone, done))
        if isinstance(operation, Put):
            self._habit.overlaps = self._task is not None
        if not isinstance(operation, AddWrites):
            self._more.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await done

    async def idle(self) -> None:
        """When nothing is under way or waiting."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        try:
            while self._waiting:
                if self._habit.overlaps and not self._more.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._more.wait(), self._habit.patience)
                some = self._next()
                try:
                    await self._commit(some)
                except BaseException as error:
                    for one in some:
                        _answer(one, error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._task = None
            self._forget()

    def _next(self) -> list[_Waiting]:
        """As many of those waiting, in order, as one commit may take."""
        some, size = [self._waiting.pop(0)], 0
        while self._waiting and not some[-1].alone and len(some) < _MOST:
            following = self._waiting[0]
            size += following.size
            if following.alone or size > _MOST_BYTES:
                break
            some.append(self._waiting.pop(0))
        if not self._waiting:
            self._more.clear()
        return some

    async def _commit(self, some: list[_Waiting]) -> None:
        command = Together(tuple(one.operation for one in some))
        try:
            committed = await self._opened.committer.commit(
                command, self._actor, size=sum(one.size for one in some)
            )
        except LimitExceeded:
            if len(some) == 1:
                raise
            for one in some:  # each for itself: only what is too large is refused
                try:
                    await self._commit([one])
                except SafepointError as error:
                    _answer(one, error)
            return
        for one, reply in zip(some, committed.reply, strict=True):
            _answer(one, reply)


def _answer(one: _Waiting, reply: Any) -> None:
    """Unless the caller has gone."""
    if one.done.done():
        return
    if isinstance(reply, BaseException):
        one.done.set_exception(reply)
    else:
        one.done.set_result(reply)

"""The same work on many things, a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

__all__ = ["each"]

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 4


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """The results in the order of `items`. The first failure ends the rest, and is raised."""
    done: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for position, item in waiting:
            done[position] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [done[position] for position in range(len(items))]

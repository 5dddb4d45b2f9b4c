"""Where a blocking call on the disk is made: here, while that takes no longer than the way to
another thread and back, else in a worker thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Calls"]

R = TypeVar("R")

_QUICK_SECONDS = 0.002
_LARGE_BYTES = 1024 * 1024
_AT_FIRST = 0.01  # so that a dozen quick calls have to come before one is made here
_WEIGHT = 1 / 8


class Calls:
    """The blocking operations of one store, for an event loop.

    A fast disk syncs within a fifth of a millisecond; on a busy machine another thread does not
    even run by then. So calls are timed by their kind, and made here while recent ones took less
    than two milliseconds on average: as long as the computing for 1 MiB, which is done here too.
    One that took long sends those that follow to a thread for a while. Several at a time overlap
    in threads. And as long as the files are not known to lie on an `own_disk` of this machine, none
    is made here: a network may never answer.
    """

    def __init__(
        self, own_disk: Callable[[], bool], timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._own_disk = own_disk
        self._timer = timer
        self._seconds: dict[str, float] = {}
        self._under_way = 0

    async def run(self, kind: str, call: Callable[[], R], size: int = 0) -> R:
        """What it returns. Other tasks have their turn before it, wherever it is made. `size` is
        that of its data in bytes, as far as it is known."""
        self._under_way += 1
        try:
            if size <= _LARGE_BYTES and self._lately(kind) < _QUICK_SECONDS and self._own_disk():
                await asyncio.sleep(0)
                if self._under_way == 1:
                    return self._timed(kind, call)
            return await asyncio.to_thread(self._timed, kind, call)
        finally:
            self._under_way -= 1

    def _timed(self, kind: str, call: Callable[[], R]) -> R:
        began = self._timer()
        try:
            return call()
        finally:
            lately = self._lately(kind)
            self._seconds[kind] = lately + (self._timer() - began - lately) * _WEIGHT

    def _lately(self, kind: str) -> float:
        return self._seconds.get(kind, _AT_FIRST)

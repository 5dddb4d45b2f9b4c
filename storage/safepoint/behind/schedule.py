"""When something is written behind commits: later, seldom, and in nobody's way."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable

from safepoint.values import dataclass

__all__ = ["Behind", "Pace"]

logger = logging.getLogger("safepoint")

_PARALLEL = 8
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two writes of one thing, seconds that closing may take, and the time."""

    interval: float = 5.0
    grace: float = 10.0
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class _Noted:
    write: Callable[[], Awaitable[None]]
    since: float
    due: float
    quiet: bool
    failures: int = 0


class Behind:
    """Runs what was noted, each thing `pace.interval` after its first note since it last ran.

    So a thing runs at most once in an interval, never twice at the same time, and once more after
    its last note. What fails is tried again a little later, three times in all; nobody else is
    told than the log, once. Closing runs at once what is outstanding.
    """

    def __init__(
        self, pace: Pace, failing: str = "summaries or pages could not be written"
    ) -> None:
        self._pace = pace
        self._failing = failing
        self._noted: dict[str, _Noted] = {}
        self._writing: dict[str, _Noted] = {}
        self._task: asyncio.Task[None] | None = None
        self._sleeping: asyncio.Future[None] | None = None
        self._warned = False
        self.closing = False
        self.given_up = 0
        """How often something that was noted failed for good."""

    def note(self, what: str, write: Callable[[], Awaitable[None]], *, quiet: bool = False) -> None:
        """Have `write` run later; it stands for all that was noted under `what` until then.

        Returns at once and never raises. With `quiet`, failing is no news.
        """
        noted = self._noted.get(what)
        if noted is None:
            now = self._pace.now()
            self._noted[what] = _Noted(write, now, now + self._pace.interval, quiet)
        else:
            noted.write, noted.quiet = write, noted.quiet and quiet
        if self._task is None or self._task.done():
            # In a context of its own: it outlives whoever noted, and is no part of what they do.
            loop, context = asyncio.get_running_loop(), contextvars.Context()
            self._task = loop.create_task(self._run(), context=context)

    def outstanding(self) -> tuple[int, float]:
        """How much is noted and not done, and for how many seconds the oldest of it."""
        since = {what: noted.since for what, noted in self._noted.items()}
        since |= {what: noted.since for what, noted in self._writing.items()}
        return len(since), self._pace.now() - min(since.values()) if since else 0.0

    async def close(self) -> None:
        """Run what is outstanding; what takes longer than `pace.grace` is given up."""
        self.closing = True
        task = self._task
        if task is None:
            return
        if self._sleeping is not None:
            self._sleeping.cancel()
        try:
            await asyncio.wait({task}, timeout=self._pace.grace)
        finally:
            if not task.done():
                task.cancel()
                self._warn("it took too long")
        if task.done() and not task.cancelled():
            task.result()

    async def _run(self) -> None:
        while self._noted:
            wait = min(noted.due for noted in self._noted.values()) - self._pace.now()
            if wait > 0 and not self.closing:
                await self._pause(wait)
            now = self._pace.now()
            ready = {w: n for w, n in self._noted.items() if n.due <= now or self.closing}
            for what in ready:
                self._writing[what] = self._noted.pop(what)
            turns = asyncio.Semaphore(_PARALLEL)
            await asyncio.gather(*(self._write(what, n, turns) for what, n in ready.items()))

    async def _pause(self, seconds: float) -> None:
        """Until they are over, or `close` is called."""
        self._sleeping = asyncio.ensure_future(self._pace.sleep(seconds))
        try:
            await asyncio.wait({self._sleeping})
        finally:
            self._sleeping.cancel()
            self._sleeping = None

    async def _write(self, what: str, noted: _Noted, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                await noted.write()
            except Exception as error:  # the edge: whoever caused this write has long gone on
                self._failed(what, noted, getattr(error, "code", type(error).__name__))
            finally:
                del self._writing[what]

    def _failed(self, what: str, noted: _Noted, why: str) -> None:
        if not noted.quiet:
            self._warn(why)
        noted.failures += 1
        again = self._noted.get(what)
        if again is not None:
            again.since = noted.since
        elif noted.failures < _ATTEMPTS and not self.closing:
            noted.due = self._pace.now() + self._pace.interval * 2**noted.failures
            self._noted[what] = noted
        else:
            self.given_up += 1

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("%s (%s); no commit is affected", self._failing, why)

"""Waiting in this process, for a moment or for somebody, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from safepoint.integrations.durable.outcomes import Suspended
from safepoint.values import dataclass

__all__ = ["Timing", "Waiting"]

_LOOK_AGAIN = 60.0
_HINT = "Start the program again then: it carries on here. `safepoint due` lists what is ready."


@dataclass(frozen=True, slots=True)
class Timing:
    """How the run sleeps, draws chances between 0 and 1, and how many seconds lie between two
    looks at something that another process or a person is to do: `poll` at first, doubling up to
    `longest_poll`."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    poll: float = 0.25
    longest_poll: float = 10.0


class Waiting:
    """All the waiting of one call. Beyond `limit` it ends in Suspended; None is no limit."""

    def __init__(
        self, timing: Timing, now: Callable[[], datetime], limit: timedelta | None
    ) -> None:
        self._timing = timing
        self._now = now
        self._end = None if limit is None else now() + limit
        self._polls = 0

    async def until(self, moment: datetime, what: str) -> None:
        """Sleep until then. Raises Suspended at once if that is beyond the limit."""
        if self._end is not None and moment > max(self._end, self._now()):
            raise _suspended(what, moment)
        while (left := (moment - self._now()).total_seconds()) > 0:
            await self._timing.sleep(min(left, _LOOK_AGAIN))  # clocks are set, machines sleep

    async def a_while(self, what: str, *, until: datetime | None = None) -> None:
        """Sleep for a poll, not beyond `until`. Raises Suspended when the limit is reached."""
        now = self._now()
        if self._end is not None and now >= self._end:
            raise _suspended(what, until)
        timing = self._timing
        seconds = min(timing.poll * 2 ** min(self._polls, 20), timing.longest_poll)
        self._polls += 1
        ends = [end for end in (until, self._end) if end is not None and end > now]
        left = min(((end - now).total_seconds() for end in ends), default=seconds)
        await timing.sleep(min(seconds * (1 - timing.random() / 2), left))


def _suspended(what: str, until: datetime | None) -> Suspended:
    when = f" until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
    return Suspended(f"the run is suspended{when}: {what}", hint=_HINT, until=until)

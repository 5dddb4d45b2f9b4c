"""Tells a client that asked how far a long transfer is, without being in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from safepoint.model import OnBytes

__all__ = ["Report", "reporting"]

Report = Callable[[float, float | None], Awaitable[None]]

_STEP_BYTES = 1024 * 1024


@asynccontextmanager
async def reporting(report: Report | None) -> AsyncIterator[OnBytes | None]:
    """Gives what is to be told of the bytes done. Only the newest figure is sent, and the next one
    when that is sent; at the end of a block that ends well the last one."""
    if report is None:
        yield None
        return
    reporter = _Reporter(report)
    try:
        yield reporter.told
        await reporter.finish()
    finally:
        reporter.cancel()


class _Reporter:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._newest: tuple[int, int | None] = (0, None)
        self._sent = 0
        self._sending: asyncio.Task[None] | None = None

    def told(self, done: int, total: int | None) -> None:
        """See OnBytes."""
        self._newest = (done, self._newest[1] if total is None else total)
        idle = self._sending is None or self._sending.done()
        if idle and done - self._sent >= _STEP_BYTES:
            self._sending = asyncio.create_task(self._send())

    async def finish(self) -> None:
        if self._sending is not None:
            await self._sending
        if self._newest[0] > self._sent:
            await self._send()

    def cancel(self) -> None:
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self) -> None:
        self._sent, total = self._newest
        await self._report(self._sent, total)

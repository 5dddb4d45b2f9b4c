"""Holding a step: its lease is renewed while the work goes on, and the work ends with the lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from safepoint.errors import Conflict, SafepointError, Unavailable
from safepoint.integrations.durable.context import StepContext
from safepoint.integrations.durable.outcomes import LeaseLost
from safepoint.integrations.durable.waiting import Timing
from safepoint.model import Decision, Started
from safepoint.values import dataclass
from safepoint.workspace import Workspace

__all__ = ["Ended", "Held"]

_BEATS = 3
_RELEASED = timedelta(seconds=1)
_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How the work ended. `cancelled`: somebody asked for that meanwhile; it may have ended
    otherwise, as a thread does."""

    result: Any = None
    error: BaseException | None = None
    cancelled: bool = False


class Held:
    """The lease of one attempt, renewed three times in its length from entering to leaving."""

    def __init__(
        self,
        workspace: Workspace,
        started: Started,
        context: StepContext,
        *,
        lease: timedelta,
        timing: Timing,
        now: Callable[[], datetime],
    ) -> None:
        self._workspace = workspace
        self._step = started.step
        self._token = started.fencing_token
        self._until = started.lease_until or now()
        self._context = context
        self._lease = lease
        self._timing = timing
        self._now = now
        self._beats: asyncio.Task[LeaseLost] | None = None

    async def __aenter__(self) -> Held:
        self._beats = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def work(self, call: Coroutine[Any, Any, Any]) -> Ended:
        """Run `call` to its end, or until the lease is lost.

        Being cancelled is passed on to `call`; how that ends is the answer nevertheless.

        Raises:
            LeaseLost: the step may not go on here.
        """
        beats, cancelled = self._beats, False
        assert beats is not None  # noqa: S101 - made on entering
        work = asyncio.ensure_future(call)
        while not work.done():
            try:
                await asyncio.wait(
                    {work} if beats.done() else {work, beats}, return_when=asyncio.FIRST_COMPLETED
                )
            except asyncio.CancelledError:
                cancelled = True
                work.cancel()
                continue
            if beats.done() and not work.done():
                if not beats.cancelled() and beats.exception() is None:
                    self._context.lost = beats.result()
                work.cancel()
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if beats.done():
            raise beats.result() from error
        if error is not None:
            return Ended(error=error, cancelled=cancelled)
        return Ended(work.result(), cancelled=cancelled)

    async def release(self) -> None:
        """Let the lease end in a second, so that the next attempt can begin, which is told that
        this one never reported. If that does not work, it ends by itself."""
        with contextlib.suppress(SafepointError, TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._stop()
                await self._workspace.start_step(
                    self._step, lease=_RELEASED, fencing_token=self._token
                )

    async def _stop(self) -> None:
        """No renewal from here on, nor one under way."""
        beats = self._beats
        assert beats is not None  # noqa: S101 - made on entering
        beats.cancel()
        await asyncio.wait({beats})

    async def _renew(self) -> LeaseLost:
        """Goes on until the lease is lost, and says why."""
        every = self._lease.total_seconds() / _BEATS
        pause = every
        while True:
            await self._timing.sleep(pause)
            left = (self._until - self._now()).total_seconds()
            try:
                async with asyncio.timeout(left if left > 0 else every):
                    renewed = await self._workspace.start_step(
                        self._step, lease=self._lease, fencing_token=self._token
                    )
            except TimeoutError:
                return self._lost("could not be renewed in time: the store did not answer")
            except Unavailable as error:
                if self._now() >= self._until:
                    return self._lost(f"could not be renewed in time: {error.message}")
                pause = every / _BEATS
                continue
            except Conflict:
                return self._lost("was taken over by another attempt, or its run has ended")
            except SafepointError as error:
                return self._lost(f"cannot be renewed: {error.message}")
            if renewed.decision is not Decision.RUN:
                return self._lost("is over: somebody else has recorded the step as finished")
            self._until, pause = renewed.lease_until or self._until, every

    def _lost(self, why: str) -> LeaseLost:
        return LeaseLost(
            f"the lease of step {self._step!r} {why}; this attempt was stopped and nothing of it "
            "is recorded",
            hint="What it did outside may have happened; the next attempt has the same "
            "idempotency key. Start the program again to learn how the step stands.",
            step=self._step,
        )

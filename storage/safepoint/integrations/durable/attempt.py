"""One attempt at a step: run it under its lease, and record how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from safepoint.errors import Conflict, InvalidInput, Unavailable
from safepoint.handle import Handle
from safepoint.integrations.durable.calls import Calls
from safepoint.integrations.durable.context import STEP, StepContext
from safepoint.integrations.durable.lease import Ended, Held
from safepoint.integrations.durable.outcomes import LeaseLost, Suspended
from safepoint.integrations.durable.recorded import Codec, error_text
from safepoint.integrations.durable.retry import Retry
from safepoint.integrations.durable.waiting import Timing
from safepoint.model import JSON, Marked, Started
from safepoint.values import dataclass
from safepoint.workspace import Workspace

__all__ = ["Attempts", "Done"]

_RECORD_AGAIN = 3
_RECORD_PAUSE = 1.0
_NO_FAILURE = (Suspended, LeaseLost)  # of a step inside: this one can go on later, too


@dataclass(frozen=True, slots=True)
class Done:
    """What was recorded, as every later process will find it."""

    recorded: JSON


class Attempts:
    """What the attempts of one run share."""

    def __init__(
        self,
        workspace: Workspace,
        handle: Handle,
        calls: Calls,
        *,
        lease: timedelta,
        timing: Timing,
    ) -> None:
        self._workspace = workspace
        self._handle = handle
        self._calls = calls
        self._lease = lease
        self._timing = timing

    async def run(
        self,
        started: Started,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        codec: Codec[Any],
        policy: Retry,
        spent: int,
    ) -> Done | None:
        """None when it failed and may be tried again. `spent` attempts do not count.

        Raises what the function raised when it may not, LeaseLost, or CancelledError.
        """
        context = _context(started)
        held = Held(
            self._workspace,
            started,
            context,
            lease=self._lease,
            timing=self._timing,
            now=self._handle.clock,
        )
        async with held:
            ended = await held.work(self._calls.call(context, function, args))
            if ended.error is None:
                done = Done(await self._record(started, context, codec, ended))
            elif isinstance(ended.error, Exception) and not isinstance(ended.error, _NO_FAILURE):
                await self._fail(started, ended.error, policy, spent)
                done = None
            else:
                await held.release()
                raise ended.error
        if ended.cancelled:
            raise asyncio.CancelledError
        return done

    async def _record(
        self, started: Started, context: StepContext, codec: Codec[Any], ended: Ended
    ) -> JSON:
        """The result as recorded. A result that cannot be is a failure, but not for good: the
        program is wrong, and may be put right."""
        try:
            recorded = codec.as_recorded(ended.result, max_depth=self._handle.limits.depth)
            await self._under_lease(
                started,
                partial(
                    self._workspace.mark_step_done,
                    result=recorded,
                    state=context.alongside.state,
                    patch=context.alongside.patch,
                    summary=context.alongside.summary,
                ),
            )
        except InvalidInput as error:
            await self._mark_failed(started, f"it ran, but was not recorded: {error_text(error)}")
            raise type(error)(
                f"step {started.step!r} ran, but cannot be recorded as done: {error.message}",
                hint=f"{error.hint} Its effect has happened; the next attempt has the same "
                "idempotency key.".lstrip(),
                code=error.code,
            ) from error
        return recorded

    async def _fail(self, started: Started, error: Exception, policy: Retry, spent: int) -> None:
        """Raises `error` when the step has failed for good."""
        attempts = max(1, started.attempt - spent)
        text = error_text(error)
        if not policy.allows(error, attempts):
            await self._mark_failed(started, text, retryable=False)
            raise error
        delay = policy.delay(attempts, self._timing.random())
        await self._mark_failed(started, text, retry_after=delay)

    async def _mark_failed(
        self,
        started: Started,
        error: str,
        *,
        retryable: bool = True,
        retry_after: timedelta | None = None,
    ) -> None:
        mark = partial(
            self._workspace.mark_step_done,
            status="failed",
            error=error,
            retryable=retryable,
            retry_after=retry_after,
        )
        await self._under_lease(started, mark)

    async def _under_lease(self, started: Started, mark: Callable[..., Awaitable[Marked]]) -> None:
        """Record it. Raises LeaseLost when the step is another's by now."""
        for left in reversed(range(_RECORD_AGAIN)):
            try:
                await mark(started.step, fencing_token=started.fencing_token)
                return
            except Unavailable:
                if not left:
                    raise
                await self._timing.sleep(_RECORD_PAUSE)
            except Conflict as conflict:
                raise LeaseLost(
                    f"step {started.step!r} is not this process's any more: {conflict.message}",
                    hint=conflict.hint,
                    step=started.step,
                ) from conflict


def _context(started: Started) -> StepContext:
    return StepContext(
        workspace=started.workspace,
        run=started.run,
        name=started.step,
        attempt=started.attempt,
        idempotency_key=started.idempotency_key,
        fencing_token=started.fencing_token or 0,
        in_doubt=started.in_doubt,
        advice=started.advice,
        last_error=started.error,
        outer=STEP.get(),
    )

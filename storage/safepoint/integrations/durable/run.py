"""A durable run: a program's steps and waits, each done once, however often the program starts."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Token
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar, TypeVarTuple, overload

from safepoint.errors import Conflict, InvalidInput
from safepoint.handle import Handle
from safepoint.integrations.durable.attempt import Attempts
from safepoint.integrations.durable.calls import Calls
from safepoint.integrations.durable.context import RUN, STEP
from safepoint.integrations.durable.outcomes import NotApproved, StepBlocked, StepFailed
from safepoint.integrations.durable.recorded import PLAIN, Codec, checked_input, input_of
from safepoint.integrations.durable.retry import Retry, as_retry
from safepoint.integrations.durable.waiting import Timing, Waiting
from safepoint.log.moments import millis
from safepoint.model import (
    JSON,
    UNSET,
    Approval,
    ApprovalStatus,
    Decision,
    PlannedStep,
    Started,
    StepStatus,
    Unset,
)
from safepoint.workspace import Workspace

__all__ = ["Durable", "DurableRun"]

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Durable:
    """Reached as `workspace.durable`: opens runs of its program."""

    def __init__(self, workspace: Workspace, handle: Handle) -> None:
        self._workspace = workspace
        self._handle = handle

    def __call__(
        self,
        *,
        lease: timedelta = timedelta(minutes=1),
        max_wait: timedelta | None = None,
        retry_failed: bool = False,
        threads: int = 32,
        timing: Timing | None = None,
    ) -> DurableRun:
        """A run to be entered with `async with`.

        A step that a killed process left is free when its `lease` has run out; while a step runs,
        its lease is renewed. Waiting longer than `max_wait` ends in Suspended; without it nothing
        does. With `retry_failed` steps that had failed for good are tried again. Functions that are
        not coroutines run in at most that many `threads`.
        """
        return DurableRun(
            self._workspace,
            self._handle,
            lease=lease,
            max_wait=max_wait,
            retry_failed=retry_failed,
            threads=threads,
            timing=timing or Timing(),
        )


class DurableRun:
    """Made by `workspace.durable(…)`, entered with `async with`. `number` is that of the run.

    Its steps are steps of the workspace: people and other programs see and plan them. A name
    stands for one step in all of the run, in whatever process, so a repeated name is the same step,
    and a loop gives each round a name of its own: `f"page-{n}"`. Steps may run side by side, in a
    TaskGroup or by `asyncio.gather`. What happens between steps is done again at every start:
    anything with an effect, and anything that may come out differently, belongs into a step.
    """

    def __init__(
        self,
        workspace: Workspace,
        handle: Handle,
        *,
        lease: timedelta,
        max_wait: timedelta | None,
        retry_failed: bool,
        threads: int,
        timing: Timing,
    ) -> None:
        self.workspace = workspace
        self.number = 0
        self._handle = handle
        self._max_wait = max_wait
        self._retry_failed = retry_failed
        self._timing = timing
        self._calls = Calls(threads)
        self._attempts = Attempts(workspace, handle, self._calls, lease=lease, timing=timing)
        self._lease = lease
        self._token: Token[DurableRun | None] | None = None

    async def __aenter__(self) -> DurableRun:
        self.number = (await self._handle.log.head()).document.run
        self._token = RUN.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            with contextlib.suppress(ValueError):  # left in another context than entered
                RUN.reset(self._token)
        self._token = None
        self._calls.close()

    @overload
    async def step(
        self,
        name: str,
        function: Callable[[*Ts], Awaitable[R]],
        *args: *Ts,
        input: JSON | Unset = ...,
        retries: int | Retry = ...,
        codec: Codec[R] | None = ...,
        max_wait: timedelta | None = ...,
    ) -> R: ...
    @overload
    async def step(
        self,
        name: str,
        function: Callable[[*Ts], R],
        *args: *Ts,
        input: JSON | Unset = ...,
        retries: int | Retry = ...,
        codec: Codec[R] | None = ...,
        max_wait: timedelta | None = ...,
    ) -> R: ...
    async def step(
        self,
        name: str,
        function: Callable[[*Ts], Any],
        *args: *Ts,
        input: JSON | Unset = UNSET,
        retries: int | Retry = 0,
        codec: Codec[Any] | None = None,
        max_wait: timedelta | None = None,
    ) -> Any:
        """The result of `function(*args)`, which is recorded as JSON and, once that is durable,
        returned by every later call without running the function: exactly what was recorded, also
        the first time (tuples are lists). A step that somebody marked skipped gives what was
        recorded with that, or None.

        The function may be a coroutine function, or any other, which runs in a thread; keywords go
        by `functools.partial`. `input` is what it works on, by default its arguments; only its
        SHA-256 is kept. `retries` is how many further attempts follow a failure, or a Retry;
        attempts are counted in all processes, those that were killed included. While the step is
        another's it is waited for, at most `max_wait`.

        Raises:
            whatever the function raised, when it is not tried again.
            StepFailed: it had failed for good before.
            StepBlocked: other steps or approvals come first.
            LeaseLost: this process may not go on with it; the function was cancelled.
            Suspended: waiting would take too long.
            Conflict: `input_changed`, or `other_run`: the run of the workspace has ended.
            InvalidInput: `input` or the result is not JSON. After the latter the step counts as
                failed, but not for good.
        """
        self._check_caller(name)
        codec = PLAIN if codec is None else codec
        if isinstance(input, Unset):
            input = input_of(function, args)
        depth = self._handle.limits.depth
        input = checked_input(name, input, max_depth=depth)
        policy, waiting, spent = as_retry(retries), self._waiting(max_wait), 0
        while True:
            started = await self._start(name, input)
            if started.decision is Decision.SKIP:
                skipped = started.status is StepStatus.SKIPPED and started.result is None
                return None if skipped else codec.decode(started.result)
            if started.decision is Decision.WAIT:
                await self._wait(waiting, started)
            elif started.decision is Decision.BLOCKED:
                await self._reopen(started)
                spent = started.attempt
            else:
                call = self._attempts.run(started, function, args, codec, policy, spent)
                if (done := await call) is not None:
                    return codec.decode(done.recorded)

    async def wait_for_approval(
        self,
        name: str,
        question: str,
        *,
        details: str | None = None,
        options: Sequence[str] = (),
        answer_schema: JSON | Unset = UNSET,
        subject: JSON | Unset = UNSET,
        expires_in: timedelta | None = None,
        max_wait: timedelta | None = None,
    ) -> Approval:
        """Ask a person, once in the run, and return the approval when it is given; its `answer` is
        what was picked or filled in. See `Workspace.approvals.request`.

        Waits by looking now and then, at most `max_wait`: timedelta(0) asks and then ends the
        program. A question that expired is asked anew by the next start of the program.

        Raises:
            NotApproved: it was denied or withdrawn, or it expired.
            Suspended: there is no answer yet.
        """
        self._check_open()
        self._check_run((await self._handle.log.head()).document.run)
        waiting = self._waiting(max_wait)
        asked = await self.workspace.approvals.request(
            name,
            question,
            details=details,
            options=options,
            answer_schema=answer_schema,
            subject=subject,
            expires_in=expires_in,
        )
        approval = asked.approval
        while approval.status is ApprovalStatus.PENDING:
            await waiting.a_while(f"approval {name!r} is not decided yet")
            approval = await self.workspace.approvals.get(name)
        if approval.given:
            return approval
        by = f" by {approval.decided_by.name}" if approval.decided_by else ""
        comment = f": {approval.comment}" if approval.comment else ""
        raise NotApproved(
            f"approval {name!r} is {approval.status}{by}{comment}",
            hint="Do without, or ask another question.",
            approval=approval,
        )

    async def sleep_until(
        self, name: str, when: datetime, *, max_wait: timedelta | None = None
    ) -> None:
        """Go on at `when`, a time with its zone, also after restarts. `name` is that of the step
        that the timer is; `safepoint due` lists it when its time has come. Another `when` moves it
        as long as it has not passed.

        Raises Suspended when it would take longer than `max_wait`.
        """
        self._check_caller(name)
        await self._plan(name, when)
        await self._sleep(name, max_wait)

    async def sleep_for(
        self, name: str, duration: timedelta, *, max_wait: timedelta | None = None
    ) -> None:
        """Go on after `duration`, counted from the first time that the program came here. See
        `sleep_until`."""
        self._check_caller(name)
        if await self._wake_ms(name) is None:
            await self._plan(name, self._handle.clock() + duration)
        await self._sleep(name, max_wait)

    async def _sleep(self, name: str, max_wait: timedelta | None) -> None:
        waiting = self._waiting(max_wait)
        while (started := await self._start(name, UNSET)).decision is not Decision.SKIP:
            if started.decision is Decision.WAIT:
                await self._wait(waiting, started)
            elif started.decision is Decision.BLOCKED:
                await self._reopen(started)
            else:
                await self.workspace.mark_step_done(name, fencing_token=started.fencing_token)

    async def _start(self, name: str, input: JSON | Unset) -> Started:
        started = await self.workspace.start_step(name, input=input, lease=self._lease)
        if started.run != self.number and started.decision is Decision.RUN:
            await self.workspace.mark_step_done(
                name,
                status="failed",
                error="begun by a program of an earlier run, which did nothing",
                fencing_token=started.fencing_token,
            )
        self._check_run(started.run)
        return started

    async def _wait(self, waiting: Waiting, started: Started) -> None:
        name, until = started.step, started.wait_until
        if started.holder is not None:
            await waiting.a_while(f"step {name!r} is held by another process", until=until)
        elif until is not None:
            error = f", after {started.error}" if started.error else ""
            await waiting.until(until, f"step {name!r} is due then{error}")

    async def _reopen(self, started: Started) -> None:
        """Make a step that failed for good startable, if that is wanted; else raise."""
        name, approvals = started.step, tuple(need.name for need in started.approvals)
        if started.needs or approvals:
            needs = ", ".join(map(repr, (*started.needs, *approvals)))
            raise StepBlocked(
                f"step {name!r} cannot start yet: it needs {needs}",
                hint=started.advice,
                step=name,
                needs=started.needs,
                approvals=approvals,
            )
        if not self._retry_failed:
            raise StepFailed(
                f"step {name!r} failed for good: {started.error}",
                hint="When the cause is mended, start the program with durable(retry_failed=True).",
                step=name,
                error=started.error,
                attempts=started.attempt,
            )
        try:
            await self.workspace.mark_step_done(
                name, status="failed", error=started.error, retryable=True
            )
        except Conflict as conflict:  # somebody else was faster
            if conflict.code not in ("token_required", "already_recorded"):
                raise

    async def _plan(self, name: str, when: datetime) -> None:
        """Have the step wake then, and leave all else that was planned of it as it is."""
        document = (await self._handle.log.head()).document
        self._check_run(document.run)
        entry = document.steps.get(name)
        after = () if entry is None else entry.after
        if entry is None or entry.wake_ms != millis(when, "when"):
            await self.workspace.plan_steps([PlannedStep(name, after=after, wake_at=when)])

    async def _wake_ms(self, name: str) -> int | None:
        entry = (await self._handle.log.head()).document.steps.get(name)
        return None if entry is None else entry.wake_ms

    def _waiting(self, max_wait: timedelta | None) -> Waiting:
        limit = self._max_wait if max_wait is None else max_wait
        return Waiting(self._timing, self._handle.clock, limit)

    def _check_run(self, number: int) -> None:
        if number != self.number:
            raise Conflict(
                f"run {self.number} of workspace {self.workspace.name!r} has ended: run "
                f"{number} has begun",
                hint="Start the program again if the new run is for it, too.",
                code="other_run",
            )

    def _check_caller(self, name: str) -> None:
        """Raises InvalidInput outside of the run, or for a step inside of itself."""
        self._check_open()
        outer = STEP.get()
        if outer is not None and outer.is_within(self, name):
            raise InvalidInput(
                f"step {name!r} would wait for itself",
                hint="Give the inner step a name of its own.",
                code="step_within_itself",
            )

    def _check_open(self) -> None:
        if self._token is None:
            raise InvalidInput(
                "the durable run is not open",
                hint="Use it in `async with workspace.durable() as run:`.",
                code="no_run",
            )

"""What a function can ask about the step that it runs in, and about the run around it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import field
from typing import TYPE_CHECKING

from safepoint.errors import InvalidInput
from safepoint.integrations.durable.outcomes import LeaseLost
from safepoint.model import JSON, UNSET, Unset
from safepoint.values import dataclass

if TYPE_CHECKING:
    from safepoint.integrations.durable.run import DurableRun

__all__ = ["RUN", "STEP", "Alongside", "StepContext", "current_run", "current_step"]


@dataclass(frozen=True, slots=True)
class Alongside:
    """What is to be committed together with the result."""

    state: JSON | Unset = UNSET
    patch: JSON | Unset = UNSET
    summary: str | None = None


@dataclass(slots=True)
class StepContext:
    """The attempt that is under way.

    Hand `idempotency_key` to every system outside: it is the same in all attempts. `in_doubt`: an
    earlier attempt never reported, so its effect may have happened; with a system that knows no
    idempotency keys, look there first. `last_error` is what the attempt before failed with.
    """

    workspace: str
    run: int
    name: str
    attempt: int
    idempotency_key: str
    fencing_token: int
    in_doubt: bool = False
    advice: str = ""
    last_error: str | None = None
    outer: StepContext | None = None
    alongside: Alongside = field(default_factory=Alongside)
    lost: LeaseLost | None = None

    def check(self) -> None:
        """For work in threads, which nothing can stop from outside: raises LeaseLost as soon as
        the step may not go on."""
        if self.lost is not None:
            raise self.lost

    def save(
        self,
        state: JSON | Unset = UNSET,
        *,
        patch: JSON | Unset = UNSET,
        summary: str | None = None,
    ) -> None:
        """Save the workspace's state, or an RFC 7396 patch to it, in the very commit that records
        the step as done: both or neither. The last call counts."""
        self.alongside = Alongside(state, patch, summary)

    def is_within(self, run: DurableRun, name: str) -> bool:
        """Whether this is the step of that name, or was begun by it."""
        step: StepContext | None = self
        while step is not None:
            if (step.workspace, step.run, step.name) == (run.workspace.name, run.number, name):
                return True
            step = step.outer
        return False


STEP: ContextVar[StepContext | None] = ContextVar("safepoint_step", default=None)
RUN: ContextVar[DurableRun | None] = ContextVar("safepoint_run", default=None)


def current_step() -> StepContext:
    """The step that the caller runs in, also in threads of sync steps. Raises InvalidInput."""
    step = STEP.get()
    if step is None:
        raise InvalidInput(
            "no durable step runs here",
            hint="Call it in a function given to `run.step`, or decorated with @durable_step.",
            code="no_step",
        )
    return step


def current_run() -> DurableRun:
    """The run around the caller. Raises InvalidInput."""
    run = RUN.get()
    if run is None:
        raise InvalidInput(
            "no durable run is open here",
            hint="Call the step inside `async with workspace.durable():`, or call the function "
            "itself, which is its attribute `function`.",
            code="no_run",
        )
    return run

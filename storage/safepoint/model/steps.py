"""Steps: what was planned, what start_step answers, what mark_step_done recorded."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from safepoint.model.approvals import ApprovalNeed
from safepoint.model.base import JSON, Actor
from safepoint.values import dataclass

__all__ = [
    "Blocker",
    "Decision",
    "InFlight",
    "Marked",
    "Plan",
    "PlannedStep",
    "Progress",
    "Started",
    "Step",
    "StepStatus",
]


class StepStatus(StrEnum):
    """Where a step stands. `interrupted` is a running step whose lease ran out unreported."""

    PENDING = "pending"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Decision(StrEnum):
    """What `start_step` tells the caller to do."""

    RUN = "run"
    SKIP = "skip"
    WAIT = "wait"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step to declare; `after` names the steps that must be done or skipped first,
    `needs_approval` the approvals that must be given. It is not started before `wake_at`."""

    name: str
    title: str | None = None
    after: tuple[str, ...] = ()
    needs_approval: tuple[str, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A named unit of work at one version. `result` is what mark_step_done recorded."""

    name: str
    status: StepStatus
    title: str | None = None
    after: tuple[str, ...] = ()
    attempts: int = 0
    idempotency_key: str = ""
    fencing_token: int | None = None
    lease_until: datetime | None = None
    holder: Actor | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: JSON = None
    result_bytes: int = 0
    error: str | None = None
    retryable: bool | None = None
    retry_at: datetime | None = None
    summary: str | None = None
    needs_approval: tuple[str, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How many steps there are and how many stand where."""

    total: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    running: int = 0
    interrupted: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class InFlight:
    """A step that was started and not reported. `interrupted`: its lease ran out, so its effect
    may or may not have happened; `advice` says what to do."""

    step: str
    attempt: int
    idempotency_key: str
    lease_until: datetime
    interrupted: bool
    holder: Actor
    advice: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """A step that cannot start yet, the steps it waits for and why in words."""

    step: str
    needs: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan after `plan_steps`: names added and names that were there already, and the next."""

    workspace: str
    version: int
    run: int
    added: tuple[str, ...]
    kept: tuple[str, ...]
    total: int
    next_step: str | None


@dataclass(frozen=True, slots=True)
class Started:
    """The answer of `start_step`.

    run: do the work now, hand `idempotency_key` to outside systems, report with `fencing_token`
    before `lease_until`. skip: it is finished, `result` is what was recorded. wait: ask again
    after `wait_until`. blocked: steps in `needs` must be finished first, or `approvals` given.
    `advice` says it in words. `in_doubt`: an earlier attempt never reported, or what it did was
    forgotten by going back, so its effect may have happened. `error`: why the last one failed.
    """

    workspace: str
    step: str
    decision: Decision
    version: int
    run: int
    attempt: int
    advice: str
    idempotency_key: str
    fencing_token: int | None = None
    lease_until: datetime | None = None
    wait_until: datetime | None = None
    status: StepStatus | None = None
    result: JSON = None
    needs: tuple[str, ...] = ()
    holder: Actor | None = None
    approvals: tuple[ApprovalNeed, ...] = ()
    in_doubt: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """What `mark_step_done` recorded; `repeated` says that it stood there already."""

    workspace: str
    step: str
    status: StepStatus
    version: int
    run: int
    attempt: int
    finished_at: datetime
    repeated: bool
    state_saved: bool
    next_step: str | None
    progress: Progress
    retry_at: datetime | None = None
    warnings: tuple[str, ...] = ()

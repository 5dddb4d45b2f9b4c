"""The frozen values that the library takes and returns. Times are aware `datetime`s in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

__all__ = [
    "JSON",
    "UNSET",
    "Actor",
    "Blocker",
    "Brief",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointKind",
    "Decision",
    "Event",
    "InFlight",
    "Limits",
    "Marked",
    "Page",
    "Plan",
    "PlannedStep",
    "Progress",
    "Saved",
    "Started",
    "Step",
    "StepStatus",
    "Unset",
    "WorkspaceInfo",
    "WorkspaceStatus",
]

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | dict[str, JSON] | None"
T = TypeVar("T")


class Unset:
    """The type of `UNSET`: "not given", where None is a value of its own."""

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class StepStatus(StrEnum):
    """Where a step stands. `interrupted` is a running step whose lease ran out unreported."""

    PENDING = "pending"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class WorkspaceStatus(StrEnum):
    """`active` has work left or no plan; `done` has every step done or skipped; `failed` has a
    step that failed for good; what is `damaged` does not open, and loading it says why."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    DAMAGED = "damaged"


class CheckpointKind(StrEnum):
    STEP = "step"
    MILESTONE = "milestone"


class Decision(StrEnum):
    """What `start_step` tells the caller to do."""

    RUN = "run"
    SKIP = "skip"
    WAIT = "wait"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes unless named otherwise; every one is refused with `LimitExceeded`."""

    state_bytes: int = 16 * 1024 * 1024
    result_bytes: int = 256 * 1024
    summary_bytes: int = 4 * 1024
    label_chars: int = 200
    name_chars: int = 1000
    step_chars: int = 200
    steps: int = 10_000
    depth: int = 128
    document_bytes: int = 60 * 1024 * 1024
    lease_min: timedelta = timedelta(seconds=1)
    lease_max: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change: a program or client name, its version, and the process it ran in."""

    name: str
    version: str = ""
    host: str = ""
    process: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items and, when there are more, the cursor to pass for the next ones."""

    items: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step to declare; `after` names the steps that must be done or skipped first."""

    name: str
    title: str | None = None
    after: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that is durable. `sha256` is of the state's stored JSON bytes, in hex.

    `repeated` says that this request_id had been saved before and nothing was written now.
    """

    workspace: str
    version: int
    run: int
    saved_at: datetime
    label: str | None
    state_bytes: int
    stored_bytes: int
    sha256: str
    repeated: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """One line of the checkpoint list."""

    version: int
    run: int
    saved_at: datetime
    kind: CheckpointKind
    label: str | None
    summary: str | None
    step: str | None
    state_bytes: int
    sha256: str
    saved_by: Actor


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
class Brief:
    """Where a workspace was: enough for a fresh agent to carry on, without the state itself."""

    workspace: str
    run: int
    version: int
    head_version: int
    status: WorkspaceStatus
    goal: str | None
    next_action: str | None
    summary: str | None
    label: str | None
    saved_at: datetime | None
    saved_by: Actor | None
    checkpoint_version: int | None
    progress: Progress
    next_step: str | None
    done: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[str, ...]
    in_flight: tuple[InFlight, ...]
    blocked: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A workspace as it was at `version`: its brief, and the state as value and as stored bytes.

    `state` is None and `state_bytes` 0 when no state had been saved yet.
    """

    version: int
    brief: Brief
    state: JSON
    state_json: bytes = field(repr=False)
    sha256: str = ""

    @property
    def state_bytes(self) -> int:
        return len(self.state_json)


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
    after `wait_until`. blocked: `needs` must be finished first. `advice` says it in words.
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


@dataclass(frozen=True, slots=True)
class Event:
    """One commit of the history: what was done, when, by whom, in how many stored bytes."""

    version: int
    at: datetime
    kind: str
    detail: dict[str, JSON]
    actor: Actor
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """One line of the workspace list, as of its newest version. Of a damaged workspace only the
    name is known; `summary` then says what is damaged."""

    name: str
    version: int
    run: int
    status: WorkspaceStatus
    updated_at: datetime
    goal: str | None
    summary: str | None
    next_action: str | None
    progress: Progress
    state_bytes: int

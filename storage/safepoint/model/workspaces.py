"""A workspace at one version: its checkpoints, brief, history, and its line in a list."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum

from safepoint.model.approvals import Approval, Due
from safepoint.model.base import JSON, Actor
from safepoint.model.references import Reference
from safepoint.model.steps import Blocker, InFlight, Progress
from safepoint.values import dataclass

__all__ = [
    "Brief",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointKind",
    "Deleted",
    "Event",
    "Saved",
    "WorkspaceInfo",
    "WorkspaceStatus",
]


class WorkspaceStatus(StrEnum):
    """`active` has work left or no plan; `done` has every step done or skipped; `failed` has a
    step that failed for good; what is `damaged` does not open, and loading it says why; what is
    `deleted` is in no list."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    DAMAGED = "damaged"
    DELETED = "deleted"


class CheckpointKind(StrEnum):
    STEP = "step"
    MILESTONE = "milestone"


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
class Brief:
    """Where a workspace was: enough for a fresh agent to carry on, without the state itself.

    `approvals` has up to 50, without subjects: those that wait first, then the last decided.
    `advice` tells of versions that were lost, steps that were set back, and when to begin a new
    run. `artifacts` counts those that are current."""

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
    approvals: tuple[Approval, ...] = ()
    advice: str | None = None
    artifacts: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A workspace as it was at `version`: its brief, and the state as value and as stored bytes.

    `state` is None and `state_bytes` 0 when no state had been saved yet. `references` are as they
    were saved; see `check_references`.
    """

    version: int
    brief: Brief
    state: JSON
    state_json: bytes = field(repr=False)
    sha256: str = ""
    references: tuple[Reference, ...] = ()

    @property
    def state_bytes(self) -> int:
        return len(self.state_json)


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
    name is known; `summary` then says what is damaged.

    `due` says why somebody should take it up now (at most 16 reasons, the oldest first), and
    `next_due` when there will be another reason."""

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
    open_approvals: int = 0
    due: tuple[Due, ...] = ()
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """A workspace that is gone for good: `version` was its last, `removed` objects are gone.

    `left` sealed records, which nothing opens any more, stay for an hour, so that no idle process
    takes their numbers; deleting again removes them then. One record and one manifest stay.
    """

    workspace: str
    version: int
    removed: int
    left: int

"""What the pages show. Whoever makes these values decides which names are in them: a page shows
nothing else. Names of steps, labels and people are None where they are not to be shown."""

from __future__ import annotations

from datetime import datetime

from safepoint.model import Progress
from safepoint.values import dataclass

__all__ = ["CheckpointRow", "RootPage", "RootRow", "StepRow", "WorkspacePage"]


@dataclass(frozen=True, slots=True)
class RootRow:
    """A workspace at a glance. `folder` is its key segment, which the link is made of."""

    name: str
    folder: str
    status: str
    progress: Progress
    version: int
    updated: datetime
    state_bytes: int
    open_approvals: int = 0


@dataclass(frozen=True, slots=True)
class RootPage:
    """`more`: there are workspaces beyond these rows. `unread`: of so many nothing is known."""

    rows: tuple[RootRow, ...]
    written: datetime
    more: bool = False
    unread: int = 0


@dataclass(frozen=True, slots=True)
class StepRow:
    """`number` counts from 1 in plan order. `until` is the end of a running step's lease."""

    number: int
    status: str
    attempts: int
    started: datetime | None
    finished: datetime | None
    until: datetime | None = None
    name: str | None = None
    title: str | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    version: int
    at: datetime
    milestone: bool
    state_bytes: int
    label: str | None = None
    step: str | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class WorkspacePage:
    """`steps` are in plan order, `checkpoints` newest first; both may be only a part of all."""

    name: str
    status: str
    run: int
    version: int
    created: datetime
    updated: datetime
    progress: Progress
    state_bytes: int
    steps: tuple[StepRow, ...]
    checkpoints: tuple[CheckpointRow, ...]
    more_checkpoints: bool
    names: bool
    written: datetime
    open_approvals: int = 0

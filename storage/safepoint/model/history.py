"""Going back and on: what differs between two versions, forks, rewinds, runs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from safepoint.model.base import Actor
from safepoint.model.steps import StepStatus
from safepoint.values import dataclass

__all__ = [
    "Change",
    "ChangeKind",
    "Changes",
    "Comparison",
    "Forked",
    "NewRun",
    "PastEffect",
    "Rewound",
    "Run",
]


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. In a state `path` is a JSON Pointer (RFC 6901) into the newer version, for
    what was removed into the older one; elsewhere it is a name.

    `from_path` is where it was in the older version, when that is elsewhere. `old` and `new` are
    JSON or words, cut to size.
    """

    kind: ChangeKind
    path: str
    old: str | None = None
    new: str | None = None
    from_path: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """The first changes, in the order of the newer version, and how many there are in all.

    `incomplete` says that there was too much to look into: the rest is shown as changed whole.
    """

    items: tuple[Change, ...] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    moved: int = 0
    incomplete: bool = False

    @property
    def total(self) -> int:
        return self.added + self.removed + self.changed + self.moved

    @property
    def omitted(self) -> int:
        return self.total - len(self.items)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two versions. `fields` are goal, next_action, summary, label, run and
    references; steps, approvals and artifacts go by name."""

    workspace: str
    from_version: int
    to_version: int
    state: Changes
    steps: Changes
    approvals: Changes
    artifacts: Changes
    fields: Changes

    @property
    def same(self) -> bool:
        parts = (self.state, self.steps, self.approvals, self.artifacts, self.fields)
        return not any(part.total for part in parts)


@dataclass(frozen=True, slots=True)
class PastEffect:
    """A step that had run, or was running, when the workspace went back behind it: what it did
    outside stands. `was` is its status before, `now` the one it has; None: it is in no plan.

    `idempotency_key` is the key that its attempts were given. `result` is the beginning of the
    JSON recorded. `held_by` is whoever was cut off: the fencing token is refused from now on.
    """

    step: str
    was: StepStatus
    now: StepStatus | None
    attempts: int
    idempotency_key: str
    result: str | None = None
    held_by: Actor | None = None


@dataclass(frozen=True, slots=True)
class Forked:
    """A workspace made from `origin` as it was at `origin_version`; its first version is 1.

    `repeated` says that an earlier call had made it. `effects` are steps in doubt there, and steps
    that the origin has run since: their idempotency keys are the origin's.
    """

    workspace: str
    version: int
    origin: str
    origin_version: int
    origin_run: int
    state_bytes: int
    artifacts: int
    done: int
    effects: tuple[PastEffect, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Rewound:
    """The workspace is at `version` as it was at `to_version`, whose run was `to_run`.

    `effects` lists the steps that had run since. `dropped` names planned steps that the older
    version did not have and nobody had started. `repeated` says that nothing had to be done.
    """

    workspace: str
    version: int
    run: int
    to_version: int
    to_run: int
    state_bytes: int
    sha256: str
    effects: tuple[PastEffect, ...]
    dropped: tuple[str, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class NewRun:
    """Run `run` begins with `version`. `effects` are steps of the run before that were under way
    or in doubt. `repeated` says that an earlier call had begun it."""

    workspace: str
    run: int
    version: int
    state_bytes: int
    sha256: str
    effects: tuple[PastEffect, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A run and its versions, first and last. `ended_at` is None for the present one; `reason` is
    why it was ended."""

    run: int
    first_version: int
    last_version: int
    started_at: datetime
    ended_at: datetime | None
    steps: int
    done: int
    reason: str | None = None

"""An exported workspace as the commands that make it again: plan, start, mark, save.

Pure but for reading states. Each command is exactly one commit, so a workspace at version n that
this replay began has had the first n of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import Document
from safepoint.log.transitions import Command, Context, Mark, Outcome, PlanSteps, Save, Start
from safepoint.log.transitions.base import StateChange
from safepoint.model import PlannedStep
from safepoint.transfer.imported import CheckpointFile, ExportedStep, ExportedWorkspace
from safepoint.values import dataclass

__all__ = ["Operation", "commands", "replay"]

Operation = Callable[[int], Command[Any]]
"""Gives the command to apply at the version that it is given."""

_BRIEF_LEASE = timedelta(seconds=1)
_LEASE = timedelta(minutes=5)
_MARKED = {"done", "failed", "skipped"}


@dataclass(frozen=True, slots=True)
class _At:
    """A command that is applied at one version only: whatever came in between refuses it."""

    version: int
    command: Command[Any]

    def __call__(self, document: Document, context: Context) -> Outcome[Any]:
        if document.version != self.version:
            raise Conflict(
                f"workspace {context.workspace!r} was changed by somebody else while it was "
                "imported",
                hint="Import under another name, with --as.",
                code="version_conflict",
            )
        outcome = self.command(document, context)
        if outcome.document is None:
            raise InvalidInput(
                "the files tell of steps and plans that cannot have come about: "
                f"{type(self.command).__name__} would change nothing at version {self.version}",
                hint="Import the files as they were exported, or correct the steps.",
                code="bad_export",
            )
        return outcome


def commands(operations: list[Operation], first: int = 0) -> Iterator[Command[Any]]:
    """The commands from version `first` on, each bound to its version."""
    for version in range(first, len(operations)):
        yield _At(version, operations[version](version))


def replay(exported: ExportedWorkspace, now: datetime) -> list[Operation]:
    """What happened, in its order as far as the files tell it.

    Steps are declared first without what they wait for, since a step may have been started before
    its plan had that; the last command declares it. Raises InvalidInput when there is nothing.
    """
    happened: list[tuple[int, list[Operation]]] = [
        (step.version, _step(step, now)) for step in exported.steps
    ]
    happened += [(file.version, [_save(file)]) for file in exported.checkpoints]
    happened.sort(key=lambda one: one[0])
    operations: list[Operation] = []
    if exported.steps or exported.goal:
        named = tuple(PlannedStep(step.name, step.title) for step in exported.steps)
        operations.append(lambda version: PlanSteps(named, exported.goal))
    for _, some in happened:
        operations += some
    if any(step.after or step.needs_approval or step.wake_at for step in exported.steps):
        whole = tuple(
            PlannedStep(s.name, s.title, s.after, s.needs_approval, s.wake_at)
            for s in exported.steps
        )
        operations.append(lambda version: PlanSteps(whole))
    if not operations and not exported.artifacts:
        raise InvalidInput(
            "there is nothing to import: no checkpoints, steps, artifacts and no goal",
            code="bad_export",
        )
    return operations


def _save(file: CheckpointFile) -> Operation:
    def make(version: int) -> Save:
        return Save(
            StateChange(whole=file.state()),
            label=file.label,
            summary=file.summary,
            next_action=file.next_action or "",
            kind=file.kind,
            step=file.step,
        )

    return make


def _step(step: ExportedStep, now: datetime) -> list[Operation]:
    if step.status in _MARKED:
        started = step.attempts > 0
        return [*([_start(step, _LEASE)] if started else []), _mark(step, now, started=started)]
    if step.unreported:
        failed = (step.error, step.retryable, step.result, step.summary) != (None, None, None, None)
        before: list[Operation] = []
        if failed:  # an attempt before this one
            started = step.attempts > 1
            before = [
                *([_start(step, _LEASE)] if started else []),
                _mark(step, None, started=started),
            ]
        return [*before, _start(step, _BRIEF_LEASE)]
    return []


def _start(step: ExportedStep, lease: timedelta) -> Operation:
    return lambda version: Start(step.name, lease)


def _mark(step: ExportedStep, now: datetime | None, *, started: bool) -> Operation:
    """The token is the version of the start, which is the command just before."""
    status = step.status if step.status in _MARKED else "failed"
    failed = status == "failed"
    wait = step.retry_at - now if failed and now and step.retry_at else None
    return lambda version: Mark(
        step.name,
        status,
        result=step.result,
        error=step.error,
        retryable=step.retryable if failed and status == step.status else None,
        retry_after=wait if wait and wait > timedelta() else None,
        fencing_token=version if started else None,
        summary=step.summary,
    )

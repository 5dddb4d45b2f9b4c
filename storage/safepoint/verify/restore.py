"""The document that takes the place of versions that were lost: an older one, with doubt where the
lost ones may have changed what happens outside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from safepoint.format.document import Document
from safepoint.format.entries import ApprovalEntry, RepairEntry, StepEntry
from safepoint.format.keys import block_of
from safepoint.format.record import Record
from safepoint.log.progress import FINISHED
from safepoint.log.transitions.base import upkeep
from safepoint.model import Actor
from safepoint.values import dataclass

__all__ = ["Known", "known_of", "restored"]

_STEP_EVENTS = frozenset({"start", "renew", "done", "failed", "skipped"})
_TOLD = 20
_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What the records of lost versions still tell: their events. `all` when every one does.
    `approvals` names the questions that were asked, decided or used in them."""

    all: bool
    attempts: Mapping[str, int]
    approvals: frozenset[str]
    told: tuple[str, ...]


def known_of(records: Iterable[Record | None]) -> Known:
    """From the records of the lost versions, oldest first; None for one that does not open."""
    whole = True
    attempts: dict[str, int] = {}
    approvals: set[str] = set()
    told: list[str] = []
    for record in records:
        if record is None:
            whole = False
            continue
        event = record.event
        kind, step, attempt = event.get("kind"), event.get("step"), event.get("attempt", 0)
        if kind in _STEP_EVENTS and isinstance(step, str) and isinstance(attempt, int):
            attempts[step] = max(attempts.get(step, 0), attempt)
        if isinstance(approval := event.get("approval"), str):
            approvals.add(approval)
        what = step or event.get("label") or event.get("approval") or event.get("name")
        named = f" {what[:_NAME_CHARS]!r}" if isinstance(what, str) else ""
        told.append(f"version {record.version}: {kind}{named}")
    return Known(whole, attempts, frozenset(approvals), tuple(told[-_TOLD:]))


def restored(
    intact: Document, known: Known, *, version: int, last_lost: int, now_ms: int, actor: Actor
) -> Document:
    """`intact` as `version`, after the versions up to `last_lost` were lost.

    Steps that may have run in them say so when they are started. Approvals for a single use may
    have been given and used up in them: they are withdrawn, and have to be asked for again. A
    question that is open stays so only when all that was lost is known and none of it is about it.
    """
    repaired = RepairEntry(
        version=version, restored=intact.version, last_lost=last_lost, at_ms=now_ms
    )
    same_block = block_of(version) == block_of(intact.version)
    return intact.changed(
        version=version,
        updated_ms=now_ms,
        checkpoints=intact.checkpoints if same_block else (),
        steps=_steps(intact.steps, known, version),
        approvals=_approvals(intact.approvals, known, version, now_ms, actor),
        repaired=repaired,
        **upkeep(intact),
    )


def _steps(steps: Mapping[str, StepEntry], known: Known, version: int) -> Mapping[str, StepEntry]:
    found = {
        name: _doubted(entry, known.attempts.get(name, 0), version)
        if entry.status not in FINISHED and (name in known.attempts or not known.all)
        else entry
        for name, entry in steps.items()
    }
    for name, attempt in known.attempts.items():
        if name not in found:  # it was planned, and perhaps run, in the lost versions
            found[name] = _doubted(StepEntry(), attempt, version)
    return found


def _doubted(entry: StepEntry, attempts: int, version: int) -> StepEntry:
    return replace(entry, attempts=max(entry.attempts, attempts), doubt=True, returned=version)


def _approvals(
    approvals: Mapping[str, ApprovalEntry], known: Known, version: int, now_ms: int, actor: Actor
) -> Mapping[str, ApprovalEntry]:
    def may_be_used(name: str, entry: ApprovalEntry) -> bool:
        if not entry.single_use or entry.used_by is not None or entry.status == "withdrawn":
            return False
        return entry.decided_ms is not None or name in known.approvals or not known.all

    def withdrawn(entry: ApprovalEntry) -> ApprovalEntry:
        return replace(
            entry,
            status="withdrawn",
            decided_ms=now_ms,
            decided_version=version,
            decided_by=actor,
        )

    return {
        name: withdrawn(entry) if may_be_used(name, entry) else entry
        for name, entry in approvals.items()
    }

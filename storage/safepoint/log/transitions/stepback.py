"""What becomes of steps when a workspace goes back to an earlier version, or is forked from one.

A status goes back; what a step did outside does not. So attempts never go down, an input stays, a
lease ends, and an entry that had run since says so: `doubt`, and `returned` for start_step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from safepoint.format.document import Document, result_region
from safepoint.format.entries import StepEntry
from safepoint.format.jsontext import json_start
from safepoint.log.progress import FINISHED, idempotency_key, status_of
from safepoint.model import PastEffect, StepStatus
from safepoint.values import dataclass

__all__ = ["StepsBack", "effects", "in_doubt", "steps_back"]

_FRESH = StepEntry()
_RESULT_CHARS = 300


@dataclass(frozen=True, slots=True)
class StepsBack:
    """The steps after going back. `touched` had run since, or were held; `dropped` are gone."""

    steps: Mapping[str, StepEntry]
    touched: tuple[str, ...]
    dropped: tuple[str, ...]


def steps_back(
    old: Mapping[str, StepEntry], now: Mapping[str, StepEntry], *, version: int, now_ms: int
) -> StepsBack:
    """The steps of `old`, knowing what `now` knows. `version` is the one that goes back.

    Steps that only `now` has stay, at the end, when they were ever started; else they are dropped.
    """
    steps: dict[str, StepEntry] = {}
    touched: list[str] = []
    for name, entry in old.items():
        present = now.get(name, entry)
        steps[name] = _back(entry, present, version, now_ms)
        if _ran(entry, present) or present.status == "running":
            touched.append(name)
    later = [name for name in now if name not in old]
    for name in later:
        if _ran(_FRESH, now[name]):
            touched.append(name)
    kept = {*old, *touched}
    for name in touched:
        if name not in old:
            entry = now[name]
            after = tuple(needed for needed in entry.after if needed in kept)
            planned = StepEntry(
                title=entry.title, after=after, needs=entry.needs, wake_ms=entry.wake_ms
            )
            steps[name] = _back(planned, entry, version, now_ms)
    return StepsBack(steps, tuple(touched), tuple(name for name in later if name not in kept))


def _back(old: StepEntry, now: StepEntry, version: int, now_ms: int) -> StepEntry:
    ran = _ran(old, now)
    back = replace(
        old,
        attempts=max(old.attempts, now.attempts),
        input=now.input or old.input,
        needs=tuple(dict.fromkeys((*old.needs, *now.needs))),  # going back takes none away
        doubt=old.doubt or ran,
        returned=now.returned,
    )
    if old.status not in FINISHED:
        lease = None if old.status != "running" else min(old.started_ms or 0, now_ms)
        back = replace(back, token=None, lease_ms=lease)
    return back if back == now or not ran else replace(back, returned=version)


def _ran(old: StepEntry, now: StepEntry) -> bool:
    """Whether the step has run between `old` and `now`, or is known to have run after `old`."""
    if now.attempts > old.attempts or (now.doubt and not old.doubt):
        return True
    return now.status in ("done", "failed") and now.finished_version != old.finished_version


def effects(
    workspace: str,
    before: Document,
    names: Iterable[str],
    after: Mapping[str, StepEntry],
    now_ms: int,
) -> tuple[PastEffect, ...]:
    """What `names`, steps of `before`, may have done outside; `after` is how they stand now."""
    return tuple(_effect(workspace, before, name, after.get(name), now_ms) for name in names)


def in_doubt(document: Document) -> tuple[str, ...]:
    """Steps under way, and steps of which an attempt never reported and that are unfinished."""
    return tuple(
        name
        for name, entry in document.steps.items()
        if entry.status == "running" or (entry.doubt and entry.status not in FINISHED)
    )


def _effect(
    workspace: str, before: Document, name: str, after: StepEntry | None, now_ms: int
) -> PastEffect:
    entry = before.steps[name]
    was = status_of(entry, now_ms)
    result = before.regions.get(result_region(name))
    return PastEffect(
        step=name,
        was=was,
        now=None if after is None else status_of(after, now_ms),
        attempts=entry.attempts,
        idempotency_key=idempotency_key(workspace, before.run, name),
        result=None if result is None else json_start(result, _RESULT_CHARS),
        held_by=entry.holder if was is StepStatus.RUNNING else None,
    )

"""Pages over one workspace: checkpoints across blocks, commits, steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from difflib import get_close_matches
from itertools import islice

from safepoint.errors import Conflict, InvalidInput, NotFound
from safepoint.format.document import Document, result_region
from safepoint.format.entries import CheckpointEntry, StepEntry
from safepoint.format.jsontext import decode_json
from safepoint.format.keys import block_of
from safepoint.format.record import Record
from safepoint.format.versions import existing
from safepoint.log.index import checkpoints_of_block
from safepoint.log.log import Log
from safepoint.log.progress import idempotency_key, status_of
from safepoint.log.transitions.base import closest, when
from safepoint.model import Actor, CheckpointInfo, CheckpointKind, Event, Page, Step, StepStatus

__all__ = ["Listing", "check_limit"]

MAX_LIMIT = 1000
_EXPLAINED = 10
_RECORDS_AT_ONCE = 32


def check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be 1 to {MAX_LIMIT}", hint="Page on with the cursor.")


class Listing:
    """Cursors are the version, or the step's position, that the next page begins after."""

    def __init__(self, name: str, log: Log) -> None:
        self._name = name
        self._log = log

    async def checkpoints(
        self, head: Document, *, limit: int, cursor: str | None
    ) -> Page[CheckpointInfo]:
        check_limit(limit)
        before = _position(cursor, head.version + 1)
        found: list[CheckpointEntry] = []
        async for entry in self.entries(head, before):
            found.append(entry)
            if len(found) > limit:
                break
        items = tuple(_info(entry) for entry in found[:limit])
        return Page(items, str(items[-1].version) if len(found) > limit else None)

    async def version_of_label(self, head: Document, label: str) -> int:
        """The newest checkpoint with this label. Raises NotFound, naming the closest labels."""
        labels: dict[str, None] = {}
        async for entry in self.entries(head, head.version + 1):
            if entry.label == label:
                return entry.version
            if entry.label is not None:
                labels[entry.label] = None
        close = get_close_matches(label, list(labels), n=3) or list(labels)[:3]
        raise NotFound(
            f"workspace {self._name!r} has no checkpoint labelled {label!r}",
            hint=f"Its labels include {', '.join(map(repr, close))}."
            if close
            else "No checkpoint of it has a label; list_checkpoints shows the versions.",
            code="label_not_found",
        )

    async def history(self, head: Document, *, limit: int, cursor: str | None) -> Page[Event]:
        check_limit(limit)
        before = min(_position(cursor, head.version + 1), head.version + 1)
        first = self._log.first
        there = existing(head, first).between(first, before - 1)
        found = list(islice(reversed(there), limit + 1))
        events = await self.events(found[:limit])
        return Page(events, str(found[limit - 1]) if len(found) > limit else None)

    def steps(
        self, document: Document, now_ms: int, *, status: str | None, limit: int, cursor: str | None
    ) -> Page[Step]:
        check_limit(limit)
        if status is not None and status not in list(StepStatus):
            raise InvalidInput(
                f"status must be one of {', '.join(StepStatus)}", hint="Leave it out for all steps."
            )
        first = _position(cursor, 0)
        items: list[Step] = []
        for position, (name, entry) in enumerate(document.steps.items()):
            if position < first or status not in (None, status_of(entry, now_ms)):
                continue
            if len(items) == limit:
                return Page(tuple(items), str(position))
            items.append(self._step(document, name, entry, now_ms))
        return Page(tuple(items))

    def step(self, document: Document, name: str, now_ms: int) -> Step:
        """Raises NotFound, naming the closest steps."""
        entry = document.steps.get(name)
        if entry is None:
            raise NotFound(
                f"workspace {self._name!r} has no step {name!r} in its present run",
                hint=f"{closest(name, document.steps)}list_steps shows all.",
                code="step_not_found",
            )
        return self._step(document, name, entry, now_ms)

    async def explain(self, conflict: Conflict, expected: int) -> Conflict:
        """The same conflict, telling what was committed since `expected`."""
        head = (await self._log.head()).document
        if expected > head.version:
            since = f"Version {expected} does not exist."
        elif head.deleted:
            since = f"It was deleted in version {head.version}."
        else:
            after = max(expected, self._log.first - 1)
            there = existing(head, self._log.first).between(after + 1, head.version)
            events = await self.events(list(islice(reversed(there), _EXPLAINED)))
            lines = [f"{event.version} {_words(event)}" for event in reversed(events)]
            more = head.version - after - len(events)
            since = f"Since then: {f'{more} earlier; ' if more > 0 else ''}{'; '.join(lines)}."
        return Conflict(f"{conflict.message}. {since}", hint=conflict.hint, code=conflict.code)

    async def entries(self, head: Document, before: int) -> AsyncIterator[CheckpointEntry]:
        """The checkpoints that exist below version `before`, newest first, block by block."""
        block = block_of(min(head.version, max(1, before - 1)))
        while block >= block_of(self._log.first):
            for entry in reversed(await checkpoints_of_block(self._log, block, head)):
                if entry.version < before:
                    yield entry
            block -= 1

    async def events(self, versions: Sequence[int]) -> tuple[Event, ...]:
        """What happened at these versions, but for those that are pruned meanwhile.

        A few records at once: each may hold a large state, of which nothing is shown."""
        events: list[Event] = []
        for first in range(0, len(versions), _RECORDS_AT_ONCE):
            some = versions[first : first + _RECORDS_AT_ONCE]
            opened = await asyncio.gather(*(self._record(version) for version in some))
            events += [_event(*found) for found in opened if found is not None]
        return tuple(events)

    async def _record(self, version: int) -> tuple[Record, int] | None:
        try:
            return await self._log.record(version)
        except NotFound:
            return None

    def _step(self, document: Document, name: str, entry: StepEntry, now_ms: int) -> Step:
        stored = document.regions.get(result_region(name))
        return Step(
            name=name,
            status=status_of(entry, now_ms),
            title=entry.title,
            after=entry.after,
            attempts=entry.attempts,
            idempotency_key=idempotency_key(self._name, document.run, name),
            fencing_token=entry.token if entry.status == "running" else None,
            lease_until=None if entry.lease_ms is None else when(entry.lease_ms),
            holder=entry.holder,
            started_at=None if entry.started_ms is None else when(entry.started_ms),
            finished_at=None if entry.finished_ms is None else when(entry.finished_ms),
            result=None if stored is None else decode_json(stored),
            result_bytes=len(stored or b""),
            error=entry.error,
            retryable=entry.retryable,
            retry_at=None if entry.retry_ms is None else when(entry.retry_ms),
            summary=entry.summary,
            needs_approval=entry.needs,
            wake_at=None if entry.wake_ms is None else when(entry.wake_ms),
        )


def _event(record: Record, size: int) -> Event:
    detail = dict(record.event)
    actor = detail.pop("actor", {})
    kind = str(detail.pop("kind", "unknown"))
    detail.pop("stands_for", None)  # of a lost version: for the chain, not for people
    known = {"name": "", **actor} if isinstance(actor, dict) else {"name": ""}
    return Event(record.version, when(record.at_ms), kind, detail, Actor(**known), size)  # type: ignore[arg-type]


def _info(entry: CheckpointEntry) -> CheckpointInfo:
    return CheckpointInfo(
        version=entry.version,
        run=entry.run,
        saved_at=when(entry.at_ms),
        kind=CheckpointKind(entry.kind),
        label=entry.label,
        summary=entry.summary,
        step=entry.step,
        state_bytes=entry.size,
        sha256=entry.sha256,
        saved_by=entry.actor,
    )


def _words(event: Event) -> str:
    what = event.detail.get("step") or event.detail.get("label") or event.detail.get("approval")
    return f"{event.kind}{f' {what!r}' if what else ''} by {event.actor.name}"


def _position(cursor: str | None, default: int) -> int:
    if cursor is None:
        return default
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 12:
        return int(cursor)
    raise InvalidInput(
        "this cursor is not one that a page gave", hint="Leave the cursor out for the first page."
    )

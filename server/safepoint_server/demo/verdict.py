"""Holds the store and the ticket service against what the agents were told: checks from outside."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safepoint import Event, Step, Store, Workspace, WorkspaceStatus
from safepoint_server.cli.paging import gather
from safepoint_server.demo.analysis import findings_of
from safepoint_server.demo.job import Job, step_names
from safepoint_server.demo.lives import Life

__all__ = ["Check", "Verdict", "examine", "wanted_tickets"]

_KINDS: Final = {
    "save_checkpoint": ("save",),
    "start_step": ("start", "renew"),
    "mark_step_done": ("done", "skipped"),
}
_ALL: Final = 1_000_000
_FINISHED: Final = ("done", "skipped")
_TICKET: Final = ("file", "kind", "line", "text")


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, whether it was kept, and by which numbers."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checks, and the numbers for the final table."""

    checks: tuple[Check, ...]
    steps: tuple[Step, ...]
    versions: int
    checkpoints: int
    stored_bytes: int
    state_bytes: int
    tickets_wanted: int
    tickets_filed: int
    repeats_refused: int
    replies_lost: int

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def wanted_tickets(job: Job) -> Counter[tuple[Any, ...]]:
    """Each ticket that must be filed once, found here again without any agent."""
    wanted: Counter[tuple[Any, ...]] = Counter()
    for source in job.sources:
        path = Path(source.path)
        for finding in findings_of(path.read_text("utf-8"), path.parent):
            wanted[(source.name, finding.kind, finding.line, finding.text)] += 1
    return wanted


async def examine(
    store: Store, job: Job, lives: list[Life], asked_kills: int, service: dict[str, Any]
) -> Verdict:
    """Read all that was committed and compare. `service` is the ticket service's own listing."""
    workspace = store.workspace(job.workspace)
    events = await _history(workspace)
    acknowledged = [item for life in lives for item in life.acknowledged]
    wanted = wanted_tickets(job)
    filed = Counter(tuple(ticket[name] for name in _TICKET) for ticket in service["tickets"])
    saved, state_bytes = await _checkpoints(workspace)
    checks = (
        _killed(lives, asked_kills),
        _no_gaps(events),
        _nothing_lost(events, acknowledged),
        await _states_intact(workspace, saved, acknowledged),
        _done_once(events, step_names(job.sources)),
        _all_filed(wanted, filed),
        _none_doubled(filed),
        await _finished(workspace, await asyncio.to_thread(Path(job.report).is_file)),
    )
    return Verdict(
        checks=checks,
        steps=await _steps(workspace),
        versions=len(events),
        checkpoints=len(saved),
        stored_bytes=sum(event.stored_bytes for event in events),
        state_bytes=state_bytes,
        tickets_wanted=wanted.total(),
        tickets_filed=filed.total(),
        repeats_refused=service["repeats_refused"],
        replies_lost=service["replies_lost"],
    )


async def _history(workspace: Workspace) -> tuple[Event, ...]:
    rows = await gather(lambda n, cursor: workspace.history(limit=n, cursor=cursor), _ALL)
    return rows.items


async def _checkpoints(workspace: Workspace) -> tuple[dict[int, str], int]:
    """SHA-256 by version, and the bytes of all their states together."""
    rows = await gather(lambda n, cursor: workspace.checkpoints(limit=n, cursor=cursor), _ALL)
    saved = {item.version: item.sha256 for item in rows.items}
    return saved, sum(item.state_bytes for item in rows.items)


async def _steps(workspace: Workspace) -> tuple[Step, ...]:
    rows = await gather(lambda n, cursor: workspace.steps(limit=n, cursor=cursor), _ALL)
    return rows.items


def _killed(lives: list[Life], asked: int) -> Check:
    did = sum(life.killed for life in lives)
    return Check("agents and servers killed", did == asked, f"{did} of {asked}")


def _no_gaps(events: tuple[Event, ...]) -> Check:
    versions = [event.version for event in events]
    ok = versions == list(range(len(events), 0, -1))
    return Check("versions without gaps", ok, f"1 to {versions[0] if versions else 0}")


def _nothing_lost(events: tuple[Event, ...], acknowledged: list[dict[str, Any]]) -> Check:
    """Every acknowledged commit is in the history, as what it was acknowledged as."""
    stored = {event.version: event for event in events}
    lost = 0
    for item in acknowledged:
        event = stored.get(item["version"])
        kinds = _KINDS.get(item["call"])
        if event is None:
            lost += 1
        elif kinds is not None:
            lost += event.kind not in kinds or event.detail.get("step") != item["step"]
    detail = f"{len(acknowledged)} acknowledged, {lost} missing"
    return Check("no acknowledged commit lost", not lost and bool(acknowledged), detail)


async def _states_intact(
    workspace: Workspace, saved: dict[int, str], acknowledged: list[dict[str, Any]]
) -> Check:
    """Every acknowledged save can be loaded and is, byte for byte, what was acknowledged."""
    saves = [item for item in acknowledged if "sha256" in item]
    wrong = 0
    for item in saves:
        loaded = await workspace.load(version=item["version"])
        digest = hashlib.sha256(loaded.state_json).hexdigest()
        wrong += not item["sha256"] == digest == saved.get(item["version"])
    detail = f"{len(saves)} loaded again, {wrong} different"
    return Check("every acknowledged state intact", not wrong and bool(saves), detail)


def _done_once(events: tuple[Event, ...], names: list[str]) -> Check:
    finished = Counter(str(e.detail.get("step")) for e in events if e.kind in _FINISHED)
    twice = sum(count > 1 for count in finished.values())
    missing = len(set(names) - set(finished))
    ok = not twice and not missing and len(finished) == len(names)
    detail = f"{len(finished)} of {len(names)} steps, {twice} twice"
    return Check("every step completed exactly once", ok, detail)


def _all_filed(wanted: Counter[tuple[Any, ...]], filed: Counter[tuple[Any, ...]]) -> Check:
    detail = f"{wanted.total()} wanted, {filed.total()} filed"
    return Check("tickets filed as wanted", wanted == filed, detail)


def _none_doubled(filed: Counter[tuple[Any, ...]]) -> Check:
    doubled = sum(count > 1 for count in filed.values())
    return Check("no ticket doubled", not doubled, f"{doubled} doubled")


async def _finished(workspace: Workspace, reported: bool) -> Check:
    brief = (await workspace.load()).brief
    ok = brief.status is WorkspaceStatus.DONE and reported
    progress = brief.progress
    detail = f"{progress.done} done, {progress.skipped} skipped of {progress.total}"
    return Check("job finished, report written", ok, detail)

"""Workspaces as readable JSON files: all of one version, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from safepoint._version import __version__
from safepoint.errors import Damaged, NotFound
from safepoint.format.document import Document
from safepoint.format.entries import OriginEntry, RunEntry, StepEntry
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.format.keys import encode_name
from safepoint.format.versions import existing
from safepoint.listing import MAX_LIMIT, Listing
from safepoint.log.log import Log
from safepoint.log.lost import LOST_VERSION
from safepoint.log.moments import when
from safepoint.log.progress import progress, workspace_status
from safepoint.model import Actor, CheckpointInfo, Event, Step
from safepoint.store import Store
from safepoint.transfer.artifacts import export_artifacts
from safepoint.transfer.files import (
    ARTIFACT_FILES,
    ARTIFACTS,
    CHECKPOINTS,
    HISTORY,
    STEPS,
    STORE,
    WORKSPACE,
    checkpoint_file,
    json_text,
    whole_folder,
    with_kind,
)
from safepoint.values import dataclass

__all__ = ["Exported", "export_store", "export_workspace"]

_EVENTS_AT_ONCE = 100
_OF_STEPS = {"start", "done", "failed", "skipped"}


@dataclass(frozen=True, slots=True)
class Exported:
    """One workspace, as of `version`, below `folder`."""

    name: str
    version: int
    folder: Path
    checkpoints: int
    steps: int
    artifacts: int = 0


async def export_workspace(
    store: Store, name: str, folder: Path, *, latest: bool = False, force: bool = False
) -> Exported:
    """Write the workspace to `folder`: `workspace.json`, `steps.json`, `history.jsonl` and a file
    for each checkpoint, or with `latest` only for the newest; and the artifacts, if there are any.

    All files are of one version. They appear together or not at all. They are not encrypted; the
    folder is its owner's alone (mode 0700). With `force` an earlier export there is replaced.

    Raises:
        NotFound: `workspace_not_found`.
        Conflict: `not_empty`: the folder holds something else.
        Unavailable: the store cannot be read or the folder not be written.
    """
    store.workspace(name)  # refuses what cannot be a name
    async with whole_folder(folder, force=force) as fresh:
        return await _Export(store, name, latest=latest).write(fresh, folder)


async def export_store(
    store: Store, folder: Path, *, latest: bool = False, force: bool = False
) -> tuple[Exported, ...]:
    """Write every workspace to a folder of its own in `folder`, and their list to `store.json`.

    Guarantees and errors are those of `export_workspace`; each workspace is of one version.
    """
    exported: list[Exported] = []
    async with whole_folder(folder, force=force) as fresh:
        async for name in store.names():
            own = fresh / encode_name(name)
            own.mkdir()
            try:
                done = await _Export(store, name, latest=latest).write(own, folder / own.name)
            except NotFound:
                own.rmdir()  # it has keys and no version yet
            else:
                exported.append(done)
        listed = [{"name": e.name, "version": e.version, "folder": e.folder.name} for e in exported]
        body = {**_origin(store), "workspaces": listed}
        await _write(fresh / STORE, with_kind("safepoint store", body))
    return tuple(exported)


class _Export:
    """One workspace on its way into files."""

    def __init__(self, store: Store, name: str, *, latest: bool) -> None:
        self._store = store
        self._name = name
        self._latest = latest
        self._log = Log(name, store.shared)
        self._listing = Listing(name, self._log)
        self._now_ms = int(store.now().timestamp() * 1000)

    async def write(self, folder: Path, shown: Path) -> Exported:
        head = (await self._log.head()).document
        if not head.exists:
            raise NotFound(
                f"there is no workspace {self._name!r} in this store",
                hint="`safepoint ls` lists them.",
                code="workspace_not_found",
            )
        reported = await self._history(folder / HISTORY, head)
        steps = await self._steps(folder / STEPS, head, reported)
        checkpoints = await self._checkpoints(folder / CHECKPOINTS, head)
        artifacts = await export_artifacts(self._log, head, folder / ARTIFACT_FILES)
        if artifacts:
            await _write(
                folder / ARTIFACTS, with_kind("safepoint artifacts", {"artifacts": artifacts})
            )
        newest = head.latest and checkpoint_file(head.latest.version, head.latest.label)
        body = {
            "name": self._name,
            "version": head.version,
            "run": head.run,
            "status": workspace_status(head).value,
            "goal": head.goal,
            "summary": head.summary,
            "next_action": head.next_action,
            "progress": asdict(progress(head, self._now_ms)),
            "runs": [_run(entry) for entry in head.runs],
            "forked_from": head.origin and _place(head.origin),
            "latest_checkpoint": newest and f"{CHECKPOINTS}/{newest}",
            **_origin(self._store),
        }
        await _write(folder / WORKSPACE, with_kind("safepoint workspace", body))
        return Exported(self._name, head.version, shown, checkpoints, steps, len(artifacts))

    async def _history(self, path: Path, head: Document) -> dict[str, int]:
        """Write every commit that was not pruned, oldest first; the version that last reported on
        each step of the newest run."""
        reported: dict[str, int] = {}
        versions = list(existing(head, self._log.first))
        with await asyncio.to_thread(path.open, "wb") as file:
            for first in range(0, len(versions), _EVENTS_AT_ONCE):
                events = await self._listing.events(versions[first : first + _EVENTS_AT_ONCE])
                for event in events:
                    if event.kind in _OF_STEPS and event.version >= head.run_first:
                        reported[str(event.detail.get("step"))] = event.version
                lines = b"".join(_line(_event(event)) for event in events)
                await asyncio.to_thread(file.write, lines)
        return reported

    async def _steps(self, path: Path, head: Document, reported: Mapping[str, int]) -> int:
        listed: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._listing.steps(
                head, self._now_ms, status=None, limit=MAX_LIMIT, cursor=cursor
            )
            listed += [
                _step(step, reported.get(step.name), in_doubt=_in_doubt(head.steps[step.name]))
                for step in page.items
            ]
            cursor = page.next_cursor
            if cursor is None:
                break
        await _write(path, with_kind("safepoint steps", {"steps": listed}))
        return len(listed)

    async def _checkpoints(self, folder: Path, head: Document) -> int:
        await asyncio.to_thread(folder.mkdir)
        written, cursor = 0, None
        while True:
            limit = 1 if self._latest else MAX_LIMIT
            page = await self._listing.checkpoints(head, limit=limit, cursor=cursor)
            for info in page.items:
                written += await self._checkpoint(folder, info, head)
            cursor = page.next_cursor
            if cursor is None or self._latest:
                return written

    async def _checkpoint(self, folder: Path, info: CheckpointInfo, head: Document) -> bool:
        """Whether the checkpoint is still there: pruned and lost ones are not."""
        try:
            document = await self._log.document(info.version, head)
        except NotFound:
            return False
        except Damaged as error:
            if error.code != LOST_VERSION:
                raise
            return False
        path = folder / checkpoint_file(info.version, info.label)
        await asyncio.to_thread(_write_checkpoint, path, info, document)
        return True


def _write_checkpoint(path: Path, info: CheckpointInfo, document: Document) -> None:
    state = document.state
    body: dict[str, Any] = {
        "version": info.version,
        "run": info.run,
        "saved_at": _time(info.saved_at),
        "checkpoint": info.kind.value,
        "label": info.label,
        "summary": info.summary,
        "next_action": document.next_action,
        "step": info.step,
        "saved_by": _actor(info.saved_by),
        "state_bytes": info.state_bytes,
        "sha256": info.sha256,
    }
    if state is not None:
        body["state"] = decode_json(state)
    path.write_bytes(json_text(with_kind("safepoint checkpoint", body)))


def _in_doubt(entry: StepEntry) -> bool:
    """Whether a step that is to be run may have had its effect already: a rewind set it back."""
    return entry.status == "pending" and entry.doubt


def _step(step: Step, version: int | None, *, in_doubt: bool) -> dict[str, Any]:
    """Without what is empty; `result` only where one was recorded, be it null."""
    fields = {
        "name": step.name,
        "status": step.status.value,
        "title": step.title,
        "after": list(step.after) or None,
        "needs_approval": list(step.needs_approval) or None,
        "wake_at": _time(step.wake_at),
        "attempts": step.attempts,
        "idempotency_key": step.idempotency_key,
        "in_doubt": in_doubt or None,
        "version": version,
        "started_at": _time(step.started_at),
        "finished_at": _time(step.finished_at),
        "lease_until": _time(step.lease_until),
        "holder": step.holder and _actor(step.holder),
        "error": step.error,
        "retryable": step.retryable,
        "retry_at": _time(step.retry_at),
        "summary": step.summary,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {**given, "result": step.result} if step.result_bytes else given


def _run(entry: RunEntry) -> dict[str, Any]:
    """An earlier run."""
    return {
        "run": entry.run,
        "last_version": entry.last_version,
        "ended_at": _time(when(entry.ended_ms)),
        "steps": entry.steps,
        "done": entry.done,
        "reason": entry.reason,
    }


def _place(origin: OriginEntry) -> dict[str, Any]:
    return {"workspace": origin.workspace, "version": origin.version, "run": origin.run}


def _event(event: Event) -> dict[str, Any]:
    return {
        "version": event.version,
        "at": _time(event.at),
        "kind": event.kind,
        "detail": event.detail,
        "actor": _actor(event.actor),
        "stored_bytes": event.stored_bytes,
    }


def _line(value: dict[str, Any]) -> bytes:
    return encode_json(value) + b"\n"


def _origin(store: Store) -> dict[str, Any]:
    at = store.now().isoformat(timespec="seconds")
    return {"store": store.id, "exported_at": at, "exported_by": f"safepoint {__version__}"}


def _actor(actor: Actor) -> dict[str, str]:
    return {name: value for name, value in asdict(actor).items() if value}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


async def _write(path: Path, value: object) -> None:
    await asyncio.to_thread(path.write_bytes, json_text(value))

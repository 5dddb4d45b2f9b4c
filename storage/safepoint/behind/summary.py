"""A workspace's summary: what a list or the page of the whole store shows of it, as a small object.

Sealed by the store key, not by a key of the workspace: a list opens it without reading the
workspace's manifest first, so that it costs one read. Advisory: it may lag, be lost or be damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import orjson

from safepoint.crypto.envelope import Place, Random
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import Damaged, Unsupported
from safepoint.format.document import Document
from safepoint.log.progress import workspace_status
from safepoint.log.transitions.base import when
from safepoint.model import Progress, WorkspaceInfo, WorkspaceStatus

__all__ = ["Summary", "open_sealed", "seal_json", "summary_of"]

T = TypeVar("T")

FORMAT = 1
KIND = "summary"
MAX_LEASES = 256


@dataclass(frozen=True, slots=True)
class Summary:
    """As of `version`. `leases` are when the leases of running steps end, at most the 256 that
    end first, so that a later reader can tell which were interrupted; beyond them running steps
    count as running. Times are milliseconds since 1970."""

    name: str
    workspace_id: str
    version: int
    run: int
    status: str
    created_ms: int
    updated_ms: int
    goal: str | None
    summary: str | None
    next_action: str | None
    state_bytes: int
    total: int
    done: int
    skipped: int
    failed: int
    running: int
    leases: tuple[int, ...]

    @property
    def deleted(self) -> bool:
        return self.status == WorkspaceStatus.DELETED

    def progress(self, now_ms: int) -> Progress:
        interrupted = sum(lease <= now_ms for lease in self.leases)
        return Progress(
            total=self.total,
            done=self.done,
            skipped=self.skipped,
            failed=self.failed,
            running=self.running - interrupted,
            interrupted=interrupted,
            pending=self.total - self.done - self.skipped - self.failed - self.running,
        )

    def info(self, now_ms: int) -> WorkspaceInfo:
        return WorkspaceInfo(
            name=self.name,
            version=self.version,
            run=self.run,
            status=WorkspaceStatus(self.status),
            updated_at=when(self.updated_ms),
            goal=self.goal,
            summary=self.summary,
            next_action=self.next_action,
            progress=self.progress(now_ms),
            state_bytes=self.state_bytes,
        )

    def stored(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Summary:
        """The inverse of `stored`, passing over fields that a later version added.

        Raises KeyError, TypeError or ValueError when it is none.
        """
        known = {f.name: stored[f.name] for f in fields(cls)}
        known["leases"] = tuple(int(lease) for lease in known["leases"])
        WorkspaceStatus(known["status"])
        return cls(**known)


def summary_of(name: str, workspace_id: bytes, document: Document, *, state_bytes: int) -> Summary:
    """What `document` comes to. `state_bytes` is apart because its regions may have been let go."""
    entries = document.steps.values()
    statuses = [entry.status for entry in entries]
    leases = sorted(entry.lease_ms or 0 for entry in entries if entry.status == "running")
    return Summary(
        name=name,
        workspace_id=workspace_id.hex(),
        version=document.version,
        run=document.run,
        status=workspace_status(document).value,
        created_ms=document.created_ms,
        updated_ms=document.updated_ms,
        goal=document.goal,
        summary=document.summary,
        next_action=document.next_action,
        state_bytes=state_bytes,
        total=len(statuses),
        done=statuses.count("done"),
        skipped=statuses.count("skipped"),
        failed=statuses.count("failed"),
        running=statuses.count("running"),
        leases=tuple(leases[:MAX_LEASES]),
    )


def seal_json(keys: StoreKeys, key: str, value: Mapping[str, Any], *, random: Random) -> bytes:
    """The object to put under `key`."""
    plain = orjson.dumps({"format": FORMAT, **value})
    return keys.seal(_place(keys, key), plain, random=random)


def open_sealed(
    keys: StoreKeys, key: str, data: bytes, read: Callable[[Mapping[str, Any]], T]
) -> T | None:
    """What `read` makes of an object; None for what this program cannot read. Never raises."""
    try:
        value = orjson.loads(keys.open(_place(keys, key), data))
        return read(value) if value["format"] == FORMAT else None
    except (Damaged, Unsupported, KeyError, TypeError, ValueError):
        return None


def _place(keys: StoreKeys, key: str) -> Place:
    return Place(keys.store_id, b"", KIND, key)

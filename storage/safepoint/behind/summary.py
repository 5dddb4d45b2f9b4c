"""A workspace's summary: what a list or the page of the whole store shows of it, as a small object.

Sealed by the store key, not by a key of the workspace: a list opens it without reading the
workspace's manifest first, so that it costs one read. Advisory: it may lag, be lost or be damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import orjson

from safepoint.crypto.envelope import Place, Random, key_id_of
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import Damaged, Unsupported
from safepoint.format.document import Document
from safepoint.log.due import Reason, due_at, reasons
from safepoint.log.moments import when
from safepoint.log.progress import workspace_status
from safepoint.model import Progress, WorkspaceInfo, WorkspaceStatus
from safepoint.values import dataclass

__all__ = ["Summary", "open_sealed", "resealed", "seal_json", "summary_of"]

T = TypeVar("T")

FORMAT = 1
KIND = "summary"
MAX_LEASES = 256
MAX_DUE = 16
_LATER = frozenset({"approvals", "expiries", "due"})  # than the first summaries


@dataclass(frozen=True, slots=True)
class Summary:
    """As of `version`. `leases` are when the leases of running steps end, at most the 256 that
    end first, so that a later reader can tell which were interrupted; beyond them running steps
    count as running. `approvals` are pending, and `expiries` when they expire, as far as they do.
    `due` are the first 16 reasons to take it up, as (since when, kind, name), also future ones.
    Times are milliseconds since 1970."""

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
    approvals: int = 0
    expiries: tuple[int, ...] = ()
    due: tuple[tuple[int, str, str], ...] = ()

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
        found = tuple(Reason(*reason) for reason in self.due)
        later = [reason.at_ms for reason in found if reason.at_ms > now_ms]
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
            open_approvals=self.open_approvals(now_ms),
            due=due_at(found, now_ms),
            next_due=when(later[0]) if later else None,
        )

    def open_approvals(self, now_ms: int) -> int:
        return self.approvals - sum(expiry <= now_ms for expiry in self.expiries)

    def stored(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Summary:
        """The inverse of `stored`, passing over fields that a later version added. Of one from
        before there were approvals and timers only the interrupted steps are known to be due.

        Raises KeyError, TypeError or ValueError when it is none.
        """
        known = {name: stored[name] for name in _FIELDS if name not in _LATER}
        known["leases"] = tuple(int(lease) for lease in known["leases"])
        known["approvals"] = int(stored.get("approvals", 0))
        known["expiries"] = tuple(int(expiry) for expiry in stored.get("expiries", ()))
        if "due" in stored:
            known["due"] = tuple(
                (int(at), str(kind), str(name)) for at, kind, name in stored["due"]
            )
        else:
            known["due"] = tuple((lease, "interrupted", "") for lease in known["leases"][:MAX_DUE])
        WorkspaceStatus(known["status"])
        return cls(**known)


_FIELDS = tuple(field.name for field in fields(Summary))


def summary_of(name: str, workspace_id: bytes, document: Document, *, state_bytes: int) -> Summary:
    """What `document` comes to. `state_bytes` is apart because its regions may have been let go."""
    entries = document.steps.values()
    statuses = [entry.status for entry in entries]
    leases = sorted(entry.lease_ms or 0 for entry in entries if entry.status == "running")
    pending = [entry for entry in document.approvals.values() if entry.status == "pending"]
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
        approvals=len(pending),
        expiries=tuple(sorted(e.expires_ms for e in pending if e.expires_ms is not None)),
        due=tuple((*reason,) for reason in reasons(document, MAX_DUE)),
    )


def seal_json(keys: StoreKeys, key: str, value: Mapping[str, Any], *, random: Random) -> bytes:
    """The object to put under `key`. Summaries in `value` are written as what they store."""
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


def resealed(keys: StoreKeys, key: str, data: bytes, *, random: Random) -> bytes | None:
    """The same object under the store key in force; None when it is, or cannot be read."""
    try:
        if key_id_of(data, key) == keys.number:
            return None
        return keys.seal(_place(keys, key), keys.open(_place(keys, key), data), random=random)
    except (Damaged, Unsupported):
        return None


def _place(keys: StoreKeys, key: str) -> Place:
    return Place(keys.store_id, b"", KIND, key)

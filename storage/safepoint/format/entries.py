"""The entries of a document: what it holds of steps, checkpoints, approvals, artifacts, runs.

Times are milliseconds since 1970. An entry is stored without the fields that have their default,
so a field that is added later costs nothing where it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

import orjson

from safepoint.errors import Unsupported
from safepoint.model import Actor
from safepoint.values import dataclass

__all__ = [
    "ApprovalEntry",
    "ArtifactEntry",
    "ArtifactTable",
    "CheckpointEntry",
    "Entry",
    "ForkEntry",
    "OriginEntry",
    "ReferenceEntry",
    "RepairEntry",
    "RequestEntry",
    "RetentionEntry",
    "RunEntry",
    "StepEntry",
    "newer",
]

E = TypeVar("E", bound="Entry")


@dataclass(frozen=True, slots=True)
class Entry:
    """What its kinds share: the stored form, made once, when it is first needed. `readers` turn
    stored values into those of the fields."""

    readers: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    _stored: orjson.Fragment | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def stored(self) -> orjson.Fragment:
        """A commit changes one of 10,000 steps, and adds one of 256 checkpoints."""
        stored = self._stored
        if stored is None:
            kind: Any = type(self)
            changed = {
                name: value.stored if isinstance(value, Entry) else value
                for name, default in _defaults(kind)
                if (value := getattr(self, name)) != default
            }
            stored = _fragment(changed)
            object.__setattr__(self, "_stored", stored)
        return stored

    @classmethod
    def read(cls: type[E], stored: dict[str, Any]) -> E:
        """From the stored form. Raises KeyError, TypeError or AttributeError for another, and
        Unsupported for one with fields that this version does not know."""
        kind: Any = cls
        if not stored.keys() <= _names(kind):
            raise newer(f"holds {', '.join(sorted(stored.keys() - _names(kind)))}")
        given = stored.copy()
        for name, reader in cls.readers.items():
            if name in given:
                given[name] = reader(given[name])
        return cls(**given)


def _fragment(value: object) -> orjson.Fragment:
    """Its text is a copy: what orjson gives takes 4 KiB of memory and more, however short it is."""
    return orjson.Fragment(bytes(memoryview(orjson.dumps(value))))


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in fields(kind) if f.init)


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(name for name, _ in _defaults(kind))


def newer(what: str) -> Unsupported:
    """The error for a document that only a later version of Safepoint understands."""
    return Unsupported(
        f"this workspace {what}, which this version of Safepoint does not know",
        hint="Upgrade Safepoint: a newer version wrote it.",
        code="unknown_format",
    )


def _actor(stored: dict[str, str]) -> Actor:
    return _known(*stored.items())


@lru_cache(maxsize=64)
def _known(*fields: tuple[str, str]) -> Actor:
    """Few have made all that a document holds."""
    return Actor(**dict(fields))


@dataclass(frozen=True, slots=True)
class StepEntry(Entry):
    """A step. `token` is the fencing token.

    `status` is never `interrupted`: that is `running` seen after `lease_ms`.
    `doubt` says that an attempt never reported, so that its effect may have happened.
    `mark` is the fingerprint of what mark_step_done was given, to tell a repeat from a change.
    `needs` are approvals that must be given first; before `wake_ms` it is not to be started.
    `returned` is the version of the rewind, or the first one of the fork, that gave it this status
    although an attempt had run or was running then.
    """

    readers: ClassVar = {"after": tuple, "needs": tuple, "holder": _actor}

    status: str = "pending"
    title: str | None = None
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    attempts: int = 0
    input: str | None = None
    token: int | None = None
    lease_ms: int | None = None
    holder: Actor | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    finished_version: int | None = None
    error: str | None = None
    retryable: bool | None = None
    retry_ms: int | None = None
    wake_ms: int | None = None
    summary: str | None = None
    mark: str | None = None
    doubt: bool = False
    returned: int | None = None


@dataclass(frozen=True, slots=True)
class CheckpointEntry(Entry):
    """A checkpoint as the index holds it, without defaults: all is stored. `sha256` and `size` are
    of the state region."""

    readers: ClassVar = {"actor": _actor}

    version: int
    run: int
    at_ms: int
    kind: str
    label: str | None
    summary: str | None
    step: str | None
    size: int
    sha256: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class RequestEntry(Entry):
    """A save that carried a request id, kept so that its repeat can be told and answered."""

    readers: ClassVar = {"entry": CheckpointEntry.read}

    id: str
    fingerprint: str
    entry: CheckpointEntry


@dataclass(frozen=True, slots=True)
class ApprovalEntry(Entry):
    """A question to a person, and its answer once there is one.

    `status` is pending, approved, denied, answered or withdrawn; never `expired`: that is pending
    seen after `expires_ms`. `schema`, `answer` are JSON as text. `subject` is the SHA-256 of what
    is to be approved, which lies in a region of its own when it was given. `used_by` names the
    step that used up a `single_use` one.
    """

    readers: ClassVar = {"options": tuple, "asked_by": _actor, "decided_by": _actor}

    status: str = "pending"
    question: str = ""
    details: str | None = None
    options: tuple[str, ...] = ()
    schema: str | None = None
    subject: str | None = None
    single_use: bool = False
    used_by: str | None = None
    used_version: int | None = None
    asked_ms: int = 0
    asked_version: int = 0
    asked_by: Actor | None = None
    expires_ms: int | None = None
    wake_ms: int | None = None
    decided_ms: int | None = None
    decided_version: int | None = None
    decided_by: Actor | None = None
    channel: str | None = None
    comment: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactEntry(Entry):
    """One revision of an artifact. `id` names its object; two revisions may share one object.

    It is in the table from `version` on, and current until `until`, the version at which another
    revision took its place or it was removed.
    """

    readers: ClassVar = {"actor": _actor}

    id: str
    revision: int
    version: int
    at_ms: int
    size: int
    sha256: str
    media_type: str
    actor: Actor | None = None
    stored_bytes: int = 0
    executable: bool = False
    step: str | None = None
    summary: str | None = None
    until: int | None = None


class ArtifactTable(dict[str, tuple[ArtifactEntry, ...]]):
    """All revisions of each artifact, oldest first; never changed once it is made. Its stored form
    is made once: what a commit does not touch costs it next to nothing, be it 10,000 files."""

    __slots__ = ("_stored",)

    _stored: orjson.Fragment | None

    def __init__(self, table: Mapping[str, tuple[ArtifactEntry, ...]]) -> None:
        super().__init__(table)
        self._stored = None

    @property
    def stored(self) -> orjson.Fragment:
        if self._stored is None:
            entries = {name: [one.stored for one in revisions] for name, revisions in self.items()}
            self._stored = _fragment(entries)
        return self._stored


@dataclass(frozen=True, slots=True)
class ReferenceEntry(Entry):
    """A thing outside that the state speaks of, and how it was when it was named.

    `kind` is file or s3; `digest` the SHA-256 of a file, `etag` and `object_version` an object's.
    """

    kind: str = "file"
    location: str = ""
    digest: str | None = None
    etag: str | None = None
    object_version: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class RunEntry(Entry):
    """An earlier run: its number, its last version, and how far it came."""

    run: int = 1
    last_version: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    steps: int = 0
    done: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OriginEntry(Entry):
    """What a fork was made from."""

    workspace: str = ""
    version: int = 0
    run: int = 1
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class ForkEntry(Entry):
    """A fork that was made from this workspace, and the version it was made from."""

    workspace: str = ""
    version: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class RetentionEntry(Entry):
    """The workspace's own policy: what is kept besides what always is. None: no such rule."""

    keep_last: int | None = None
    keep_within_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RepairEntry(Entry):
    """That `version` was made by a repair: it is `restored` again, and what came after that, up to
    `last_lost`, is lost."""

    version: int = 0
    restored: int = 0
    last_lost: int = 0
    at_ms: int = 0

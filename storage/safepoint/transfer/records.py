"""The records of one workspace, from one log into another: checked, in order, never overwriting.

Oldest first and one after the other, so that a copy that stops anywhere is a valid, older log.
What retention took from the source is not copied; a copy that was begun before still has it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field

from safepoint.errors import Conflict, Damaged, InvalidInput, OutcomeUnknown, Unavailable
from safepoint.format.entries import ArtifactEntry
from safepoint.format.keys import log_folder, log_key, version_of
from safepoint.format.record import NO_PREVIOUS, Record
from safepoint.format.versions import Versions
from safepoint.log.codec import Codec
from safepoint.log.keeping import needed
from safepoint.log.log import Log, Shared, off_loop
from safepoint.log.lost import LOST, open_any, seal_lost, to_follow
from safepoint.objects.base import MakesDurable, ObjectStore
from safepoint.transfer.copied import Meter
from safepoint.values import dataclass

__all__ = ["Found", "LogCopy", "put_new", "survey"]

WINDOW = 16
"""Records that are in memory at once."""

_ATTEMPTS = 5
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """A workspace of the source as the copy finds it. `codec` is None for one without keys.
    `artifacts` are the objects that its table names, by id, with the names of their artifacts."""

    name: str
    version: int
    codec: Codec | None
    log: Log
    artifacts: Mapping[str, tuple[str, ArtifactEntry]] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """Records and artifacts."""
        return self.version + len(self.artifacts)


async def survey(shared: Shared, name: str) -> Found:
    """The workspace's newest version, opened and durable. Raises what `Log.head` raises."""
    log = Log(name, shared)
    head = await log.head()
    if head.version and isinstance(shared.objects, MakesDurable):
        await shared.objects.make_durable(log_key(name, head.version))
    artifacts = {
        entry.id: (artifact, entry)
        for artifact, revisions in head.document.artifacts.items()
        for entry in revisions
    }
    return Found(name, head.version, log.codec, log, artifacts)


@dataclass(slots=True)
class _Digests:
    """SHA-256 of the record before, in the source and in the target; None of one that is not
    there, or was lost. `last` is the key of the newest record that the target has so far."""

    here: bytes | None = NO_PREVIOUS
    there: bytes | None = NO_PREVIOUS
    last: str | None = None


class LogCopy:
    """Between the same workspace's logs (equal ids) objects stay as they are, byte for byte; into
    another workspace's each record is sealed anew, with everything in it kept."""

    def __init__(
        self, found: Found, source: ObjectStore, target: Shared, codec: Codec, meter: Meter
    ) -> None:
        assert found.codec is not None  # noqa: S101 - there are no versions without keys
        self._name = found.name
        self._version = found.version
        self._source = source
        self._target = target.objects
        self._describe = target.describe
        self._from = found.codec
        self._to = codec
        self._as_is = found.codec.workspace_id == codec.workspace_id
        self._meter = meter
        self._log = found.log
        self._need = _needed(found.log, found.codec)
        self.there = 0
        self.written = 0
        self.written_bytes = 0

    async def run(self, target_version: int) -> None:
        """Bring the target from `target_version` to the source's version.

        All that both have is compared, and all that is written is read back.

        Raises:
            Conflict: the target has other records under these versions; nothing was overwritten.
            Damaged: a record of the source does not open or does not follow the one before, or the
                target does not hold what was written to it.
        """
        digests = _Digests()
        compared = (self._from.first, min(target_version, self._version))
        wanted = list((self._need | Versions.covering([compared])).between(1, self._version))
        before = 0
        for first in range(0, len(wanted), WINDOW):
            versions = wanted[first : first + WINDOW]
            known = [version for version in versions if version <= target_version]
            theirs = dict(zip(known, await self._fetch(self._target, known), strict=True))
            ours = await self._fetch(self._source, versions)
            if target_version in versions and ours[versions.index(target_version)] is None:
                await self._check_pruned(target_version)
                raise self._cannot_compare(target_version)
            written: dict[int, bytes] = {}
            for version, data in zip(versions, ours, strict=True):
                if version != before + 1:  # those between are in neither
                    digests.here, digests.there = _after_gap(version, self._from.first)
                before = version
                put = await self._settle(version, data, theirs.get(version), digests)
                if put is not None:
                    written[version] = put
            for version, back in zip(
                written, await self._fetch(self._target, written), strict=True
            ):
                if back != written[version]:
                    raise self._not_kept(version)
            self._meter.add(len(versions))
        self._meter.add(self._version - len(wanted))
        await self._count()

    async def check_cuts(self, target_version: int, known: tuple[int, ...]) -> None:
        """To be called before the target, which knows these cuts, is told of those of the source:
        what it wrote itself after one that is new to it would not open any more.

        Raises Conflict unless the target's newest version is from before them, and the source's.
        """
        new = set(self._from.cuts) - set(known)
        if not new or not target_version:
            return
        if target_version >= min(new):
            raise self._differs(min(new))
        ((ours,), (theirs,)) = await asyncio.gather(
            self._fetch(self._source, [target_version]), self._fetch(self._target, [target_version])
        )
        if ours is None or theirs is None:
            raise self._cannot_compare(target_version)
        record = await off_loop(len(ours), open_any, self._from, target_version, ours)
        await self._same(record, ours, theirs, None)

    async def _fetch(self, objects: ObjectStore, versions: Iterable[int]) -> list[bytes | None]:
        keys = [log_key(self._name, version) for version in versions]
        return list(await asyncio.gather(*(objects.get(key) for key in keys)))

    async def _settle(
        self, version: int, data: bytes | None, theirs: bytes | None, digests: _Digests
    ) -> bytes | None:
        """What was written for this version, None when it was there or is not to be."""
        if data is None or (theirs is None and version not in self._need):
            await self._check_pruned(version)
            digests.here = None
            digests.there = None if theirs is None else hashlib.sha256(theirs).digest()
            self._count_in(version, theirs, digests)
            return None
        record = await self._checked(version, data, digests.here)
        digests.here = to_follow(record, data)
        wanted: bytes | None = None
        if theirs is None:
            wanted = data
            if not self._as_is:
                wanted = await off_loop(len(data), self._adopt, record, digests.there)
            theirs = await put_new(
                self._target,
                log_key(self._name, version),
                wanted,
                after=digests.last,
                metadata=self._describe(version, record.event),
            )
        if theirs != wanted:
            await self._same(record, data, theirs, digests.there)
            wanted = None
        digests.there = hashlib.sha256(theirs).digest()
        self._count_in(version, theirs, digests)
        if wanted is not None:
            self.written += 1
            self.written_bytes += len(wanted)
        return wanted

    def _count_in(self, version: int, theirs: bytes | None, digests: _Digests) -> None:
        if theirs is not None:
            self.there += 1
            digests.last = log_key(self._name, version)

    async def _check_pruned(self, version: int) -> None:
        """Raises Damaged when the source still needs this version, which it does not have."""
        if version in self._need:
            await self._log.head()  # perhaps it was pruned since
            self._need = _needed(self._log, self._from)
        if version in self._need:
            raise Damaged(
                f"{log_key(self._name, version)} is missing in {self._source.url}, though later "
                "versions exist",
                hint="Records were deleted from the store; restore them from a copy.",
                code="missing_record",
            )

    def _adopt(self, record: Record, previous: bytes | None) -> bytes:
        if record.event.get("kind") == LOST:
            event = {name: value for name, value in record.event.items() if name != "stands_for"}
            return seal_lost(
                self._to, record.version, event, at_ms=record.at_ms, random=self._to.random
            )
        return self._to.adopt(record, previous=record.previous if previous is None else previous)

    async def _checked(self, version: int, data: bytes, previous: bytes | None) -> Record:
        key = log_key(self._name, version)
        record = await off_loop(len(data), open_any, self._from, version, data)
        known = previous is not None and version > max(1, self._from.first)
        if record.previous != previous and known and record.event.get("kind") != LOST:
            raise Damaged(
                f"{key} in {self._source.url} does not follow version {version - 1}",
                hint="The log was altered, or restored in parts; restore it whole from a copy.",
                code="broken_chain",
            )
        return record

    async def _same(
        self, record: Record, data: bytes, theirs: bytes, previous: bytes | None
    ) -> None:
        """Raises Conflict unless what the target holds is the same commit."""
        if self._as_is:
            same = theirs == data
        else:
            opened = await off_loop(len(theirs), open_any, self._to, record.version, theirs)
            lost = record.event.get("kind") == LOST
            same = (lost and opened.event.get("kind") == LOST) or (
                previous in (None, opened.previous)
                and opened.commit_id == record.commit_id
                and opened.at_ms == record.at_ms
                and opened.document_digest == record.document_digest
            )
        if not same:
            raise self._differs(record.version)

    async def _count(self) -> None:
        """Raises Damaged unless the target lists every version that was copied."""
        folder, after, count = log_folder(self._name), "", 0
        while keys := await self._target.list(folder, after=after, limit=_PAGE):
            count += sum(_is_version(key, self._version) for key in keys)
            after = keys[-1]
        if count != self.there:
            raise Damaged(
                f"{self._target.url} lists {count} of the {self.there} versions of "
                f"{self._name!r} that were copied",
                hint="Something else deletes there, or the place does not list what it holds.",
                code="missing_record",
            )

    def _differs(self, version: int) -> Conflict:
        return Conflict(
            f"workspace {self._name!r} has another version {version} in {self._target.url} than "
            f"in {self._source.url}: both have gone their own way; nothing was overwritten",
            hint="`safepoint history` shows both. To keep both, export this one and import it "
            "under another name.",
            code="history_differs",
        )

    def _cannot_compare(self, version: int) -> Conflict:
        return Conflict(
            f"workspace {self._name!r} has pruned version {version}, the newest that "
            f"{self._target.url} has: nobody can tell whether that is an earlier copy of it",
            hint="Copy it to an empty place, and keep the old copy as it is.",
            code="history_pruned",
        )

    def _not_kept(self, version: int) -> Damaged:
        return Damaged(
            f"{log_key(self._name, version)} in {self._target.url} is not what was just written",
            hint="Something else writes there, or the place does not keep what it is given.",
            code="not_kept",
        )


def _needed(log: Log, codec: Codec) -> Versions:
    head = log.known()
    assert head is not None  # noqa: S101 - it was surveyed
    return needed(head.document, codec.chain, codec.first)


def _after_gap(version: int, first: int) -> tuple[bytes | None, bytes | None]:
    return (NO_PREVIOUS, NO_PREVIOUS) if version == first else (None, None)


async def put_new(
    objects: ObjectStore,
    key: str,
    data: bytes,
    *,
    after: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Put if absent; what is under the key then: `data`, or what was there before.

    Raises OutcomeUnknown or Unavailable when that cannot be found out.
    """
    unknown: OutcomeUnknown | None = None
    for _ in range(_ATTEMPTS):
        try:
            if await objects.put(key, data, if_absent=True, after=after, metadata=metadata):
                return data
        except OutcomeUnknown as error:
            unknown = error
        found = await objects.get(key)
        if found is not None:
            return found
    raise unknown or Unavailable(f"{key} cannot be written: it comes and goes", hint="Call again.")


def _is_version(key: str, newest: int) -> bool:
    try:
        return version_of(key) <= newest
    except InvalidInput:
        return False

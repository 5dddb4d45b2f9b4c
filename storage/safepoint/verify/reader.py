"""Reads one log object by object, and looks again before anything is called damaged."""

from __future__ import annotations

import hashlib
from dataclasses import field

from safepoint.errors import Damaged, SafepointError, Unavailable, Unsupported
from safepoint.format.document import Document
from safepoint.format.keys import generation_of, keys_folder, log_folder, log_key
from safepoint.format.versions import Versions
from safepoint.log.codec import Codec
from safepoint.log.generations import newest_of
from safepoint.log.keeping import needed
from safepoint.log.keys import WorkspaceKeys, open_manifest
from safepoint.log.lost import open_lost
from safepoint.log.newest import newest_version
from safepoint.log.shared import Shared
from safepoint.values import dataclass
from safepoint.verify.chain import Fault, Link, dependents_end

__all__ = ["UNKNOWN_KEY", "Intact", "Reader", "codec_of"]

UNKNOWN_KEY = "unknown_key"
"""What is told of a record that may be whole, when the newest manifest is what is gone."""

_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Intact:
    """A version that can be rebuilt: its document, also as stored bytes."""

    version: int
    document: Document
    encoded: bytes


def codec_of(shared: Shared, keys: WorkspaceKeys) -> Codec:
    """What opens the records that these keys seal."""
    return Codec(
        keys.name, shared.keys.store_id, keys.workspace_id, keys.secrets, shared.random,
        keys.first, keys.cuts,
    )  # fmt: skip


@dataclass(slots=True)
class Reader:
    """`need` are the versions whose records have to be there, None while that is not known."""

    shared: Shared
    keys: WorkspaceKeys
    need: Versions | None = None
    read_bytes: int = 0
    _seen_head: int = 0
    _codec: Codec = field(init=False)
    _failures: int = 0

    def __post_init__(self) -> None:
        self._codec = codec_of(self.shared, self.keys)

    @property
    def codec(self) -> Codec:
        return self._codec

    def key(self, version: int) -> str:
        return log_key(self.keys.name, version)

    async def fetch(self, version: int) -> bytes | Fault | None:
        """The object, None for none, or why it was not read.

        Raises Unavailable when the store fails again and again: then it is not to be checked.
        """
        for attempt in range(2):
            try:
                data = await self.shared.objects.get(self.key(version))
            except Unavailable as error:
                if attempt:
                    self._failures += 1
                    if self._failures >= _PATIENCE:
                        raise
                    return Fault(version, "unread", error.message, unread=True)
            except Damaged as error:
                return Fault(version, error.code, error.message)
            else:
                self._failures = 0
                self.read_bytes += len(data or b"")
                return data
        raise AssertionError

    def open(self, version: int, data: bytes) -> Link:
        """What these bytes are, by the keys known now."""
        digest = hashlib.sha256(data).digest()
        try:
            return Link(version, digest, self._codec.open(version, data))
        except (Damaged, Unsupported) as error:
            lost = open_lost(self._codec, version, data)
            if lost is not None:
                return Link(version, digest, lost=lost)
            what = "unsupported"
            if isinstance(error, Damaged):
                what = UNKNOWN_KEY if self._codec.lacks_keys(version, data) else "damaged"
            return Link(version, digest, fault=Fault(version, what, error.message))

    async def _again(self, version: int) -> Link:
        """The version once more: keys may have been rotated, records pruned or repaired."""
        await self._renew_keys()
        data = await self.fetch(version)
        if isinstance(data, Fault):
            return Link(version, fault=data)
        if data is not None:
            return self.open(version, data)
        await self._renew_need()
        if self.need is not None and version not in self.need:
            return Link(version)
        return Link(version, fault=Fault(version, "missing", f"{self.key(version)} is not there"))

    async def _renew_keys(self) -> None:
        try:
            newest = await newest_of(self.shared.objects, keys_folder(self.keys.name))
            if newest is None or generation_of(newest) <= self.keys.generation:
                return
            data = await self.shared.objects.get(newest)
            if data is not None:
                generation, name = generation_of(newest), self.keys.name
                self.keys = open_manifest(self.shared.keys, name, generation, data)
                self._codec = codec_of(self.shared, self.keys)
        except SafepointError:
            return  # the keys that are known will have to do

    async def _renew_need(self) -> None:
        """Records go only after a commit that says so."""
        if self.need is None:
            return
        try:
            head = await newest_version(self.shared.objects, log_folder(self.keys.name))
            if head <= self._seen_head:
                return
            self._seen_head = head
            if (newest := await self.newest_intact(head)) is not None:
                self.needs(newest.document, head)
        except SafepointError:
            return  # what was known to be needed will have to do

    async def link(self, version: int) -> Link:
        """One version by itself."""
        found = await self.fetch(version)
        return await self.checked(version, found)

    async def checked(self, version: int, found: bytes | Fault | None) -> Link:
        """The version whose object was found so."""
        if isinstance(found, Fault):
            return Link(version, fault=found)
        if found is None:
            if self.need is not None and version not in self.need:
                return Link(version)
            return await self._again(version)
        link = self.open(version, found)
        return link if link.fault is None else await self._again(version)

    async def rebuild(self, version: int) -> Intact | int:
        """The version, or the one on its chain that stands against it.

        Raises Unavailable when one of them cannot be read: it may be intact.
        """
        encoded: bytes | None = None
        for one in self._codec.chain(version):
            link = await self.link(one)
            if link.fault is not None and link.fault.unread:
                raise Unavailable(link.fault.detail, hint="Try again when the store can be read.")
            if link.record is None:
                return one
            try:
                encoded = self._codec.rebuild(link.record, encoded)
                document = self._codec.decode(one, encoded)
            except (Damaged, Unsupported):
                return one
        assert encoded is not None  # noqa: S101 - a chain has at least one version
        return Intact(version, document, encoded)

    async def newest_intact(self, head: int, avoid: frozenset[int] = frozenset()) -> Intact | None:
        """The newest version up to `head` that can be rebuilt without any of `avoid`."""
        version = head
        while version >= self.keys.first:
            against = max((one for one in self._codec.chain(version) if one in avoid), default=0)
            found = against or await self.rebuild(version)
            if isinstance(found, Intact):
                return found
            version = found - 1 if dependents_end(self._codec, found) >= version else version - 1
        return None

    def needs(self, document: Document, head: int) -> None:
        """Take from the newest readable document which records have to be there, up to `head`."""
        known = needed(document, self._codec.chain, self.keys.first)
        self.need = known | Versions.covering([(document.version + 1, head)])
        self._seen_head = max(self._seen_head, head)

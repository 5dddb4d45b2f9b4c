"""Walks the records of one log in order, each once: links, documents and checkpoint indexes.

Pure. It keeps the documents that later versions are deltas of, at most nine, the entries of the
last one, and nothing else that grows. Blame falls on the one object that does not fit, not on what
depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import field

from safepoint.errors import Damaged, Unsupported
from safepoint.format.document import Decoder, Document
from safepoint.format.keys import BLOCK, block_of, index_in_block, last_of_block
from safepoint.format.record import Record
from safepoint.log.codec import Codec
from safepoint.log.lost import to_follow
from safepoint.values import dataclass

__all__ = ["Chain", "Fault", "Link", "dependents_end"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the object of a version is not what was written, or with `unread` was not seen."""

    version: int
    what: str
    detail: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One version as it was found: its record, or why there is none. With neither it need not
    exist. `lost` is what stands in the place of a record that a repair has given up."""

    version: int
    digest: bytes = b""
    record: Record | None = None
    lost: Record | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Chain:
    """Feed `step` the versions in ascending order, then call `end`. `blame` is told each fault."""

    codec: Codec
    blame: Callable[[Fault], None]
    documents: int = 0
    _decoder: Decoder = field(default_factory=Decoder)
    _bases: dict[int, bytes] = field(default_factory=dict)
    _before: tuple[int, bytes | None] = (0, None)
    _suspect: int | None = None  # does not follow the one before: which of the two is wrong?
    _unsure: list[Fault] = field(default_factory=list)
    _states: dict[int, str] = field(default_factory=dict)  # of this block

    def step(self, link: Link) -> None:
        self._follow(link)
        if link.fault is not None:
            self.blame(link.fault)
        if link.record is not None:
            self._rebuild(link.record)
        for base in [b for b in self._bases if dependents_end(self.codec, b) <= link.version]:
            del self._bases[base]

    def end(self) -> None:
        if self._suspect is not None:
            self._blame_link(self._suspect)
        for fault in self._unsure:
            self.blame(fault)

    def _follow(self, link: Link) -> None:
        version, digest = self._before
        follows = True
        if link.record is not None and digest is not None and version == link.version - 1:
            follows = link.record.previous == digest
        if self._suspect is not None:
            # If the next record follows the suspect, what came before the suspect is wrong.
            self._blame_link(self._suspect - 1 if follows and link.record else self._suspect)
            follows = True
        self._suspect = None if follows else link.version
        self._before = (link.version, _to_follow(link))

    def _blame_link(self, version: int) -> None:
        """Blame a record that opens; what was built of it proves nothing against others."""
        chain = self.codec.chain
        self._unsure = [fault for fault in self._unsure if version not in chain(fault.version)]
        self._bases = {b: data for b, data in self._bases.items() if version not in chain(b)}
        why = "the log does not go on from it: it was altered, or is of another copy of the store"
        self.blame(Fault(version, "broken_chain", why))

    def _rebuild(self, record: Record) -> None:
        version = record.version
        base = self._bases.get(record.base)
        if record.base and base is None:
            return  # what it is a delta of was blamed, or is gone
        try:
            encoded = self.codec.rebuild(record, base)
            document = self.codec.decode(version, encoded, self._decoder)
        except Damaged as error:
            self._unsure.append(Fault(version, "damaged", error.message))
            return
        except Unsupported as error:
            self.blame(Fault(version, "unsupported", error.message))
            return
        self._bases[version] = encoded
        self.documents += 1
        if wrong := self._wrong(document, version):
            self.blame(Fault(version, "wrong_index", wrong))

    def _wrong(self, document: Document, version: int) -> str | None:
        """What its document says that is not so, if anything."""
        if document.version != version:
            return f"its document says that it is version {document.version}"
        state = document.state
        digest = "" if state is None else hashlib.sha256(state).hexdigest()
        if digest != document.state_sha256:
            return "its state has another digest than its document says"
        if index_in_block(version) == 0:
            self._states.clear()
        self._states[version] = digest
        entries = document.checkpoints if version % BLOCK == 0 else document.checkpoints[-1:]
        for entry in entries:
            if self._states.get(entry.version, entry.sha256) != entry.sha256:
                return f"its index has another digest for checkpoint {entry.version}"
        return None


def dependents_end(codec: Codec, version: int) -> int:
    """The last version that is built of this one: all between the two are as well."""
    index = index_in_block(version)
    end = version + (index & -index) - 1 if index else last_of_block(block_of(version))
    return min([end, *(cut - 1 for cut in codec.cuts if cut > version)])


def _to_follow(link: Link) -> bytes | None:
    """The digest that the next record has to name; None when that is not known."""
    if link.lost is not None:
        return to_follow(link.lost, b"")
    return link.digest if link.record is not None else None

"""Versions in memory, by workspace: their records, and their encoded documents as long as these are
likely to be asked for. Least recently used is dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple

from safepoint.format.record import Record

__all__ = ["DocumentCache", "Kept"]

_RECORD_BYTES: Final = 1024  # what a record takes besides its delta, about


class Kept(NamedTuple):
    """A record, and the encoded document that it stands for, or None: a record takes a hundredth of
    the room, and no request brings the document back as long as its base is here too."""

    record: Record
    document: bytes | None

    @property
    def size(self) -> int:
        return _RECORD_BYTES + len(self.record.delta) + len(self.document or b"")


class DocumentCache:
    """Holds at most `max_bytes`. A miss is never an error: it is read again. `hits` and `misses`
    count looks for documents.

    Threads may share it: large documents are rebuilt in some, off the event loop.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = self.hits = self.misses = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[bytes, int], Kept] = OrderedDict()

    def get(self, workspace_id: bytes, version: int) -> Kept | None:
        with self._lock:
            kept = self._kept.get((workspace_id, version))
            if kept is None or kept.document is None:
                self.misses += 1
            else:
                self.hits += 1
            if kept is not None:
                self._kept.move_to_end((workspace_id, version))
            return kept

    def put(self, workspace_id: bytes, record: Record, document: bytes) -> None:
        with self._lock:
            self._put((workspace_id, record.version), Kept(record, document))

    def shed(self, workspace_id: bytes, version: int) -> None:
        """Let the document go, and keep its record."""
        with self._lock:
            kept = self._kept.get((workspace_id, version))
            if kept is not None:
                self._put((workspace_id, version), Kept(kept.record, None))

    def _put(self, place: tuple[bytes, int], kept: Kept) -> None:
        replaced = self._kept.pop(place, None)
        self.bytes += kept.size - (replaced.size if replaced is not None else 0)
        self._kept[place] = kept
        while self.bytes > self.max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.bytes -= dropped.size

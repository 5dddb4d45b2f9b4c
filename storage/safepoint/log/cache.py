"""Encoded documents by workspace and version, least recently used dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["DocumentCache"]


class DocumentCache:
    """Holds at most `max_bytes` of documents. A miss is never an error: it is read again.
    `hits` and `misses` count both.

    Threads may share it: large documents are rebuilt in some, off the event loop.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = self.hits = self.misses = 0
        self._lock = threading.Lock()
        self._documents: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()

    def get(self, workspace_id: bytes, version: int) -> bytes | None:
        with self._lock:
            document = self._documents.get((workspace_id, version))
            if document is None:
                self.misses += 1
            else:
                self.hits += 1
                self._documents.move_to_end((workspace_id, version))
            return document

    def put(self, workspace_id: bytes, version: int, document: bytes) -> None:
        with self._lock:
            replaced = self._documents.pop((workspace_id, version), b"")
            self.bytes += len(document) - len(replaced)
            self._documents[workspace_id, version] = document
            while self.bytes > self.max_bytes:
                _, dropped = self._documents.popitem(last=False)
                self.bytes -= len(dropped)

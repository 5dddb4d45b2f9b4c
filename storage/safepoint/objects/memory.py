"""Objects in the memory of this process: for tests, trials, and work that need not survive."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import timedelta

from safepoint.objects._keys import check_key, check_prefix
from safepoint.objects._streams import check_range, chunks_of, not_found

__all__ = ["MemoryObjects"]


class MemoryObjects:
    """See ObjectStore, StreamStore, TellsAge. Durable for as long as this value lives, no longer.

    One value may serve several stores, event loops and threads at once; `close` leaves the objects
    where they are. What is stored is a copy: changing a buffer later changes nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}
        self._stored_at: dict[str, float] = {}
        self._keys: list[str] = []  # ascending; ASCII, so the order of str is that of bytes

    lists_cheaply = True

    @property
    def url(self) -> str:
        """See ObjectStore.url."""
        return "memory://"

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        if_absent: bool = False,
        after: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """See ObjectStore.put."""
        check_key(key)
        if after is not None:
            check_key(after)
        kept = bytes(data)
        with self._lock:
            if key not in self._objects:
                insort(self._keys, key)
            elif if_absent:
                return False
            self._objects[key] = kept
            self._stored_at[key] = time.monotonic()
        return True

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        check_key(key)
        with self._lock:
            return self._objects.get(key)

    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        """See ObjectStore.list."""
        check_prefix(prefix)
        with self._lock:
            look = _folders_in if folders else _keys_in
            return look(self._keys, prefix, after, limit)

    async def delete(self, key: str) -> None:
        """See ObjectStore.delete."""
        check_key(key)
        with self._lock:
            if self._objects.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)], self._stored_at[key]

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See StreamStore.put_stream."""
        check_key(key)
        gathered = bytearray()
        async for chunk in chunks:
            gathered += chunk
        await self.put(key, bytes(gathered))
        return len(gathered)

    async def get_stream(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See StreamStore.get_stream."""
        check_range(start, length)
        data = await self.get(key)
        if data is None:
            raise not_found(key, self.url)
        end = len(data) if length is None else start + length
        for chunk in chunks_of(memoryview(data)[start:end]):
            yield chunk

    async def sweep(self, *, older_than: timedelta) -> int:
        """See StreamStore.sweep. An upload that fails leaves nothing."""
        return 0

    async def age(self, key: str) -> timedelta | None:
        """See TellsAge."""
        with self._lock:
            there = key in self._objects
            return timedelta(seconds=time.monotonic() - self._stored_at[key]) if there else None

    async def close(self) -> None:
        """See ObjectStore.close."""


def _keys_in(keys: list[str], prefix: str, after: str, limit: int) -> list[str]:
    start = max(bisect_left(keys, prefix), bisect_right(keys, after))
    return [key for key in keys[start : start + max(limit, 0)] if key.startswith(prefix)]


def _folders_in(keys: list[str], prefix: str, after: str, limit: int) -> list[str]:
    found = []
    at = bisect_left(keys, prefix)
    while at < len(keys) and keys[at].startswith(prefix):
        name, slash, _ = keys[at][len(prefix) :].partition("/")
        if slash:
            found.append(name)
            at = bisect_left(keys, f"{prefix}{name}0", at)  # "0" is what sorts next to "/"
        else:
            at += 1
    return sorted(name for name in found if name > after)[: max(limit, 0)]

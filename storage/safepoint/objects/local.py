"""Objects as files below one folder, safe between processes and against power loss."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from safepoint.objects._durable import OsCalls
from safepoint.objects._files import Files
from safepoint.objects._root import Root

__all__ = ["LocalObjects"]


class LocalObjects:
    """See ObjectStore, SetsAside and MakesDurable. Every operation is one hop to a worker thread.

    The folder is made at the first operation, mode 0700, or with `create=False` must be there.
    From then on it must stay the same folder: if it vanishes, or an unmounted disk bares an empty
    one, every answer is `Unavailable`. Only the root may be a symbolic link.

    A put with `if_absent` costs one fsync on Linux with ext4 or XFS, three elsewhere. When an fsync
    fails, that put raises OutcomeUnknown; from then on this store neither reads that object nor
    builds on it (Unavailable), because its bytes may be in memory only.

    Raises:
        Unsupported: from put, on a file system without hard links.
    """

    def __init__(self, root: Path, *, create: bool = True, os_calls: OsCalls | None = None) -> None:
        calls = os_calls or OsCalls()
        self._root = Root(root, create=create, os_calls=calls)
        self._files = Files(self._root, calls)

    lists_cheaply = True

    @property
    def url(self) -> str:
        """See ObjectStore.url."""
        return self._root.url

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
        return await asyncio.to_thread(self._files.put, key, data, if_absent=if_absent, after=after)

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        return await asyncio.to_thread(self._files.get, key)

    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        """See ObjectStore.list."""
        return await asyncio.to_thread(
            self._files.list, prefix, after=after, limit=limit, folders=folders
        )

    async def delete(self, key: str) -> None:
        """See ObjectStore.delete."""
        await asyncio.to_thread(self._files.delete, key)

    async def close(self) -> None:
        """See ObjectStore.close."""

    async def set_aside(self, key: str, expected: bytes) -> str | None:
        """See SetsAside. The object becomes `damaged/<n:06d>/<key>`, with the first free n."""
        return await asyncio.to_thread(self._files.set_aside, key, expected)

    async def make_durable(self, key: str) -> None:
        """See MakesDurable."""
        await asyncio.to_thread(self._files.make_durable, key)

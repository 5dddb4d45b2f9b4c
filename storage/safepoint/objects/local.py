"""Objects as files below one folder, safe between processes and against power loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from pathlib import Path

from safepoint.objects._calls import Calls
from safepoint.objects._durable import OsCalls
from safepoint.objects._file_streams import FileSink, read_file
from safepoint.objects._files import Files
from safepoint.objects._keys import check_key
from safepoint.objects._root import Root
from safepoint.objects._streams import Pouring, check_range

__all__ = ["LocalObjects"]


class LocalObjects:
    """See ObjectStore, SetsAside, MakesDurable, StreamStore and TellsAge.

    An operation is one hop to a worker thread, and so is every chunk of a stream; put with
    `if_absent`, get and make_durable are none on a disk that answers faster (see Calls).

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
        self._os = calls
        self._root = Root(root, create=create, os_calls=calls)
        self._files = Files(self._root, calls)
        self._calls = Calls(self._root.is_own_disk)
        self._pouring = Pouring()

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
        put = partial(self._files.put, key, data, if_absent=if_absent, after=after)
        if not if_absent:  # who replaces waits for a lock, which another process may hold
            return await asyncio.to_thread(put)
        return await self._calls.run("put", put, len(data))

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        return await self._calls.run("get", partial(self._files.get, key))

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

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See StreamStore.put_stream. Needs room for the old object and the new one."""
        check_key(key)
        sink = FileSink(key, self._root, self._files, self._os)
        return await self._pouring.pour(chunks, sink)

    async def get_stream(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See StreamStore.get_stream. Holds one open file, which nobody can change any more."""
        check_range(start, length)
        async with aclosing(read_file(self._files, key, self.url, start, length)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def sweep(self, *, older_than: timedelta) -> int:
        """See StreamStore.sweep. The first operation removes what is older than a day anyway."""
        return await asyncio.to_thread(self._files.sweep, older_than)

    async def age(self, key: str) -> timedelta | None:
        """See TellsAge. Since its last write, by this machine's clock."""
        return await asyncio.to_thread(self._files.age, key)

    async def close(self) -> None:
        """See ObjectStore.close."""
        await self._pouring.settle()

    async def set_aside(self, key: str, expected: bytes) -> str | None:
        """See SetsAside. The object becomes `damaged/<n:06d>/<key>`, with the first free n."""
        return await asyncio.to_thread(self._files.set_aside, key, expected)

    async def make_durable(self, key: str) -> None:
        """See MakesDurable."""
        await self._calls.run("sync", partial(self._files.make_durable, key))

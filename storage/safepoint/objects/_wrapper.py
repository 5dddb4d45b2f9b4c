"""What wrappers round a store share: each operation passes through one method, `around`.

A base class because the verbs of a store would otherwise be spelled out in each of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import NamedTuple, TypeVar

from safepoint.objects.base import (
    ListsCheaply,
    MakesDurable,
    ObjectStore,
    SetsAside,
    StreamStore,
    TellsAge,
)

__all__ = ["Operation", "Wrapper"]

T = TypeVar("T")


class Operation(NamedTuple):
    """A call: `put`, `get`, `list`, `delete`, `set_aside`, `make_durable`, `put_stream`,
    `get_stream`, `sweep` or `age`, and its key: of a list its prefix, of a sweep nothing.
    """

    verb: str
    key: str

    def __str__(self) -> str:
        return f"{self.verb} {self.key}"


class Wrapper:
    """See ObjectStore. Closing it leaves the inner store open: that may be shared."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.lists_cheaply = isinstance(inner, ListsCheaply) and inner.lists_cheaply
        if isinstance(inner, SetsAside):
            move = inner.set_aside

            async def set_aside(key: str, expected: bytes) -> str | None:
                return await self.around(Operation("set_aside", key), lambda: move(key, expected))

            self.set_aside = set_aside
        if isinstance(inner, MakesDurable):
            sync = inner.make_durable

            async def make_durable(key: str) -> None:
                await self.around(Operation("make_durable", key), lambda: sync(key))

            self.make_durable = make_durable
        if isinstance(inner, StreamStore):
            self._pass_streams(inner)
        if isinstance(inner, TellsAge):
            look = inner.age

            async def age(key: str) -> timedelta | None:
                return await self.around(Operation("age", key), lambda: look(key))

            self.age = age

    def _pass_streams(self, inner: StreamStore) -> None:
        """A stream that is read passes through `around` once, when its first chunk is asked for."""

        async def put_stream(key: str, chunks: AsyncIterator[bytes]) -> int:
            return await self.around(
                Operation("put_stream", key), lambda: inner.put_stream(key, chunks)
            )

        async def get_stream(
            key: str, *, start: int = 0, length: int | None = None
        ) -> AsyncGenerator[bytes, None]:
            async with aclosing(inner.get_stream(key, start=start, length=length)) as chunks:
                first = await self.around(Operation("get_stream", key), lambda: anext(chunks, None))
                if first is not None:
                    yield first
                async for chunk in chunks:
                    yield chunk

        async def sweep(*, older_than: timedelta) -> int:
            return await self.around(
                Operation("sweep", ""), lambda: inner.sweep(older_than=older_than)
            )

        self.put_stream = put_stream
        self.get_stream = get_stream
        self.sweep = sweep

    @property
    def url(self) -> str:
        """See ObjectStore.url."""
        return self.inner.url

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        """Do the operation by awaiting `act()`: once, never, or later."""
        return await act()

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
        return await self.around(
            Operation("put", key),
            lambda: self.inner.put(key, data, if_absent=if_absent, after=after, metadata=metadata),
        )

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        return await self.around(Operation("get", key), lambda: self.inner.get(key))

    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        """See ObjectStore.list."""
        return await self.around(
            Operation("list", prefix),
            lambda: self.inner.list(prefix, after=after, limit=limit, folders=folders),
        )

    async def delete(self, key: str) -> None:
        """See ObjectStore.delete."""
        await self.around(Operation("delete", key), lambda: self.inner.delete(key))

    async def close(self) -> None:
        """See ObjectStore.close."""

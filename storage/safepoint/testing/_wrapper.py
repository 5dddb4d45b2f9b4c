"""What the wrappers of faults.py share: each operation passes through one method, `around`.

A base class because the five verbs of a store would otherwise be spelled out in each of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

from safepoint.objects.base import ListsCheaply, MakesDurable, ObjectStore, SetsAside

__all__ = ["Operation", "Wrapper"]

T = TypeVar("T")


class Operation(NamedTuple):
    """A call: `put`, `get`, `list`, `delete`, `set_aside` or `make_durable`, and its key.

    The key of a list is its prefix.
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

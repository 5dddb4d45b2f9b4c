"""A store that tells an observer of every operation, and is otherwise the one inside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

from safepoint.objects._wrapper import Operation, Wrapper
from safepoint.objects.base import CountsRepeats, ObjectStore, StreamStore
from safepoint.observer import Facts, Observer

__all__ = ["ObservedObjects"]

T = TypeVar("T")


class ObservedObjects(Wrapper):
    """See ObjectStore. Closing it closes the inner store.

    What a stream takes includes the time of whoever gives or takes its chunks.
    """

    def __init__(self, inner: ObjectStore, observer: Observer) -> None:
        super().__init__(inner)
        self._observer = observer

    @property
    def repeats(self) -> int:
        """See CountsRepeats."""
        return self.inner.repeats if isinstance(self.inner, CountsRepeats) else 0

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        facts: Facts = {}
        with self._observer.operation(operation.verb, facts):
            answer = await act()
            if operation.verb == "get":
                if isinstance(answer, bytes):
                    facts["bytes"] = len(answer)
                else:
                    facts["outcome"] = "absent"
            elif operation.verb == "put_stream" and isinstance(answer, int):
                facts["bytes"] = answer
        return answer

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
        facts: Facts = {"bytes": len(data)}
        with self._observer.operation("put", facts):
            stored = await self.inner.put(
                key, data, if_absent=if_absent, after=after, metadata=metadata
            )
            if not stored:
                facts["outcome"] = "exists"
        return stored

    def _pass_streams(self, inner: StreamStore) -> None:
        super()._pass_streams(inner)

        async def get_stream(
            key: str, *, start: int = 0, length: int | None = None
        ) -> AsyncGenerator[bytes, None]:
            moved = 0
            facts: Facts = {}
            with self._observer.operation("get_stream", facts):
                async with aclosing(inner.get_stream(key, start=start, length=length)) as chunks:
                    async for chunk in chunks:
                        facts["bytes"] = moved = moved + len(chunk)
                        yield chunk

        self.get_stream = get_stream

    async def close(self) -> None:
        """See ObjectStore.close."""
        await self.inner.close()

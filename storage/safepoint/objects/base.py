"""What Safepoint asks of a place that keeps objects: put-if-absent, get, list, delete; streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import timedelta
from typing import Protocol, runtime_checkable

__all__ = [
    "MAX_OBJECT_BYTES",
    "CountsRepeats",
    "ListsCheaply",
    "MakesDurable",
    "ObjectStore",
    "SetsAside",
    "StreamStore",
    "TellsAge",
]


MAX_OBJECT_BYTES = 96 * 1024 * 1024
"""No object that is read whole is larger: what is, Safepoint did not write."""


class ObjectStore(Protocol):
    """Keys are ASCII, `/`-separated, with segments of 1 to 200 bytes that are not `.` or `..`.

    Every method may be called from many tasks at once. Failures are `Unavailable`; "not there" is
    an answer, never an error, and is given only when it is certain.
    """

    @property
    def url(self) -> str:
        """Names the place in messages; holds no secret."""

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        if_absent: bool = False,
        after: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Store `data` whole under `key`; readers see all of it or nothing.

        Durable when it returns. With `if_absent`, of any number of racing callers, in any number of
        processes, exactly one gets True; the others get False and change nothing. Without it the
        object is replaced and the answer is True. `after` names an object that must be durable
        before this one is (the record that this one builds on). `metadata` (ASCII, 2 KB) is for
        people who look at the place itself; one that cannot show it drops it.

        Raises:
            OutcomeUnknown: it may or may not be stored. Read the key to find out.
            Unavailable: it is certainly not stored.
        """

    async def get(self, key: str) -> bytes | None:
        """The whole object, or None when there certainly is none.

        Linearizable: a get that starts after a put returned sees that put. What is larger than
        `MAX_OBJECT_BYTES` is not read but raises Damaged (`too_large`).
        """

    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        """At most `limit` keys that start with `prefix` and sort after `after`, ascending by bytes.

        `prefix` ends with `/`. With `folders`, instead the names of the folders directly below
        `prefix` (each once, without `/`), and `after` is such a name. Fewer than `limit` answers
        mean that there are no more. Linearizable as `get` is.
        """

    async def delete(self, key: str) -> None:
        """Remove the object; no error if there is none. Durable when it returns."""

    async def close(self) -> None:
        """Release what the store holds; nothing may be called afterwards."""


@runtime_checkable
class SetsAside(Protocol):
    """A store whose newest object may be a stump after a power loss."""

    async def set_aside(self, key: str, expected: bytes) -> str | None:
        """Rename `key` out of the way if it still holds exactly `expected`; the new key, or None.

        Atomic against every other caller, in this process or another: never moves another object
        that has taken the name since.
        """


@runtime_checkable
class MakesDurable(Protocol):
    """A store in which an object can be read before it is durable."""

    async def make_durable(self, key: str) -> None:
        """Make the object durable, whoever wrote it; free when this process did so already.

        To be called before a caller is told something that rests on an object read here.

        Raises:
            Unavailable: it is not there, or cannot be made durable.
        """


@runtime_checkable
class ListsCheaply(Protocol):
    """A store that says what listing one flat folder costs."""

    @property
    def lists_cheaply(self) -> bool:
        """Whether it costs about as much as one get, in time and money. A list then comes before
        whatever may lag, to see whether it does. A store that does not say so is asked seldom."""


@runtime_checkable
class TellsAge(Protocol):
    """A store that knows since when an object is there. Without it nothing is ever called old."""

    async def age(self, key: str) -> timedelta | None:
        """How long the object has been there, by the place's own clock; None when it is not."""


@runtime_checkable
class CountsRepeats(Protocol):
    """A store that sends requests again by itself, when they were refused or not answered."""

    @property
    def repeats(self) -> int:
        """How many it has sent again so far."""


@runtime_checkable
class StreamStore(Protocol):
    """A store of objects of any size, in constant memory. Nothing here is a condition: no commits.

    What it stores are objects as `put` stores them: `get`, `list` and `delete` know them too.
    """

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store what `chunks` add up to under `key`, which nobody else writes; the size in bytes.

        Readers see all of it or nothing, and it is durable when this returns. What was there is
        replaced then. When `chunks` raises, or this is cancelled, nothing appears under the key,
        and what was stored of it is removed as far as possible; the rest is left to `sweep`.
        Closing `chunks` is for the caller.

        Raises:
            OutcomeUnknown: it may or may not be stored. Read or delete the key.
            Unavailable: it is certainly not stored.
            LimitExceeded: it is larger than the store takes.
        """

    def get_stream(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The object's bytes from `start` on, at most `length` of them, in chunks of up to 1 MiB.

        A range that goes beyond the end ends there. All bytes are those of one object, whatever
        is put under its key or deleted meanwhile; a store that cannot go on then raises. Who stops
        before the end closes the iterator (`contextlib.aclosing`).

        Raises:
            NotFound: there certainly is no such object. At the first chunk, as all that follow.
            Conflict: it was replaced while it was read, and the rest cannot be had.
            Unavailable: it cannot be read, or to its end.
            InvalidInput: `start` or `length` is negative.
        """

    async def sweep(self, *, older_than: timedelta) -> int:
        """Remove what uploads left behind that nobody has gone on with for that long; how many.

        Never touches one with a younger sign of life, whoever makes it.
        """

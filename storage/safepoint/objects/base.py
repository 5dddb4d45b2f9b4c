"""What Safepoint asks of a place that keeps objects: put-if-absent, get, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

__all__ = ["ListsCheaply", "MakesDurable", "ObjectStore", "SetsAside"]


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

        Linearizable: a get that starts after a put returned sees that put.
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

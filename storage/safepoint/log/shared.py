"""What the logs of one open store share, and the head that each of them has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from safepoint.crypto.envelope import Random
from safepoint.crypto.storekeys import StoreKeys
from safepoint.format.document import Document
from safepoint.log.cache import DocumentCache
from safepoint.log.seen import SeenHeads
from safepoint.objects.base import ObjectStore
from safepoint.observer import Observer
from safepoint.values import dataclass

if TYPE_CHECKING:
    from safepoint.log.log import Log

__all__ = ["LARGE_BYTES", "VIEW_SECONDS", "Head", "Shared", "awake_seconds", "off_loop"]

LARGE_BYTES = 1024 * 1024
VIEW_SECONDS = 600.0
"""What a process knows of a head for longer than this is old: see Log.recent."""

# Linux; macOS, where it counts sleep
_AWAKE: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

P = ParamSpec("P")
R = TypeVar("R")


async def off_loop(size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call it here, or in a thread when it works on more than 1 MiB: less takes hardly longer than
    the way there and back."""
    if size > LARGE_BYTES:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


def awake_seconds() -> float:
    """Seconds that also go on while the machine sleeps: what was read before that is old."""
    return time.monotonic() if _AWAKE is None else time.clock_gettime(_AWAKE)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest version known: version 0 with the empty document while there is none."""

    document: Document
    digest: bytes
    size: int
    weight: int  # bytes of the encoded document

    @property
    def version(self) -> int:
        return self.document.version

    @property
    def exists(self) -> bool:
        """See Document.exists."""
        return self.document.exists


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workspaces of one open store share. `committed` is told of every commit of this
    process once it is durable; it returns at once and never raises. `describe` gives what may
    stand readable beside the record of a version with this event. `timer` counts seconds.
    `observer` is told of commits and loads."""

    objects: ObjectStore
    keys: StoreKeys
    cache: DocumentCache
    seen: SeenHeads
    random: Random
    committed: Callable[[Log, Head], None] = lambda log, head: None
    describe: Callable[[int, Mapping[str, Any]], dict[str, str]] = lambda version, event: {}
    timer: Callable[[], float] = awake_seconds
    observer: Observer | None = None

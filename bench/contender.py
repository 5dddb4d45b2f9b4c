"""What a contender is: something that keeps checkpoints durable, one workspace of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from bench.states import Change

__all__ = ["Contender", "KnowsSize", "bytes_below"]


class Contender(Protocol):
    """`save` returns when the checkpoint is durable. Every one uses its tool as its makers advise.

    After `close` it may be opened again on the same folder.
    """

    name: str

    async def open(self, folder: Path) -> None: ...

    async def save(self, change: Change) -> None: ...

    async def load(self) -> bool:
        """Read the latest checkpoint; False when the contender has no such thing."""

    async def close(self) -> None: ...


@runtime_checkable
class KnowsSize(Protocol):
    """A contender whose checkpoints do not lie in the folder alone."""

    def size(self) -> int:
        """Bytes of what it keeps, while it is open."""


def bytes_below(folder: Path) -> int:
    """The sizes of all files in it."""
    return sum(
        os.stat(os.path.join(at, name)).st_size
        for at, _, names in os.walk(folder)
        for name in names
    )

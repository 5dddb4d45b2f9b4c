"""What a copy did, and how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from safepoint.values import dataclass

__all__ = ["Copied", "CopiedWorkspace", "Meter", "OnProgress"]

OnProgress = Callable[[int, int], None]
"""Called with the records and artifacts that are settled and those that there are."""


@dataclass(frozen=True, slots=True)
class CopiedWorkspace:
    """`version` is the newest that was copied: that of the source when the copy began.

    `written` records are new in the target, `present` ones were there already. `newer` says that
    the source has gone on meanwhile: another copy brings the rest. `artifacts` are the objects of
    files that are new in the target.
    """

    name: str
    version: int
    written: int
    present: int
    written_bytes: int
    target_version: int
    newer: bool = False
    artifacts: int = 0
    artifact_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Copied:
    """`resealed`: the target is another store, with its own keys. `slots_kept`: the target's key
    slots had been changed since an earlier copy and are its own still. `left_out` names folders of
    the source that are no part of a copy."""

    store_id: str
    workspaces: tuple[CopiedWorkspace, ...]
    resealed: bool
    slots_kept: bool = False
    left_out: tuple[str, ...] = ()


class Meter:
    """Counts what is settled and tells who asked. `large` is for one file at a time."""

    def __init__(self, total: int, told: OnProgress | None) -> None:
        self._total = total
        self._told = told
        self._done = 0
        self.large = asyncio.Lock()
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        if self._told is not None:
            self._told(self._done, self._total)

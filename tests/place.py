"""A place in memory that processes come to and leave, with one key and a clock that tests turn."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safepoint import Actor, Patience, Store
from safepoint.behind.schedule import Pace
from safepoint.crypto.keyring import KeyFile
from safepoint.objects.base import ObjectStore
from safepoint.objects.memory import MemoryObjects

KEY = KeyFile(bytes(range(32)))


async def only_at_the_end(seconds: float) -> None:
    await asyncio.Event().wait()


class Place:
    """Everything that outlives a process. `folder` is for what must be a file."""

    def __init__(self, folder: Path, objects: ObjectStore | None = None) -> None:
        self.folder = folder
        self.objects = objects or MemoryObjects()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.key_file = folder / "key"
        self.key_file.write_text(KEY.text())

    def process(
        self, objects: ObjectStore | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Store]:
        """The store as a fresh process opens it, through `objects` if given.

        What it writes behind commits it writes when it is closed, and no sooner.
        """
        chosen: dict[str, Any] = {
            "key_file": self.key_file,
            "clock": lambda: self.now,
            "patience": Patience(5, 0.05),
            "actor": Actor("tester"),
            "pages": "off",
            "pace": Pace(sleep=only_at_the_end),
        }
        return Store.open(objects or self.objects, **{**chosen, **options})

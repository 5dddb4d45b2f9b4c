"""The newest version of each workspace that this user has seen, remembered outside the store.

So that a store that was rolled back is noticed. A memory, not a truth: it may lag behind by a few
seconds, and losing it loses only that protection.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from itertools import islice
from pathlib import Path

__all__ = ["SeenHeads"]

_FLUSH_SECONDS = 5.0
_REMEMBERED = 10_000


class SeenHeads:
    """One small file a workspace below `folder`; None remembers for this process only, and all.

    With a folder only about `remembered` workspaces are in memory too.
    """

    def __init__(self, folder: Path | None, *, remembered: int = _REMEMBERED) -> None:
        self._folder = folder
        self._remembered = remembered
        self._seen: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._flushed_at = time.monotonic()
        self._flushing: asyncio.Task[None] | None = None

    async def version(self, name: str) -> int:
        """The newest version of the workspace that was seen, 0 when none was."""
        if name not in self._seen:
            seen = await asyncio.to_thread(self._read, name)
            self._seen[name] = max(seen, self._seen.get(name, 0))
        return self._seen[name]

    def note(self, name: str, version: int) -> None:
        """Remember a version that is durable. Returns at once; files follow within seconds."""
        if version <= self._seen.get(name, 0):
            return
        self._seen[name] = version
        if self._folder is not None:
            self._unsaved.add(name)
        due = time.monotonic() - self._flushed_at > _FLUSH_SECONDS
        if due and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Write what is not written yet; what cannot be is kept, and tried again the next time."""
        saving = {name: self._seen[name] for name in self._unsaved}
        self._flushed_at = time.monotonic()
        if saving and self._folder is not None and await asyncio.to_thread(self._write, saving):
            self._unsaved -= {one for one in saving if self._seen.get(one) == saving[one]}
            self._forget_oldest()

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        await self.flush()

    def path(self, name: str) -> Path | None:
        """The file of one workspace; its name does not tell that of the workspace."""
        if self._folder is None:
            return None
        return self._folder / hashlib.sha256(name.encode()).hexdigest()[:32]

    def _forget_oldest(self) -> None:
        """Their files have them."""
        for name in list(islice(self._seen, max(0, len(self._seen) - self._remembered))):
            if name not in self._unsaved:
                del self._seen[name]

    def _read(self, name: str) -> int:
        path = self.path(name)
        try:
            return 0 if path is None else int(path.read_text())
        except (OSError, ValueError):
            return 0

    def _write(self, versions: dict[str, int]) -> bool:
        """Whether all are written. A failure is no failure of the commit that it follows, and
        leaves the older memory."""
        with contextlib.suppress(OSError):
            for name, version in versions.items():
                path = self.path(name)
                if path is None or version <= self._read(name):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                fresh = path.with_suffix(f".{os.getpid()}-{id(self):x}")
                fresh.write_text(str(version))
                fresh.replace(path)
            return True
        return False

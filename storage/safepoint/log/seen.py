"""The newest version of each workspace that this user has seen, remembered outside the store.

So that a store that was rolled back is noticed. A memory, not a truth: it may lag behind by a few
seconds, and losing it loses only that protection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

__all__ = ["SeenHeads"]

_FLUSH_SECONDS = 5.0


class SeenHeads:
    """One small file a workspace below `folder`; None remembers for this process only."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: dict[bytes, int] = {}
        self._unsaved: set[bytes] = set()
        self._flushed_at = time.monotonic()
        self._flushing: asyncio.Task[None] | None = None

    async def version(self, workspace_id: bytes) -> int:
        """The newest version seen, 0 when none was."""
        if workspace_id not in self._seen:
            seen = await asyncio.to_thread(self._read, workspace_id)
            self._seen[workspace_id] = max(seen, self._seen.get(workspace_id, 0))
        return self._seen[workspace_id]

    def note(self, workspace_id: bytes, version: int) -> None:
        """Remember a version that is durable. Returns at once; files follow within seconds."""
        if version <= self._seen.get(workspace_id, 0):
            return
        self._seen[workspace_id] = version
        self._unsaved.add(workspace_id)
        due = time.monotonic() - self._flushed_at > _FLUSH_SECONDS
        if due and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Write what is not written yet."""
        unsaved, self._unsaved = self._unsaved, set()
        self._flushed_at = time.monotonic()
        if unsaved and self._folder is not None:
            await asyncio.to_thread(self._write, {one: self._seen[one] for one in unsaved})

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        await self.flush()

    def _read(self, workspace_id: bytes) -> int:
        try:
            return int((self._path(workspace_id)).read_text()) if self._folder else 0
        except (OSError, ValueError):
            return 0

    def _write(self, versions: dict[bytes, int]) -> None:
        """A failure is no failure of the commit that it follows, and leaves the older memory."""
        with contextlib.suppress(OSError):
            for workspace_id, version in versions.items():
                if version <= self._read(workspace_id):
                    continue
                path = self._path(workspace_id)
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                fresh = path.with_suffix(f".{os.getpid()}")
                fresh.write_text(str(version))
                fresh.replace(path)

    def _path(self, workspace_id: bytes) -> Path:
        assert self._folder is not None  # noqa: S101 - callers check
        return self._folder / workspace_id.hex()

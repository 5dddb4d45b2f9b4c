"""Whether the server lives, and whether it could take a save right now."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

from safepoint import SafepointError
from safepoint.objects.base import ObjectStore
from safepoint.objects.probe import PROBE_FOLDER

__all__ = ["Readiness"]

_FRESH_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 5.0
_KEY: Final = PROBE_FOLDER + "ready-" + secrets.token_hex(8)
"""One object for each process, replaced at every look and removed at the end."""


class Readiness:
    """Puts and gets one object. What was found holds for some seconds: whoever may ask cannot make
    the store busy."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._found: str | None = None
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def problem(self) -> str | None:
        """The code of what is in the way of a save, or None."""
        async with self._looking:
            if time.monotonic() >= self._until:
                self._found = await self._look()
                self._until = time.monotonic() + _FRESH_SECONDS
        return self._found

    async def _look(self) -> str | None:
        body = secrets.token_bytes(16)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._objects.put(_KEY, body)
                return None if await self._objects.get(_KEY) == body else "not_what_was_written"
        except TimeoutError:
            return "timeout"
        except SafepointError as error:
            return error.code

    async def close(self) -> None:
        """Take the object away again, as far as that works."""
        if self._until:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._objects.delete(_KEY)
            except (SafepointError, TimeoutError):
                return

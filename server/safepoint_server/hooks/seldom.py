"""How seldom a hook that runs at every tool call records: told by the age of an empty file."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import platformdirs

__all__ = ["EVERY_SECONDS", "default_folder", "is_due"]

EVERY_SECONDS: Final = 60
FORGOTTEN_SECONDS: Final = 24 * 3600


def default_folder() -> Path:
    return Path(platformdirs.user_state_dir("safepoint", appauthor=False)) / "hooks"


def is_due(session: str, folder: Path, now: float | None = None) -> bool:
    """Whether this session is to be recorded, which it then is not again for a minute. Never where
    that cannot be remembered: the end of the turn records it."""
    now = time.time() if now is None else now
    mark = folder / hashlib.sha256(session.encode(errors="surrogatepass")).hexdigest()[:32]
    try:
        if 0 <= now - mark.stat().st_mtime < EVERY_SECONDS:
            return False
    except OSError:  # the first of this session
        _forget_old(folder, now)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)
    except OSError:
        return False
    return True


def _forget_old(folder: Path, now: float) -> None:
    with suppress(OSError):
        for mark in folder.iterdir():
            with suppress(OSError):
                if now - mark.stat().st_mtime > FORGOTTEN_SECONDS:
                    mark.unlink()

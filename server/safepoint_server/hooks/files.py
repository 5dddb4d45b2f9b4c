"""Sizes and digests of changed files, as far as time and size allow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath
from typing import Any, Final

from safepoint_server.hooks.deadline import Deadline
from safepoint_server.hooks.git import Change
from safepoint_server.hooks.regular import open_regular

__all__ = ["described", "edited_below"]

SHARE: Final = 0.65
MAX_FILES: Final = 100
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_BYTES: Final = 32 * 1024 * 1024


def described(
    root: Path, changed: Iterable[Change], edited: Collection[str], deadline: Deadline
) -> list[dict[str, Any]]:
    """At most 100 of `changed`, those that the session edited first: path, status, and of a regular
    file that is not too large bytes and SHA-256."""
    first = sorted(changed, key=lambda change: change.path not in edited)[:MAX_FILES]
    left = MAX_BYTES
    found = []
    for change in first:
        entry: dict[str, Any] = {"path": change.path, "status": change.status}
        if not deadline.passed(SHARE) and change.status != "D" and _inside(change.path):
            size, digest = _digest(root / change.path, min(left, MAX_FILE_BYTES))
            if size is not None:
                entry["bytes"] = size
            if digest is not None:
                entry["sha256"] = digest
                left -= size or 0
        found.append(entry)
    return found


def edited_below(root: Path, folder: Path, edited: Iterable[str]) -> tuple[str, ...]:
    """The paths that a transcript names, those of them that are below `root`, as paths there."""
    found: dict[str, None] = {}
    for path in edited:
        try:
            full = folder / path
            real = Path(os.path.realpath(full.parent), full.name)
            found[real.relative_to(root).as_posix()] = None
        except (OSError, ValueError):
            continue
    return tuple(found)


def _inside(path: str) -> bool:
    parts = PurePath(path)
    return not parts.is_absolute() and ".." not in parts.parts


def _digest(path: Path, limit: int) -> tuple[int | None, str | None]:
    """Size and SHA-256; without a digest if it is larger than `limit`, nothing if it is no file."""
    file = open_regular(path)
    if file is None:
        return None, None
    with file:
        size = os.fstat(file.fileno()).st_size
        try:
            data = file.read(limit + 1) if size <= limit else b""
        except OSError:
            return None, None
    if max(size, len(data)) > limit:
        return size, None
    return len(data), hashlib.sha256(data).hexdigest()

"""Keys and folders below a folder, in byte order of the whole key, sorting no more than asked."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence

__all__ = ["PRIVATE", "folders_in", "keys_below"]

PRIVATE = ".tmp"
"""The folder at the root that holds temporary files and the lock; never listed, never a key."""


def keys_below(folder: str, prefix: str, after: str, limit: int) -> list[str]:
    """At most `limit` keys greater than `after` of the files at any depth below `folder`.

    `prefix` is the key of `folder` with `/`, or empty for the root. Symbolic links are not objects
    and are not followed. Raises OSError for a folder that is there and cannot be read.
    """
    names = _entries(folder, at_root=not prefix)
    if after >= prefix:
        names = [name for name in names if _reaches_beyond(prefix + name, after)]
    found: list[str] = []
    for name in _ascending(names, limit):
        if len(found) >= limit:
            break
        if name.endswith("/"):
            below = os.path.join(folder, name[:-1])
            found += keys_below(below, prefix + name, after, limit - len(found))
        else:
            found.append(prefix + name)
    return found


def folders_in(folder: str, after: str, limit: int, *, at_root: bool) -> list[str]:
    """At most `limit` names greater than `after` of the folders in `folder` that hold any file."""
    names = [entry[:-1] for entry in _entries(folder, at_root=at_root) if entry.endswith("/")]
    found: list[str] = []
    for name in _ascending([name for name in names if name > after], limit):
        if len(found) >= limit:
            break
        if keys_below(os.path.join(folder, name), name + "/", "", 1):
            found.append(name)
    return found


def _entries(folder: str, *, at_root: bool) -> list[str]:
    """The names of files, and of folders with `/` behind them so that they sort as keys do."""
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name if entry.is_file(follow_symlinks=False) else entry.name + "/"
                for entry in entries
                if entry.name.isascii() and not entry.is_symlink()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    if at_root and PRIVATE + "/" in names:
        names.remove(PRIVATE + "/")
    return names


def _reaches_beyond(name: str, after: str) -> bool:
    return name > after or (name.endswith("/") and after.startswith(name))


def _ascending(names: Sequence[str], likely: int) -> Iterator[str]:
    """All names in order; cheap when only about the first `likely` of them are taken."""
    if 0 < likely < len(names) // 8:
        first = heapq.nsmallest(likely, names)
        yield from first
        names = [name for name in names if name > first[-1]]
    yield from sorted(names)

"""Plain files, and nothing else that may stand under a name: pipes, devices, links, folders."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

__all__ = ["open_regular", "read_regular"]

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


def open_regular(path: Path, *, links: bool = False) -> IO[bytes] | None:
    """The file, open for reading; None when there is none, or anything else. Never waits.

    With `links` the last part of the path may be a link to it.
    """
    try:
        descriptor = os.open(path, _FLAGS if links else _FLAGS | _NO_LINK)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, limit: int) -> str | None:
    """The text of a file of at most `limit` bytes; None when it is not there or larger."""
    file = open_regular(path)
    if file is None:
        return None
    with file, suppress(OSError):
        data = file.read(limit + 1)
        return data.decode(errors="surrogateescape") if len(data) <= limit else None
    return None

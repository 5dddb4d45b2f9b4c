"""A lock between processes and threads, held on a file and freed when its holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["file_lock"]


@contextmanager
def file_lock(path: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of the file at `path`, made when missing, waiting for it as long as it takes.

    Any number may hold it `shared`, or one alone. On Windows shared holders wait for each other.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        _acquire(fd, shared)
        try:
            yield
        finally:
            _release(fd)
    finally:
        os.close(fd)


if sys.platform == "win32":
    import msvcrt

    def _acquire(fd: int, shared: bool) -> None:
        while True:
            try:
                return msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
            except OSError as error:  # it gives up after ten tries, one second apart
                if error.errno != 36:  # EDEADLOCK as the C runtime numbers it
                    raise

    def _release(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(fd: int, shared: bool) -> None:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def _release(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

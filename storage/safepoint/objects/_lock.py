"""A lock between processes and threads, held on a file and freed when its holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["file_lock", "hold", "is_held"]


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

    def hold(fd: int) -> None:
        """Nothing to do: an open file cannot be removed here."""

    def is_held(path: str) -> bool:
        return False

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

    def hold(fd: int) -> None:
        """Mark the file as in use for as long as it is open, where the file system can."""
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def is_held(path: str) -> bool:
        """Whether somebody holds the file, in this process or another."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # locks are unknown here: age alone decides
            return False
        finally:
            os.close(fd)
        return False

    def _acquire(fd: int, shared: bool) -> None:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def _release(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

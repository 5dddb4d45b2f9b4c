"""Files that references name: their sizes and digests, read in threads of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import BinaryIO

from safepoint.errors import InvalidInput, LimitExceeded, SafepointError, Unavailable
from safepoint.filing.places import open_plain
from safepoint.model import Reference

__all__ = ["FileLook", "OpenFile"]

OpenFile = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens an ordinary file without waiting: a pipe or a device is refused. Raises SafepointError."""

_MAX_BYTES = 1024 * 1024 * 1024
_CHUNK = 1024 * 1024
_THREADS = 2  # apart from those that serve stores: a file system that hangs stops nothing else


def _open_anywhere(location: str) -> AbstractContextManager[BinaryIO]:
    try:
        path = Path(location).expanduser()
        return closing(open_plain(path))
    except SafepointError:
        raise
    except (ValueError, RuntimeError):  # a NUL, or the home of nobody
        raise InvalidInput("it is not the path of a file", code="bad_reference") from None


class FileLook:
    """See ReferenceChecker. Without `open_file`, any file that this process may read.

    Of a file with more than `max_bytes` only the size is looked at.
    """

    def __init__(
        self, open_file: OpenFile = _open_anywhere, *, max_bytes: int = _MAX_BYTES
    ) -> None:
        self._open = open_file
        self._max_bytes = max_bytes
        self._threads: ThreadPoolExecutor | None = None

    async def look(self, reference: Reference) -> Reference:
        """See ReferenceChecker.look."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="safepoint-look")
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._look, reference, stop
            )
        finally:
            stop.set()

    def close(self) -> None:
        """Let the threads go; what hangs is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self, reference: Reference, stop: threading.Event) -> Reference:
        location = reference.location
        with self._open(location) as file:
            size = os.fstat(file.fileno()).st_size
            if reference.size is not None and reference.size != size:
                return Reference(location, size=size)
            if size > self._max_bytes:
                raise LimitExceeded(
                    f"it has {size:,} bytes; only files of up to {self._max_bytes:,} are read",
                    code="too_large_to_check",
                )
            digest, read = hashlib.sha256(), 0
            try:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    read += len(chunk)
                    if stop.is_set() or read > self._max_bytes:
                        raise Unavailable("reading it was given up")
            except OSError as error:
                raise Unavailable(f"it cannot be read: {error.strerror or error}") from None
        return Reference(location, digest.hexdigest(), read)

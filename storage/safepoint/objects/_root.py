"""The folder that a local store is: found or made once, checked to be still the same, never left.

Owns the way from keys to paths, the making and syncing of folders, temporary files and the lock.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from safepoint.errors import InvalidInput, Unavailable
from safepoint.objects._durable import OsCalls, sync_folder, write_all
from safepoint.objects._keys import check_key
from safepoint.objects._listing import PRIVATE
from safepoint.objects._lock import file_lock, hold, is_held

__all__ = ["Root"]

T = TypeVar("T")

_LEFTOVER_AGE = timedelta(days=1)
_LOCK = "lock"
_REMEMBERED_FOLDERS = 10_000
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


class Root:
    """All methods block. Those that touch the disk raise OSError, or Unavailable once opened."""

    def __init__(self, path: Path, *, create: bool, os_calls: OsCalls) -> None:
        self._given = path.expanduser().absolute()
        self._create = create
        self._os = os_calls
        self._opening = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._one_sync: bool | None = None
        self._inside: set[str] = set()  # folders known to be reached without symbolic links
        self._anchored: set[str] = set()  # folders whose own names this process made durable
        self.path = str(self._given)
        self.url = self._given.as_uri()

    def open(self) -> None:
        """Find the folder, or make it, the first time; remember which it is."""
        if self._identity is not None:
            return
        with self._opening:
            if self._identity is not None:
                return
            if self._create:
                self._make_missing(str(self._given))
            self.path = os.path.realpath(self._given)
            if not os.path.isdir(self.path):
                raise Unavailable(
                    f"there is no folder at {self.url}",
                    hint="Check the path, and that the disk it lies on is mounted.",
                    code="store_missing",
                )
            with suppress(OSError):
                self.remove_leftovers(_LEFTOVER_AGE)
            about = os.stat(self.path)
            self._identity = (about.st_dev, about.st_ino)

    def require(self) -> None:
        """Raise Unavailable unless the folder is still the one that was opened.

        To be asked before anything is called "not there": an unmounted disk leaves an empty folder.
        """
        with suppress(FileNotFoundError, NotADirectoryError):
            about = os.stat(self.path)
            if (about.st_dev, about.st_ino) == self._identity:
                return
        raise Unavailable(
            f"the folder {self.url} is gone or another one has taken its place",
            hint="Check that the disk it lies on is mounted, then start again.",
            code="store_missing",
        )

    def path_of(self, key: str) -> str:
        """The file of a key. The way there from the root holds no symbolic link."""
        check_key(key)
        if key.partition("/")[0] == PRIVATE:
            raise InvalidInput(f"keys below {PRIVATE}/ are the store's own")
        path = os.path.join(self.path, key.replace("/", os.sep))
        self.check_inside(os.path.dirname(path))
        return path

    def check_inside(self, folder: str) -> None:
        """Raise Unavailable for a folder that is reached through a symbolic link."""
        if folder in self._inside:
            return
        if os.path.realpath(folder) != folder:
            raise Unavailable(
                f"{folder} leaves the store at {self.url} through a symbolic link",
                hint="Remove the link: a store is one folder, and only its root may be a link.",
                code="leaves_store",
            )
        if os.path.isdir(folder):
            _remember(self._inside, folder)

    def on_same_device(self, fd: int) -> bool:
        return self._identity is not None and os.fstat(fd).st_dev == self._identity[0]

    def one_sync(self) -> bool:
        """Whether one fsync of a linked file is enough here. Found out once, at the first write.

        No, and asked again the next time, where nothing can be written: there it is about reading.
        """
        if self._one_sync is None:
            with self._opening:
                if self._one_sync is None:
                    try:
                        self._one_sync = self._os.one_sync_is_sound(self._private())
                    except OSError as error:
                        if error.errno not in _NOT_WRITABLE:
                            raise
                        return False
        return self._one_sync

    def is_own_disk(self) -> bool:
        """Whether the folder is known to lie on a disk of this machine: one fsync was enough."""
        return self._one_sync is True

    def give_up_one_sync(self) -> None:
        self._one_sync = False

    def in_folder(self, folder: str, act: Callable[[], T]) -> T:
        """Do what needs `folder`, and make that when it is missing. Never makes the root itself."""
        try:
            return act()
        except FileNotFoundError:
            self.require()
            made = self.path
            for name in os.path.relpath(folder, self.path).split(os.sep):
                made = os.path.join(made, name)
                with suppress(FileExistsError):
                    os.mkdir(made, 0o700)
            return act()

    def sync_names(self, folder: str) -> None:
        """Make the names in `folder` durable, and the first time its own, up to the root."""
        sync_folder(folder, self._os.fsync)
        if folder in self._anchored:
            return
        above = folder
        while above != self.path:
            above = os.path.dirname(above)
            sync_folder(above, self._os.fsync)
        _remember(self._anchored, folder)

    def new_temporary(self) -> tuple[str, int]:
        """A new file that is never listed, open for writing, and in use until it is closed.

        It is on the root's file system, so that it can be renamed or linked into place.
        """
        path = os.path.join(self._private(), f"{os.getpid()}-{secrets.token_hex(8)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o600)
        hold(fd)
        return path, fd

    @contextmanager
    def temporary(self, data: bytes) -> Iterator[str]:
        """The path of a synced file with these bytes, as `new_temporary`; gone in the end."""
        path, fd = self.new_temporary()
        try:
            try:
                write_all(fd, data)
                self._os.fsync(fd)
            finally:
                os.close(fd)
            yield path
        finally:
            with suppress(OSError):
                os.unlink(path)

    def remove_leftovers(self, older_than: timedelta) -> int:
        """Remove temporary files of dead processes that were last written so long ago; how many.

        One that is open stays, however old. Where files cannot be locked age alone decides.
        """
        oldest = time.time() - older_than.total_seconds()
        private = os.path.join(self.path, PRIVATE)
        removed = 0
        if os.path.islink(private):
            return removed
        with suppress(FileNotFoundError), os.scandir(private) as entries:
            for entry in entries:
                with suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if entry.name == _LOCK or about.st_mtime >= oldest:
                        continue
                    if entry.is_symlink() or not is_held(entry.path):
                        os.unlink(entry.path)
                        removed += 1
        return removed

    @contextmanager
    def lock(self, *, shared: bool = False) -> Iterator[None]:
        """Between all processes that use this store: `shared` to change names, or to judge one."""
        with file_lock(os.path.join(self._private(), _LOCK), shared=shared):
            yield

    def _private(self) -> str:
        private = os.path.join(self.path, PRIVATE)
        if not os.path.isdir(private):
            self.require()
            with suppress(FileExistsError):
                os.mkdir(private, 0o700)
        self.check_inside(private)
        return private

    def _make_missing(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        above = os.path.dirname(folder)
        self._make_missing(above)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        sync_folder(above, self._os.fsync)


def _remember(folders: set[str], folder: str) -> None:
    if len(folders) >= _REMEMBERED_FOLDERS:
        folders.clear()
    folders.add(folder)

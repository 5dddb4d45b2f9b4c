"""Objects as files: the blocking half of LocalObjects, one call for each operation.

How a put becomes durable:
  new, one sync    O_TMPFILE in the target folder, write, link (fails if taken), fsync of the file
  new, elsewhere   temporary file, write, fsync, link (fails if taken), fsync of the folder
  replacing        temporary file, write, fsync, rename, fsync of the folder
With one sync the name is there before the bytes are safe, so whoever builds on an object that
this process did not sync itself syncs it first; and only there can a power loss leave a stump.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from safepoint.errors import InvalidInput, Unavailable
from safepoint.objects import _failures as failures
from safepoint.objects._durable import OsCalls, write_all
from safepoint.objects._keys import check_prefix
from safepoint.objects._listing import PRIVATE, folders_in, keys_below
from safepoint.objects._root import Root
from safepoint.objects.base import MAX_OBJECT_BYTES

__all__ = ["Files"]

_READ = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_SYNCABLE = _READ | (os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}
_REMEMBERED = 4096

_Identity = tuple[int, int, int]


class Files:
    """See ObjectStore. May be called from many threads at once, in many processes."""

    def __init__(self, root: Root, os_calls: OsCalls) -> None:
        self._root = root
        self._os = os_calls
        self._synced: OrderedDict[str, _Identity] = OrderedDict()  # by this process, newest last
        self._unsafe: set[str] = set()  # keys whose fsync failed: never trusted again, nor retried

    def get(self, key: str) -> bytes | None:
        with self.failing_as("read", key):
            return self._read(self._trusted(key))

    def open(self, key: str) -> io.BufferedReader | None:
        """The object's bytes, which stay the same whatever is put under its key; None for none."""
        with self.failing_as("read", key):
            file = self._open(self._trusted(key))
            return None if file is None else io.BufferedReader(file)

    def put(self, key: str, data: bytes, *, if_absent: bool, after: str | None) -> bool:
        with self.failing_as("store", key):
            self._root.open()
            path = self._root.path_of(key)
            if after is not None:
                self.make_durable(after)
            if not if_absent:
                return self._replace(key, path, data)
            if key in self._unsafe:  # it may hold these very bytes: "not stored" would be a lie
                raise failures.not_synced(key, self._root.url)
            if self._root.one_sync():
                stored = self._link_unnamed(key, path, data)
                if stored is not None:
                    return stored
            return self._link_temporary(key, path, data)

    def adopt(self, key: str, temporary: str) -> None:
        """Give a synced temporary file the name of `key`, as replacing does."""
        with self.failing_as("store", key):
            self._rename(key, self._root.path_of(key), temporary)

    def make_durable(self, key: str) -> None:
        """Sync the object unless this process did so already."""
        with self.failing_as("sync", key):
            self._root.open()
            path = self._root.path_of(key)
            if key in self._unsafe:
                raise self._refusal(key)
            if self._synced.get(key) == _identity(os.stat(path, follow_symlinks=False)):
                return
            fd = os.open(path, _SYNCABLE)
            try:
                self._os.fsync(fd)
                if not self._root.one_sync():
                    self._root.sync_names(os.path.dirname(path))
                self._remember(key, fd)
            except OSError as error:
                self._unsafe.add(key)
                raise self._refusal(key) from error
            finally:
                os.close(fd)

    def list(self, prefix: str, *, after: str, limit: int, folders: bool) -> list[str]:
        check_prefix(prefix)
        if prefix.partition("/")[0] == PRIVATE:
            raise InvalidInput(f"keys below {PRIVATE}/ are the store's own")
        with self.failing_as("list", prefix):
            self._root.open()
            folder = os.path.join(self._root.path, *prefix.split("/")[:-1])
            self._root.check_inside(folder)
            if folders:
                found = folders_in(folder, after, limit, at_root=not prefix)
            else:
                found = keys_below(folder, prefix, after, limit)
            self._root.require()
            return found

    def delete(self, key: str) -> None:
        with self.failing_as("delete", key):
            self._root.open()
            path = self._root.path_of(key)
            try:
                with self._root.lock(shared=True):
                    os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                self._root.require()
                if not os.path.isdir(os.path.dirname(path)):
                    return
            except OSError as error:
                raise failures.not_named("delete", key, self._root.url, error) from error
            self._forget(key)
            self._sync_names(key, path)

    def age(self, key: str) -> timedelta | None:
        with self.failing_as("read", key):
            file = self._open(self._trusted(key))
            if file is None:
                return None
            with file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
            return timedelta(seconds=max(age, 0))

    def sweep(self, older_than: timedelta) -> int:
        with self.failing_as("sweep", ""):
            self._root.open()
            return self._root.remove_leftovers(older_than)

    def set_aside(self, key: str, expected: bytes) -> str | None:
        with self.failing_as("set aside", key), self._alone():
            path = self._root.path_of(key)
            if self._read(path) != expected:
                return None
            number, moved = 1, f"damaged/000001/{key}"
            while os.path.lexists(target := self._root.path_of(moved)):
                number += 1
                moved = f"damaged/{number:06d}/{key}"
            try:
                self._root.in_folder(os.path.dirname(target), lambda: os.rename(path, target))
            except OSError as error:
                raise failures.not_named("set aside", key, self._root.url, error) from error
            self._forget(key)
            self._sync_names(moved, target)
            self._sync_names(key, path)
            return moved

    def _link_unnamed(self, key: str, path: str, data: bytes) -> bool | None:
        """See the top. None, and nothing done, when the folder's file system refuses O_TMPFILE."""
        folder = os.path.dirname(path)
        try:
            fd = self._root.in_folder(folder, lambda: _open_unnamed(folder))
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
            self._root.give_up_one_sync()
            return None
        try:
            if not self._root.on_same_device(fd):
                return None
            write_all(fd, data)
            try:  # only with a dir_fd does Python follow the link to the open file
                os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)
            except FileExistsError:
                return self._taken(key, path)
            except OSError as error:
                raise failures.not_named("store", key, self._root.url, error) from error
            try:
                self._os.fsync(fd)
                self._remember(key, fd)
            except OSError as error:
                self._unsafe.add(key)
                raise failures.not_synced(key, self._root.url, error) from error
            return True
        finally:
            with suppress(OSError):  # what was synced is safe, what was not linked is gone
                os.close(fd)

    def _link_temporary(self, key: str, path: str, data: bytes) -> bool:
        if os.path.lexists(path):  # spares the writing; the link decides
            return self._taken(key, path)
        folder = os.path.dirname(path)
        with self._root.temporary(data) as temporary:
            identity = _identity(os.stat(temporary))
            try:
                self._root.in_folder(folder, lambda: self._os.link(temporary, path))
            except FileExistsError:
                return self._taken(key, path)
            except OSError as error:
                if error.errno in failures.NO_HARD_LINKS:
                    raise failures.no_hard_links(self._root.url, error) from error
                raise failures.not_named("store", key, self._root.url, error) from error
        self._sync_names(key, path)
        self._remember_as(key, identity)
        return True

    def _replace(self, key: str, path: str, data: bytes) -> bool:
        with self._root.temporary(data) as temporary:
            self._rename(key, path, temporary)
        return True

    def _rename(self, key: str, path: str, temporary: str) -> None:
        folder = os.path.dirname(path)
        identity = _identity(os.stat(temporary))
        try:
            with self._root.lock(shared=True):
                self._root.in_folder(folder, lambda: os.replace(temporary, path))
        except OSError as error:
            raise failures.not_named("store", key, self._root.url, error) from error
        self._forget(key)
        self._sync_names(key, path)
        self._remember_as(key, identity)

    def _taken(self, key: str, path: str) -> bool:
        """The answer to "name taken": False, unless it is no object that took it."""
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, "a folder has this name", path)
        return False

    def _read(self, path: str) -> bytes | None:
        file = self._open(path)
        if file is None:
            return None
        with file:
            if os.fstat(file.fileno()).st_size > MAX_OBJECT_BYTES:
                raise failures.too_large(os.path.relpath(path, self._root.path))
            return file.readall()

    def _open(self, path: str) -> io.FileIO | None:
        try:
            return io.FileIO(path, opener=_open_file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._root.require()
            return None

    def _sync_names(self, key: str, path: str) -> None:
        try:
            self._root.sync_names(os.path.dirname(path))
        except OSError as error:
            self._unsafe.add(key)
            raise failures.not_synced(key, self._root.url, error) from error

    def _trusted(self, key: str) -> str:
        """The path of the object. Unavailable if its bytes may be in memory only."""
        self._root.open()
        path = self._root.path_of(key)
        if key in self._unsafe:
            raise self._refusal(key)
        return path

    def _refusal(self, key: str) -> Unavailable:
        cause = failures.not_synced(key, self._root.url)
        return Unavailable(cause.message, hint=cause.hint, code=cause.code)

    def _remember(self, key: str, fd: int) -> None:
        self._remember_as(key, _identity(os.fstat(fd)))

    def _remember_as(self, key: str, identity: _Identity) -> None:
        self._synced[key] = identity
        while len(self._synced) > _REMEMBERED:
            try:
                self._synced.popitem(last=False)
            except KeyError:  # another thread emptied it
                return

    def _forget(self, key: str) -> None:
        self._synced.pop(key, None)
        self._unsafe.discard(key)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._root.open()
        with self._root.lock():
            yield

    @contextmanager
    def failing_as(self, doing: str, key: str) -> Iterator[None]:
        """Errors of this library pass; any other OSError happened before anything was changed."""
        try:
            yield
        except Unavailable:
            raise
        except OSError as error:
            raise failures.unavailable(doing, key, self._root.url, error) from error


def _open_file(path: str, flags: int) -> int:
    """Open without waiting: a named pipe would never answer, a device never end."""
    fd = os.open(path, flags | _READ)
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "this is no ordinary file", path)


def _open_unnamed(folder: str) -> int:
    if sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, "O_TMPFILE is Linux's own")
    return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)


def _identity(about: os.stat_result) -> _Identity:
    """Tells a file from another that took its name later. Stays the same when links come and go."""
    return (about.st_ino, about.st_mtime_ns, about.st_size)

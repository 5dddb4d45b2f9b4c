"""Files below a folder of this machine, and never outside it.

Every part of a way is opened by itself, from the folder above it and without following links, so
that nobody can lead elsewhere by swapping one in meanwhile. Windows cannot do that: there links are
looked for before. Blocking: to be called in threads.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Unavailable
from safepoint.values import dataclass

__all__ = ["FileBelow", "Folder", "Found", "NewFile", "digest_of", "exists", "open_plain"]

_BY_FD: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
_SAFE: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_READ: Final = os.O_RDONLY | _SAFE | getattr(os, "O_NONBLOCK", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
_CHUNK: Final = 1024 * 1024
_LINKED: Final = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class Found:
    """The plain files of a folder and all below it, and what else is there, with the reason why it
    is none. Names are relative, with `/`."""

    files: tuple[tuple[str, int, bool], ...]
    """Name, size in bytes, and whether its owner may execute it."""
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FileBelow:
    """A file in a folder: there already, or to be written."""

    folder: Folder
    name: str

    def open(self) -> BinaryIO:
        return self.folder.read(self.name)


class Folder:
    """A folder that is held open, whatever becomes of its name. To be closed."""

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: Path | str, *, create: bool = False) -> Folder:
        """The folder at `path`, which may itself be a link: whoever names it chose it.

        Raises:
            NotFound, InvalidInput, Unavailable: it is not there, no folder, or not to be opened.
        """
        real = os.path.realpath(path)
        with _failing(str(path)):
            if create:
                os.makedirs(real, exist_ok=True)
            if not _BY_FD:
                if not os.path.isdir(real):
                    os.scandir(real).close()  # raises
                return cls(real, None)
            return cls(real, os.open(real, os.O_RDONLY | os.O_DIRECTORY | _SAFE))

    def close(self) -> None:
        """Release it; more than once does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def below(self, name: str, *, create: bool = False) -> Folder:
        """A folder in it, held open by itself. Raises as `open`."""
        with _failing(name), self._walk(name.split("/") if name else [], create=create) as there:
            path = os.path.join(self.path, *name.split("/"))
            return Folder(path, None if isinstance(there, str) else os.dup(there))

    def kind(self, name: str) -> str | None:
        """`file`, `folder`, `other` for links and the like; None when nothing is there."""
        try:
            with _failing(name), self._at(name) as (entry, at):
                mode = os.stat(entry, follow_symlinks=False, **at).st_mode
        except NotFound:
            return None
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"

    def read(self, name: str) -> BinaryIO:
        """A plain file, open for reading.

        Raises:
            NotFound: `file_not_found`.
            InvalidInput: it is no plain file, or reached through a link.
            Unavailable: it cannot be read.
        """
        with _failing(name), self._at(name) as (entry, at):
            fd = os.open(entry, _READ, **at)
        return _plain(fd, name)

    def holds(self, name: str, *, size: int, sha256: str, executable: bool) -> bool | None:
        """Whether the file there is this one; None when nothing is there."""
        if self.kind(name) is None:
            return None
        with self.read(name) as file:
            about = os.fstat(file.fileno())
            if about.st_size != size or (_BY_FD and _is_executable(about) != executable):
                return False
            return digest_of(file) == sha256

    def new(self, name: str) -> NewFile:
        """A file that will be there when it is finished; folders above it are made."""
        return NewFile(self, name)

    def scan(self, most: int) -> Found:
        """All plain files below it, by name. Raises LimitExceeded for more than `most`."""
        files: list[tuple[str, int, bool]] = []
        skipped: list[tuple[str, str]] = []
        todo = [""]
        while todo:
            above = todo.pop()
            parts = above.split("/") if above else []
            with (
                _failing(above or self.path),
                self._walk(parts) as there,
                os.scandir(there) as entries,
            ):
                for entry in entries:
                    name = f"{above}/{entry.name}" if above else entry.name
                    if entry.is_symlink():
                        skipped.append((name, "a symbolic link"))
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append(name)
                    elif entry.is_file(follow_symlinks=False):
                        about = entry.stat(follow_symlinks=False)
                        files.append((name, about.st_size, _is_executable(about)))
                    else:
                        skipped.append((name, "no plain file"))
            if len(files) > most:
                raise LimitExceeded(
                    f"the folder holds more than {most:,} files, the limit",
                    hint="Pack it into an archive, or name a smaller folder.",
                )
        return Found(tuple(sorted(files)), tuple(sorted(skipped)))

    @contextmanager
    def _at(self, name: str, *, create: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """What `os` functions take for this name: the path, and the folder that it starts from."""
        *above, last = name.split("/")
        with self._walk(above, create=create) as there:
            if isinstance(there, str):
                yield os.path.join(there, last), {}
            else:
                yield last, {"dir_fd": there}

    @contextmanager
    def _walk(self, parts: list[str], *, create: bool = False) -> Iterator[int | str]:
        """The folder that these lead to, from this one."""
        if self._fd is None:
            yield _walk_names(self.path, parts, create=create)
            return
        fd = os.dup(self._fd)
        try:
            for part in parts:
                if part in ("", ".", ".."):
                    raise _bad_way(part)
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o777, dir_fd=fd)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _SAFE, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)


class NewFile:
    """A file on its way, beside its place under a name of its own until it is finished."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        above, slash, last = name.rpartition("/")
        if last in ("", ".", ".."):
            raise _bad_way(last)
        self._beside = f"{above}{slash}.{secrets.token_hex(8)}.part"
        with _failing(name, writing=True), folder._at(self._beside, create=True) as (entry, at):
            fd = os.open(entry, _NEW, 0o666, **at)
        self._file: BinaryIO = os.fdopen(fd, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        with _failing(self._name, writing=True):
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    def finish(self, *, executable: bool = False, replace: bool = False) -> None:
        """Let it appear. Raises Conflict (`file_exists`) when something is there, unless it is a
        plain file and `replace` is set."""
        with _failing(self._name, writing=True):
            if executable and hasattr(os, "fchmod"):
                mode = os.fstat(self._file.fileno()).st_mode & 0o777
                os.fchmod(self._file.fileno(), mode | (mode & 0o444) >> 2)
            self._file.close()
            with (
                self._folder._at(self._beside) as (beside, at),
                self._folder._at(self._name) as (entry, to),
            ):
                self._appear(beside, at, entry, to, replace=replace)

    def discard(self) -> None:
        """Leave nothing; after `finish` it does nothing."""
        self._file.close()
        with suppress(OSError), self._folder._at(self._beside) as (entry, at):
            os.unlink(entry, **at)

    def _appear(
        self, beside: str, at: dict[str, Any], entry: str, to: dict[str, Any], *, replace: bool
    ) -> None:
        ends = {f"{end}_dir_fd": way["dir_fd"] for end, way in (("src", at), ("dst", to)) if way}
        if replace and self._folder.kind(self._name) in (None, "file"):
            os.replace(beside, entry, **ends)
            return
        try:
            os.link(beside, entry, **ends)
        except FileExistsError:
            raise exists(self._name) from None
        except OSError as error:  # a file system without hard links
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            if self._folder.kind(self._name) is not None:
                raise exists(self._name) from None
            os.replace(beside, entry, **ends)
        else:
            os.unlink(beside, **at)


def open_plain(path: Path) -> BinaryIO:
    """The file at `path`, which may be a link. Raises as `Folder.read`."""
    with _failing(str(path)):
        fd = os.open(path, _READ & ~getattr(os, "O_NOFOLLOW", 0))
    return _plain(fd, str(path))


def digest_of(file: BinaryIO) -> str:
    """The SHA-256 of the rest of an open file, in hex."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def exists(name: str) -> Conflict:
    """The error for a place that is taken."""
    return Conflict(
        f"{name} is there already, with other contents; it was not replaced",
        hint="Name another place, or move what is there out of the way.",
        code="file_exists",
    )


def _walk_names(path: str, parts: list[str], *, create: bool) -> str:
    for part in parts:
        if part in ("", ".", "..") or "\\" in part or ":" in part:
            raise _bad_way(part)
        path = os.path.join(path, part)
        if create:
            with suppress(FileExistsError):
                os.mkdir(path)
        about = os.lstat(path)
        if not stat.S_ISDIR(about.st_mode) or getattr(about, "st_reparse_tag", False):
            raise OSError(errno.ENOTDIR, "this is no folder, or a link", path)
    return path


def _plain(fd: int, name: str) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInput(
            f"{name} is no plain file", hint="Name a file or a folder.", code="not_a_file"
        )
    return os.fdopen(fd, "rb", buffering=_CHUNK)


def _is_executable(about: os.stat_result) -> bool:
    return _BY_FD and bool(about.st_mode & stat.S_IXUSR)


def _bad_way(part: str) -> InvalidInput:
    return InvalidInput(
        f"a path inside a folder cannot have {part!r} in it",
        hint="Give a plain relative path.",
        code="bad_path",
    )


@contextmanager
def _failing(name: str, *, writing: bool = False) -> Iterator[None]:
    """Errors of this library pass; those of the operating system say what is wrong with `name`."""
    try:
        yield
    except (Unavailable, NotFound, Conflict, InvalidInput):
        raise
    except FileNotFoundError:
        raise NotFound(
            f"there is no file {name}", hint="Check the path.", code="file_not_found"
        ) from None
    except OSError as error:
        if error.errno in _LINKED:
            raise InvalidInput(
                f"{name} leads through a symbolic link, or through a file",
                hint="Give the real path: links are not followed.",
                code="bad_path",
            ) from None
        doing = "written" if writing else "read"
        raise Unavailable(
            f"{name} cannot be {doing}: {error.strerror}",
            hint="Check permissions and free space.",
            code="file_unwritable" if writing else "file_unreadable",
        ) from None

"""Configuration files of other programs: read whole, replaced whole or not at all, and kept."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safepoint_server.setup.errors import ChangedMeanwhile, NotEditable

__all__ = ["ConfigFile"]

_MAX_BYTES: Final = 64 << 20
_BINARY: Final = getattr(os, "O_BINARY", 0)
_AGAIN: Final = "Run `safepoint setup` again."
_BACKUP: Final = ".safepoint-{}.bak"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file as it was read; `data` is None when there was none.

    `real` is where links lead: that file is replaced, and the links stay. `private` says whether a
    new one is readable by its owner alone.
    """

    path: Path
    real: Path
    data: bytes | None
    private: bool

    @classmethod
    def read(cls, path: Path, *, inside: Path | None = None) -> ConfigFile:
        """Raises NotEditable for what is no plain file of a sane size, cannot be read, or leads
        out of the folder `inside`."""
        try:
            real = path.resolve()
            if inside is not None and not real.is_relative_to(inside.resolve()):
                raise NotEditable(
                    f"it leads to {real}, which is outside of the project",
                    "Replace the link by a file, if you trust this project.",
                )
            return cls(path, real, _read(real), private=inside is None)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before 3.13
            raise NotEditable(f"it cannot be read: {_reason(error)}") from None

    @property
    def text(self) -> str:
        """Raises NotEditable when it is not UTF-8."""
        try:
            return (self.data or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotEditable(f"it is not UTF-8 text: byte {error.start} is wrong") from None

    @property
    def backups(self) -> list[Path]:
        """Those beside it, the newest last."""
        number, found = 1, []
        while (path := self._backup(number)).exists():
            found.append(path)
            number += 1
        return found

    def replace(self, data: bytes | None) -> Path | None:
        """Let it hold `data`, or take it away (None). All or nothing; the mode stays; the backup,
        if there was something to keep, is returned.

        Raises:
            ChangedMeanwhile: it is no longer what was read. Nothing was written.
            NotEditable: it cannot be written. It is as it was.
        """
        try:
            self._check()
            if data is None:
                self.real.unlink(missing_ok=True)
                return None
            self.real.parent.mkdir(parents=True, exist_ok=True)
            if self.data is None:
                self._put(data)
                return None
            kept = self._backup(len(self.backups) + 1)
            descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            with _gone_on_failure(kept):
                self._write(descriptor, kept, self.data)
                self._put(data)
            return kept
        except FileExistsError:
            raise ChangedMeanwhile("another setup is at work here", _AGAIN) from None
        except OSError as error:
            raise NotEditable(f"it cannot be written: {_reason(error)}") from None

    def _check(self) -> None:
        if _read(self.real) != self.data:
            raise ChangedMeanwhile("it was changed by somebody else just now", _AGAIN)

    def _put(self, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{self.real.name}.", dir=self.real.parent)
        new = Path(name)
        with _gone_on_failure(new):
            self._write(descriptor, new, data)
            self._check()
            os.replace(new, self.real)
        _sync_folder(self.real.parent)

    def _write(self, descriptor: int, path: Path, data: bytes) -> None:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._take_over_rights(path)

    def _backup(self, number: int) -> Path:
        return self.real.with_name(self.real.name + _BACKUP.format(number))

    def _take_over_rights(self, path: Path) -> None:
        """Mode and owner of the file that is replaced; else what a new one should have."""
        if self.data is None:
            path.chmod(0o600 if self.private else 0o666 & ~_umask())
            return
        old = self.real.stat()
        path.chmod(stat.S_IMODE(old.st_mode))
        if os.name != "nt" and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(path, old.st_uid, old.st_gid)


@contextlib.contextmanager
def _gone_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotEditable("it is not a plain file")
        if found.st_size > _MAX_BYTES:
            raise NotEditable(f"it is larger than {_MAX_BYTES >> 20} MiB")
        return file.read()


def _reason(error: OSError | RuntimeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != "nt":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

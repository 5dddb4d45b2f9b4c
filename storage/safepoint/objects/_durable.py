"""The operating system's promises about power loss, and how to tell which of them hold here.

Nothing in this file knows of keys or objects; failures are plain OSErrors.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safepoint.values import dataclass

__all__ = [
    "OsCalls",
    "file_system_type",
    "one_sync_is_sound",
    "sync_folder",
    "sync_fully",
    "write_all",
]

_NO_SUCH_OPERATION = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS}


def sync_fully(fd: int) -> None:
    """Return when the content of `fd` would survive a power loss; macOS needs F_FULLFSYNC."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_SUCH_OPERATION:
                raise
        else:
            return
    os.fsync(fd)


def sync_folder(path: str, fsync: Callable[[int], None]) -> None:
    """Make the names in a folder durable; Windows and some network file systems have no way to."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SUCH_OPERATION:
            raise
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; the system may take fewer than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def one_sync_is_sound(folder: str) -> bool:
    """Whether O_TMPFILE, link, then one fsync of the file makes name, folders and bytes durable.

    True on XFS and ext4 only, whose fsync commits all that the file's name depends on, and not on
    ext4 with the `fast_commit` feature: its replay loses files that were linked after O_TMPFILE
    (seen on Linux 6.18). What cannot be found out counts as no. `folder` must be writable.
    """
    device = os.stat(folder).st_dev
    kind = file_system_type(device)
    return kind == "xfs" or (kind == "ext4" and not _commits_fast(folder, device))


def file_system_type(device: int, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the mounted file system with this device number; None when it is not told."""
    if sys.platform != "linux":
        return None
    number = f"{os.major(device)}:{os.minor(device)}".encode()
    with suppress(OSError):
        for line in mounts.read_bytes().splitlines():
            place, _, source = line.partition(b" - ")
            if place.split()[2:3] == [number]:
                return source.split()[0].decode()
    return None


if sys.platform == "linux":

    def _commits_fast(folder: str, device: int) -> bool:
        """Whether ext4 answers fsync with a fast commit. Only its counters tell, after an fsync."""
        block = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        about = Path("/proc/fs/ext4", os.path.basename(block))
        if not about.is_dir():
            return True
        counters = about / "fc_info"
        if not counters.exists():
            return False  # a kernel older than the feature
        probe = os.path.join(folder, f"{os.getpid()}-{secrets.token_hex(8)}")
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"does fsync make a fast commit?")
            os.fsync(fd)
        finally:
            os.close(fd)
            os.unlink(probe)
        head = counters.read_text().partition("Ineligible reasons")[0]
        return any(word.isdigit() and int(word) for word in head.replace("us", " ").split())

else:

    def _commits_fast(folder: str, device: int) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class OsCalls:
    """The calls on whose outcome durability rests. Tests put failing ones in their place."""

    fsync: Callable[[int], None] = sync_fully
    link: Callable[[str, str], None] = os.link
    one_sync_is_sound: Callable[[str], bool] = one_sync_is_sound

"""What an OSError means to whoever called the store: certainly not stored, or nobody knows."""

from __future__ import annotations

import errno

from safepoint.errors import Damaged, OutcomeUnknown, Unavailable, Unsupported

__all__ = ["NO_HARD_LINKS", "no_hard_links", "not_named", "not_synced", "unavailable"]

NO_HARD_LINKS = {
    errno.EINVAL,  # Windows on FAT
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,  # Linux on FAT and exFAT
    errno.EXDEV,
}

_CHANGED_NOTHING = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMFILE,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ENFILE,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

_HINTS = {
    errno.EACCES: "The user that runs this needs to read and write the store's folder.",
    errno.EDQUOT: "The disk quota is used up: free space or raise it, then try again.",
    errno.EFBIG: "A limit on file sizes stands against it (ulimit -f).",
    errno.EIO: "The disk reports errors: check it before writing more.",
    errno.EMFILE: "Too many files are open (ulimit -n).",
    errno.ENOSPC: "The disk is full: free space, then try again.",
    errno.EPERM: "The user that runs this needs to read and write the store's folder.",
    errno.EROFS: "The file system is mounted read-only.",
}


def unavailable(doing: str, key: str, url: str, error: OSError) -> Unavailable:
    """`doing` is a verb: "read", "store". A write that fails with this is certainly not stored."""
    return Unavailable(
        f"cannot {doing} {key or 'the store'} in {url}: {_reason(error)}", hint=_hint(error)
    )


def not_named(doing: str, key: str, url: str, error: OSError) -> Unavailable:
    """For a link, rename or unlink that failed: only some errors promise that nothing happened."""
    if isinstance(error, Unavailable):  # found before it was tried
        return error
    if error.errno in _CHANGED_NOTHING:
        return unavailable(doing, key, url, error)
    return OutcomeUnknown(
        f"trying to {doing} {key} in {url} failed and may have happened: {_reason(error)}",
        hint=_hint(error),
    )


def not_synced(key: str, url: str, error: OSError | None = None) -> OutcomeUnknown:
    """For a file whose fsync failed. A second fsync would succeed and prove nothing."""
    reason = f": {_reason(error)}" if error else ""
    return OutcomeUnknown(
        f"{key} in {url} was written, but the disk did not confirm it{reason}",
        hint="Nothing more is built on it. Check the disk, then restart this program and look.",
        code="sync_failed",
    )


def no_hard_links(url: str, error: OSError) -> Unsupported:
    return Unsupported(
        f"the file system at {url} cannot give a file a second name ({_reason(error)}), "
        "so two writers could both believe that they won",
        hint="Keep the store on one ext4, XFS, Btrfs, APFS or NTFS file system, or in S3.",
        code="no_hard_links",
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _hint(error: OSError) -> str:
    return _HINTS.get(error.errno or 0, "")


def too_large(key: str) -> Damaged:
    """Nothing that is read whole is so large: reading it would only fill the memory."""
    return Damaged(
        f"{key} is larger than anything that Safepoint writes there, and was not read",
        hint="Something else wrote it. Restore it from a copy of the store.",
        code="too_large",
    )

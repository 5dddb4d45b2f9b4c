"""What doctor looks at: each check says in words what it found. Nothing is left in the store."""

from __future__ import annotations

import os
import platform
import secrets
import stat
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Final

from safepoint import NotFound, SafepointError, Store, default_key_file
from safepoint.objects.probe import probe
from safepoint.values import dataclass
from safepoint_server.cli.paging import gather
from safepoint_server.cli.place import existing_store, folder_of
from safepoint_server.cli.plain import moment
from safepoint_server.settings import Settings

__all__ = ["Finding", "examine", "probe_writes"]

_LATE: Final = timedelta(seconds=5)
_PROBE_FOLDER: Final = "probe"
_S3: Final = "s3://"
_RECORDS_LOOKED_AT: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `ok`, `warning` (works, but look at it) or `failed`, and what to do then."""

    name: str
    status: str
    detail: str
    hint: str = ""


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """All checks, in the order in which one failing explains the next."""
    yield _versions()
    for finding in _settings(settings):
        yield finding
    key = _key_file(settings)
    if key is not None:
        yield key
    try:
        if settings.store.startswith(_S3):
            async for finding in _bucket(settings.store):
                yield finding
        async with existing_store(settings) as store:
            slots = await store.slots()
            opened = f"opened; {len(slots)} key slot{'s' if len(slots) != 1 else ''}"
            yield Finding("store", "ok", f"{store.url}: {opened}")
            if not settings.store.startswith(_S3):
                yield await probe_writes(store)
            yield await _clock(store)
    except NotFound as error:
        if error.code != "store_not_found":
            raise
        yield _not_made_yet(settings)
    except SafepointError as error:
        yield Finding("store", "failed", error.message, error.hint)


def _versions() -> Finding:
    python = platform.python_version()
    zstd = "compression.zstd"
    if sys.version_info < (3, 14):
        zstd = f"backports.zstd {metadata.version('backports.zstd')}"
    told = f"safepoint {metadata.version('safepoint')}, Python {python}"
    told += f", mcp {metadata.version('mcp')}, {zstd}, {platform.system()}"
    return Finding("versions", "ok", told)


def _settings(settings: Settings) -> list[Finding]:
    return [Finding("settings", "warning", warning) for warning in settings.warnings]


def _key_file(settings: Settings) -> Finding | None:
    """Whether the key file is there, and readable by its owner alone."""
    if settings.passphrase is not None or settings.kms_key is not None:
        return None
    if settings.key_file is None and settings.store.startswith(_S3):
        return None  # there no key is made or chosen for anybody; opening the store says so
    path = settings.key_file or default_key_file()
    if not path.exists():
        told = f"{path} is not there yet"
        if settings.key_file is None:
            return Finding("key file", "ok", f"{told}; it is made with a new store")
        return Finding("key file", "warning", told, "`safepoint keys init` makes it.")
    if os.name == "nt":
        return Finding("key file", "ok", f"{path} (permissions are not checked on Windows)")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            "key file",
            "failed",
            f"{path} can be used by others (mode {mode:04o})",
            f"Run: chmod 600 {path}",
        )
    return Finding("key file", "ok", f"{path} (mode {mode:04o})")


async def _bucket(url: str) -> AsyncIterator[Finding]:
    """Where the address leads, and whether the place can be relied on: before the store is opened,
    or made. Raises what the probe raises, which says what is wrong better than opening would."""
    from safepoint.objects.s3 import open_s3  # late: it loads boto3

    objects = await open_s3(url)
    try:
        yield Finding("bucket", "ok", objects.whereabouts)
        await probe(objects, thorough=True)
        told = "one of racing conditional puts wins, lists are fresh and in order"
        yield Finding("write access", "ok", told)
    finally:
        await objects.close()


def _not_made_yet(settings: Settings) -> Finding:
    """A store that does not exist is fine if its folder can be made."""
    folder = folder_of(settings.store)
    given = (settings.key_file, settings.passphrase, settings.kms_key)
    if settings.store.startswith(_S3) and given == (None, None, None):
        return Finding(
            "store",
            "failed",
            f"{settings.store} does not exist yet, and no key is given to make it with",
            "Set SAFEPOINT_PASSPHRASE, or SAFEPOINT_KEY_FILE to a file that `safepoint keys init` "
            "made.",
        )
    if folder is None:
        return Finding("store", "ok", f"{settings.store} does not exist yet; made on first use")
    parent = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        return Finding(
            "store",
            "failed",
            f"{folder} does not exist yet and cannot be made: {parent}: {error.strerror}",
            "Name another place with --store, or give this user permission to write there.",
        )
    return Finding("store", "ok", f"{folder} does not exist yet; made on first use")


async def probe_writes(store: Store) -> Finding:
    """Two puts of one key on the condition that it is not there: the second must be refused."""
    key = f"{_PROBE_FOLDER}/{secrets.token_hex(8)}"
    try:
        try:
            first = await store.objects.put(key, b"first", if_absent=True)
            second = await store.objects.put(key, b"second", if_absent=True)
            kept = await store.objects.get(key)
        finally:
            await store.objects.delete(key)
            folder = folder_of(store.url)
            if folder is not None:
                with suppress(OSError):
                    (folder / _PROBE_FOLDER).rmdir()
    except SafepointError as error:
        return Finding("write access", "failed", error.message, error.hint)
    if first and not second and kept == b"first":
        return Finding("write access", "ok", "put, conditional put refused, read, delete")
    return Finding(
        "write access",
        "failed",
        "a conditional put overwrote an object: commits would be lost here",
        "This place cannot keep a store. Use another.",
    )


async def _clock(store: Store) -> Finding:
    """The system's clock against the newest record and against the file system's."""
    infos = await gather(
        lambda limit, cursor: store.workspaces(limit=limit, cursor=cursor), _RECORDS_LOOKED_AT
    )
    now = datetime.now(UTC)
    newest = max((info.updated_at for info in infos.items), default=None)
    if newest is not None and newest - now > _LATE:
        return Finding(
            "clock",
            "failed",
            f"it is {moment(now)} here, but the newest record is of {moment(newest)}",
            "Set this machine's clock, or that of the machine that wrote: leases depend on it.",
        )
    folder = folder_of(store.url)
    if folder is not None:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except OSError as error:
            told = f"{moment(now)}; the store's own clock cannot be read: {error.strerror}"
            return Finding("clock", "warning", told, "The check of write access says more.")
        now = datetime.now(UTC)
        if abs(written - now) > _LATE:
            return Finding(
                "clock",
                "warning",
                f"it is {moment(now)} here, and {moment(written)} on the store's file system",
                "Set the clocks of both machines.",
            )
    told = f"newest record {moment(newest)}" if newest else "no records yet"
    return Finding("clock", "ok", f"{moment(now)}; {told}")

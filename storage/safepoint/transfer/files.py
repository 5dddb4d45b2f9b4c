"""Readable files of an export: JSON texts, safe names, and a folder that appears whole."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from safepoint.errors import Conflict, InvalidInput, Unavailable, Unsupported
from safepoint.format.jsontext import decode_json

__all__ = [
    "ARTIFACTS",
    "ARTIFACT_FILES",
    "CHECKPOINTS",
    "HISTORY",
    "STEPS",
    "STORE",
    "WORKSPACE",
    "checkpoint_file",
    "json_text",
    "read_object",
    "whole_folder",
    "with_kind",
]

WORKSPACE, STEPS, HISTORY, STORE = "workspace.json", "steps.json", "history.jsonl", "store.json"
CHECKPOINTS = "checkpoints"
ARTIFACTS, ARTIFACT_FILES = "artifacts.json", "artifacts"
FORMAT = 1
_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_LABEL_CHARS = 60
_MAX_FILE_BYTES = 256 * 1024 * 1024


def json_text(value: object) -> bytes:
    """For people: indented, keys in their order, integers of any size."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # an integer of more than 64 bits
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def checkpoint_file(version: int, label: str | None) -> str:
    """`00000012-half-way.json`: sorted by version, safe on every file system."""
    words = _UNSAFE.sub("-", (label or "").lower())[:_LABEL_CHARS].strip("-")
    return f"{version:08d}{f'-{words}' if words else ''}.json"


def read_object(path: Path, *, kind: str) -> dict[str, Any]:
    """The JSON object in a file of an export.

    Raises:
        InvalidInput: it is not there, not JSON, or not of this kind.
        Unsupported: a newer Safepoint wrote it.
    """
    value = _read(path)
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise InvalidInput(
            f"{path} is not the {kind!r} of an export",
            hint="Name the folder that `safepoint export` wrote, with all of its files.",
            code="bad_export",
        )
    if value.get("format") != FORMAT:
        raise Unsupported(
            f"{path} is of format {value.get('format')!r}; this version knows {FORMAT}",
            hint="Upgrade Safepoint.",
            code="unknown_format",
        )
    return value


def _read(path: Path) -> Any:
    try:
        return decode_json(_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(
            f"{path} is missing",
            hint="Name the folder that `safepoint export` wrote, with all of its files.",
            code="bad_export",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror}",
            hint="Give this user permission to read it.",
        ) from None
    except ValueError as error:
        raise InvalidInput(
            f"{path} is not JSON: {error}", hint="Correct the file.", code="bad_export"
        ) from None


def _regular(path: Path) -> bytes:
    """The bytes of an ordinary file: no pipe that never ends, nothing behind a link."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_FILE_BYTES:
            raise ValueError("it is no ordinary file of a size that an export has")
        return file.read()


@asynccontextmanager
async def whole_folder(target: Path, *, force: bool) -> AsyncIterator[Path]:
    """An empty folder (mode 0700) that becomes `target` when the block ends well, and else goes.

    Raises:
        Conflict: `target` is not empty, or with `force` holds something else than an export.
        Unavailable: it cannot be written.
    """
    target = await asyncio.to_thread(target.absolute)
    try:
        await asyncio.to_thread(_check_target, target, force)
        fresh = Path(await asyncio.to_thread(_make_beside, target))
        try:
            yield fresh
            old = _move(fresh, target)  # not in a thread: cancelled, it would race with `rmtree`
            if old is not None:
                await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
    except Unavailable:
        raise
    except OSError as error:
        raise Unavailable(
            f"{error.filename or target} cannot be written: {error.strerror}",
            hint="Name a folder that this user may write to, on a disk with room.",
            code="export_unwritable",
        ) from None


def _check_target(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise Conflict(f"{target} is a file", hint="Name a folder, new or empty.", code="not_empty")
    names = {path.name for path in target.iterdir()} if target.exists() else set()
    if names and not force:
        raise Conflict(
            f"the folder {target} is not empty; nothing was written",
            hint="Name another one, or replace an earlier export with --force.",
            code="not_empty",
        )
    if names and not names & {WORKSPACE, STORE}:
        raise Conflict(
            f"the folder {target} holds something else than an export; it was left as it is",
            hint="Name another one.",
            code="not_empty",
        )


def _make_beside(target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)


def _move(fresh: Path, target: Path) -> Path | None:
    """Put it in its place; the folder with what was there before, to be removed."""
    if not target.exists():
        fresh.rename(target)
        return None
    old = Path(_make_beside(target))
    try:
        target.rename(old / "old")
    except OSError:
        old.rmdir()
        raise
    try:
        fresh.rename(target)
    except OSError:
        (old / "old").rename(target)
        old.rmdir()
        raise
    return old


def with_kind(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The object to write: what it is, then its fields."""
    return {"kind": kind, "format": FORMAT, **fields}

"""Artifacts: files of a workspace, their revisions, and folders of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from safepoint.model.base import Actor
from safepoint.values import dataclass

__all__ = [
    "ArtifactInfo",
    "OnBytes",
    "RemovedArtifact",
    "RestoredFolder",
    "SavedFolder",
]

OnBytes: TypeAlias = "Callable[[int, int | None], None]"
"""Called with the bytes that are done and, where that is known, those that there are."""


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """One revision of an artifact. `sha256` is of the file's bytes, in hex.

    It came with `version` of the workspace, and is current until `until` (None: still).
    `repeated` says that it was there already and nothing was committed now.
    """

    workspace: str
    name: str
    revision: int
    version: int
    saved_at: datetime
    saved_by: Actor | None
    size: int
    sha256: str
    media_type: str
    executable: bool = False
    step: str | None = None
    summary: str | None = None
    stored_bytes: int = 0
    until: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class RemovedArtifact:
    """An artifact that is no longer current since `version`; its revisions stay until retention
    takes them. `repeated`: it had been removed before."""

    workspace: str
    name: str
    version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class SavedFolder:
    """The files of a folder as artifacts, all at once. `saved` are new, `unchanged` were there,
    `removed` were there and are no longer in the folder; `skipped` names what is no plain file,
    and why, as pairs. `version` is the workspace's then."""

    workspace: str
    prefix: str
    version: int
    saved: tuple[ArtifactInfo, ...]
    unchanged: int
    removed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    size: int


@dataclass(frozen=True, slots=True)
class RestoredFolder:
    """Files that were written from artifacts; `unchanged` of them were there already."""

    workspace: str
    prefix: str
    version: int
    files: int
    unchanged: int
    size: int

"""All files of a folder on their way into artifacts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from safepoint.errors import Conflict
from safepoint.filing.files import Filing, described, opened, write_file
from safepoint.filing.places import FileBelow, Folder, exists
from safepoint.filing.sealed import SealedObjects
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.log.transitions.artifact import NewArtifact
from safepoint.model import OnBytes

__all__ = ["FolderUpload", "Meter", "restore"]

_SMALL: Final = 256 * 1024
_SMALL_AT_ONCE: Final = 8


class Meter:
    """Adds up what is told of several files."""

    def __init__(self, total: int, told: OnBytes | None) -> None:
        self._total = total
        self._told = told
        self._done = 0

    def of_one(self) -> OnBytes:
        """To be told of the next file."""
        last = 0

        def told(done: int, total: int | None) -> None:
            nonlocal last
            self._done, last = self._done + done - last, done
            if self._told is not None:
                self._told(self._done, self._total)

        return told


class FolderUpload:
    """`new` is what has been stored, in the order of the names. Small files go several at once."""

    def __init__(
        self,
        filing: Filing,
        objects: SealedObjects,
        before: Document,
        folder: Folder,
        prefix: str,
        meter: Meter,
    ) -> None:
        self._filing = filing
        self._objects = objects
        self._before = before
        self._folder = folder
        self._prefix = prefix
        self._meter = meter
        self._done: dict[str, NewArtifact] = {}

    @property
    def new(self) -> tuple[NewArtifact, ...]:
        return tuple(self._done[name] for name in sorted(self._done))

    async def run(
        self, files: Sequence[tuple[str, int, bool]], step: str | None, summary: str | None
    ) -> None:
        """Store them all. Raises what the first failure is; `discard` removes the rest then."""
        large = [file for file in files if file[1] > _SMALL]
        small = iter([file for file in files if file[1] <= _SMALL])

        async def some() -> None:
            for name, _, executable in small:
                await self._store(name, executable, step, summary)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_SMALL_AT_ONCE):
                    group.create_task(some())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        for name, _, executable in large:
            await self._store(name, executable, step, summary)

    async def discard(self) -> None:
        """Remove what was stored."""
        for new in self._done.values():
            await self._filing.discard(self._objects, new)

    async def _store(
        self, name: str, executable: bool, step: str | None, summary: str | None
    ) -> None:
        told = self._meter.of_one()
        new = described(self._prefix + name, executable=executable, step=step, summary=summary)
        async with opened(FileBelow(self._folder, name)) as file:
            new = await self._filing.store(self._objects, self._before, new, file, told)
        told(new.size, None)
        self._done[name] = new


async def restore(
    filing: Filing,
    chosen: Mapping[str, tuple[str, ArtifactEntry]],
    folder: Folder,
    meter: Meter,
    *,
    replace_it: bool,
) -> int:
    """Write artifacts, given by their names below `folder`; how many were not there already.

    Raises Conflict (`file_exists`) for what stands in the way, before anything is written.
    """
    objects, written = filing.existing_objects(), 0
    for name, (_, entry) in chosen.items():
        await asyncio.to_thread(_check_free, FileBelow(folder, name), entry, replace=replace_it)
    for name, (artifact, entry) in chosen.items():
        told, place = meter.of_one(), FileBelow(folder, name)
        written += await write_file(
            objects, artifact, entry, place, replace_it=replace_it, told=told
        )
        told(entry.size, None)
    return written


def _check_free(place: FileBelow, entry: ArtifactEntry, *, replace: bool) -> None:
    """Raises Conflict (`file_exists`) unless the file may be written there."""
    kind = place.folder.kind(place.name)
    if kind is None or (kind == "file" and replace):
        return
    if kind != "file":
        raise Conflict(
            f"{place.name} is a folder or a link; it was not replaced",
            hint="Move it out of the way.",
            code="file_exists",
        )
    if not place.folder.holds(
        place.name, size=entry.size, sha256=entry.sha256, executable=entry.executable
    ):
        raise exists(place.name)

"""Artifacts between stores, and to and from the files of an export: by streams, whatever size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from safepoint.errors import Conflict, Damaged
from safepoint.filing.files import opened, write_file
from safepoint.filing.places import FileBelow, Folder
from safepoint.filing.sealed import Chunks, SealedObjects, stream_store
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.format.keys import artifact_key, artifacts_folder, encode_name
from safepoint.format.paths import check_restorable
from safepoint.log.codec import Codec
from safepoint.log.log import Log
from safepoint.log.transitions.artifact import NewArtifact, current
from safepoint.objects.base import ObjectStore
from safepoint.transfer.copied import Meter
from safepoint.transfer.imported import ExportedArtifact
from safepoint.transfer.parallel import each
from safepoint.transfer.records import Found
from safepoint.values import dataclass

__all__ = ["ArtifactCopy", "artifact_copy", "export_artifacts", "planned", "uploaded"]

_SMALL: Final = 256 * 1024
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class ArtifactCopy:
    """The objects of one workspace. In a copy of the same workspace they stay as they are, byte for
    byte; for another one each is opened and sealed anew. One large one at a time."""

    name: str
    wanted: Mapping[str, tuple[str, ArtifactEntry]]
    source: ObjectStore
    target: ObjectStore
    codec: Codec
    to: Codec
    meter: Meter

    async def run(self) -> tuple[int, int]:
        """Bring what is not in the target; how many objects, and of how many bytes.

        What is there is opened at its end, what is new is read back whole.

        Raises:
            Damaged: an object is not what the table says, in the source or in the target.
            Conflict: it was taken by retention meanwhile.
        """
        there = await _listed(self.target, self.name)
        written: list[int] = []

        async def settle(one: tuple[str, ArtifactEntry]) -> None:
            written.append(await self._settle(*one, there))
            self.meter.add(1)

        chosen = list(self.wanted.values())
        await each([one for one in chosen if one[1].size <= _SMALL], settle)
        for one in chosen:
            if one[1].size > _SMALL:
                async with self.meter.large:
                    await settle(one)
        return sum(map(bool, written)), sum(written)

    async def run_again(self) -> None:
        """Bring what was swept from the target while no record named it yet."""
        there = await _listed(self.target, self.name)
        for artifact, entry in self.wanted.values():
            async with self.meter.large:
                await self._settle(artifact, entry, there, checked=True)

    async def _settle(
        self, artifact: str, entry: ArtifactEntry, there: set[str], *, checked: bool = False
    ) -> int:
        """Bytes that were written."""
        key = artifact_key(self.name, artifact, entry.id)
        sealed = SealedObjects(self.target, self.to)
        if key in there:
            if not checked:
                await _open_end(sealed, artifact, entry)
            return 0
        try:
            await self._write(key, artifact, entry)
        except Damaged as error:
            if error.code == "missing_object":
                raise self._taken(artifact) from error
            raise
        try:
            await sealed.check(artifact, entry)
        except Damaged:
            await self.target.delete(key)
            await SealedObjects(self.source, self.codec).check(artifact, entry)
            raise
        return entry.stored_bytes

    async def _write(self, key: str, artifact: str, entry: ArtifactEntry) -> None:
        here = SealedObjects(self.source, self.codec)
        if self.codec.workspace_id != self.to.workspace_id:
            async with aclosing(here.get(artifact, entry)) as chunks:
                await SealedObjects(self.target, self.to).put(
                    artifact, Chunks(chunks), object_id=entry.id
                )
            return
        await _open_end(here, artifact, entry)
        async with aclosing(stream_store(self.source).get_stream(key)) as chunks:
            await stream_store(self.target).put_stream(key, chunks)

    def _taken(self, artifact: str) -> Conflict:
        return Conflict(
            f"an object of artifact {artifact!r} of workspace {self.name!r} is gone from "
            f"{self.source.url}",
            hint="Repeat the copy: retention may just have taken it. If that does not help, "
            "`safepoint verify` says what is missing.",
            code="missing_object",
        )


def artifact_copy(
    found: Found, source: ObjectStore, target: ObjectStore, codec: Codec, meter: Meter
) -> ArtifactCopy:
    """Those of a workspace as it was found, into the one that `codec` seals for."""
    assert found.codec is not None  # noqa: S101 - there are no versions without keys
    return ArtifactCopy(found.name, found.artifacts, source, target, found.codec, codec, meter)


async def export_artifacts(log: Log, document: Document, folder: Path) -> list[dict[str, Any]]:
    """Write what is current to files in `folder`; the lines of their list.

    Under their own names, or where those cannot lie in one folder, under names made of them.
    """
    chosen = {
        name: entry
        for name, revisions in document.artifacts.items()
        if (entry := current(revisions)) is not None
    }
    if not chosen or log.codec is None:
        return []
    places = {name: name for name in chosen}
    try:
        check_restorable(chosen, windows=True, folds_case=True)
    except Conflict:
        places = {name: encode_name(name) for name in chosen}
    objects = SealedObjects(log.shared.objects, log.codec)
    to = await asyncio.to_thread(Folder.open, folder, create=True)
    with contextlib.closing(to):
        for name, entry in chosen.items():
            place = FileBelow(to, places[name])
            await write_file(objects, name, entry, place, replace_it=False)
    return [_line(name, places[name], entry) for name, entry in chosen.items()]


def planned(artifacts: Iterable[ExportedArtifact], now_ms: int) -> tuple[NewArtifact, ...]:
    """What `uploaded` will give, as far as that can be known before."""
    return tuple(_described(one, "", one.size, "", 0, now_ms) for one in artifacts)


async def uploaded(
    objects: SealedObjects,
    folder: Path,
    artifacts: Sequence[ExportedArtifact],
    now_ms: int,
) -> tuple[NewArtifact, ...]:
    """Store the files of an export; they are in no table yet."""
    below = await asyncio.to_thread(Folder.open, folder)

    async def upload(one: ExportedArtifact) -> NewArtifact:
        async with opened(FileBelow(below, one.file)) as file:
            stored = await objects.put(one.name, file.source)
        return _described(one, stored.id, stored.size, stored.sha256, stored.stored_bytes, now_ms)

    with contextlib.closing(below):
        small = [one for one in artifacts if one.size <= _SMALL]
        done = dict(zip((one.name for one in small), await each(small, upload), strict=True))
        for one in artifacts:
            if one.size > _SMALL:
                done[one.name] = await upload(one)
    return tuple(done[one.name] for one in artifacts)


def _described(
    one: ExportedArtifact, object_id: str, size: int, sha256: str, stored_bytes: int, now_ms: int
) -> NewArtifact:
    return NewArtifact(
        one.name,
        id=object_id,
        size=size,
        sha256=sha256,
        media_type=one.media_type,
        executable=one.executable,
        stored_bytes=stored_bytes,
        uploaded_ms=now_ms,
        step=one.step,
        summary=one.summary,
    )


def _line(name: str, file: str, entry: ArtifactEntry) -> dict[str, Any]:
    fields = {
        "name": name,
        "file": file,
        "media_type": entry.media_type,
        "executable": entry.executable,
        "revision": entry.revision,
        "version": entry.version,
        "size": entry.size,
        "sha256": entry.sha256,
        "step": entry.step,
        "summary": entry.summary,
    }
    return {key: value for key, value in fields.items() if value is not None}


async def _open_end(objects: SealedObjects, artifact: str, entry: ArtifactEntry) -> None:
    """Raises Damaged unless it opens and ends where it should."""
    start = max(0, entry.size - 1)
    async with aclosing(objects.get(artifact, entry, start=start, length=1)) as chunks:
        async for _ in chunks:
            pass


async def _listed(objects: ObjectStore, name: str) -> set[str]:
    folder, after = artifacts_folder(name), ""
    found: set[str] = set()
    while keys := await objects.list(folder, after=after, limit=_PAGE):
        found.update(keys)
        after = keys[-1]
    return found

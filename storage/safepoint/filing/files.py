"""One file on its way into a workspace's artifacts or out of them: finding, sealing, writing."""

from __future__ import annotations

import asyncio
import contextlib
import io
import mimetypes
import os
from collections.abc import AsyncIterator, Container
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from safepoint.errors import NotFound, Unavailable
from safepoint.filing.places import FileBelow, Folder, digest_of, exists, open_plain
from safepoint.filing.sealed import Chunks, SealedObjects, Source
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.format.keys import artifacts_folder
from safepoint.handle import Handle
from safepoint.log.codec import Codec
from safepoint.log.transitions.artifact import NewArtifact, as_at, current, no_artifact
from safepoint.log.transitions.base import when
from safepoint.model import ArtifactInfo, OnBytes
from safepoint.values import dataclass

__all__ = ["ArtifactSource", "Filing", "Opened", "described", "open_folder", "opened", "write_file"]

_PAGE: Final = 1000

ArtifactSource: TypeAlias = "bytes | Path | FileBelow | AsyncIterator[bytes]"

_TEXTS = {
    ".md": "text/markdown",
    ".jsonl": "application/jsonl",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".log": "text/plain",
}


def guess_media_type(name: str) -> str:
    """By the end of the name; `application/octet-stream` when that says nothing."""
    known = _TEXTS.get(os.path.splitext(name)[1].lower())
    return known or mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def described(
    name: str,
    *,
    media_type: str | None = None,
    executable: bool,
    step: str | None,
    summary: str | None,
) -> NewArtifact:
    """What is known of an artifact before its bytes are."""
    return NewArtifact(
        name,
        id="",
        size=0,
        sha256="",
        media_type=media_type or guess_media_type(name),
        executable=executable,
        stored_bytes=0,
        step=step,
        summary=summary,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """Something to be stored: its bytes, how many there are if that is known, and its SHA-256 as
    soon as somebody asks for it, where it can be read twice."""

    source: Source
    size: int | None = None
    executable: bool = False
    file: BinaryIO | None = None

    async def sha256(self) -> str | None:
        if self.file is None:
            return None
        digest = await asyncio.to_thread(digest_of, self.file)
        await asyncio.to_thread(self.file.seek, 0)
        return digest


@asynccontextmanager
async def opened(source: ArtifactSource) -> AsyncIterator[Opened]:
    """`source`, open for the block.

    Raises:
        NotFound, InvalidInput, Unavailable: the file is not there, none, or cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield _of_file(io.BytesIO(source), len(source), executable=False)
    elif isinstance(source, Path | FileBelow):
        open_it = source.open if isinstance(source, FileBelow) else lambda: open_plain(source)
        file = await asyncio.to_thread(open_it)
        try:
            about = os.fstat(file.fileno())
            yield _of_file(file, about.st_size, executable=bool(about.st_mode & 0o100))
        finally:  # a read that was cancelled may be under way: closing waits for it, in a thread
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, file.close))
    else:
        yield Opened(Chunks(source))


def _of_file(file: BinaryIO, size: int, *, executable: bool) -> Opened:
    return Opened(_File(file), size, executable and os.name == "posix", file)


class _File:
    """See Source."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def read(self, count: int) -> bytes:
        """See Source."""
        try:
            return await asyncio.to_thread(self._file.read, count)
        except OSError as error:
            raise Unavailable(
                f"the file cannot be read: {error.strerror}", code="file_unreadable"
            ) from None


class Filing:
    """Objects and table entries of one workspace's artifacts."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def objects(self) -> SealedObjects:
        """To write: a workspace that does not exist yet gets its keys."""
        codec = await self._handle.committer.codec()
        return SealedObjects(self._handle.log.shared.objects, codec)

    def existing_objects(self) -> SealedObjects:
        """To read what a head that was read before names."""
        log = self._handle.log
        assert log.codec is not None  # noqa: S101 - known with the head

        async def newer() -> Codec | None:
            await log.reload_keys()
            return log.codec

        return SealedObjects(log.shared.objects, log.codec, newer)

    async def listed(self) -> set[str]:
        """The keys of all objects of artifacts."""
        objects, folder = self._handle.log.shared.objects, artifacts_folder(self._handle.name)
        found: set[str] = set()
        after = ""
        while keys := await objects.list(folder, after=after, limit=_PAGE):
            found.update(keys)
            after = keys[-1]
        return found

    async def store(
        self,
        objects: SealedObjects,
        document: Document,
        new: NewArtifact,
        source: Opened,
        told: OnBytes | None = None,
        *,
        there: Container[str] | None = None,
    ) -> NewArtifact:
        """`new` with the object that holds `source`: a new one, or that of the current
        revision when it holds the same and is there. `there` has the keys of all objects, if they
        were listed since `document` was read."""
        now = current(document.artifacts.get(new.name, ()))
        lost = False
        if now is not None and now.size == source.size and await source.sha256() == now.sha256:
            lost = not await _is_there(objects, new.name, now, there)
            if not lost:
                return _with_object(new, now)
        stored = await objects.put(
            new.name,
            source.source,
            limit=self._handle.limits.artifact_bytes,
            total=source.size,
            told=told,
        )
        same = now if now is not None and now.sha256 == stored.sha256 else None
        if same and (lost or not await _is_there(objects, new.name, same, there)):
            new = _instead(new, same)  # of a stream it is known only now
        return replace(
            new,
            id=stored.id,
            size=stored.size,
            sha256=stored.sha256,
            stored_bytes=stored.stored_bytes,
            uploaded_ms=self._handle.now_ms(),
        )

    async def discard(self, objects: SealedObjects, new: NewArtifact) -> None:
        """Remove what was uploaded and certainly is in no table. What cannot be is for a sweep."""
        if new.uploaded_ms is not None:
            with contextlib.suppress(Unavailable):
                await self._handle.log.shared.objects.delete(objects.key(new.name, new.id))

    async def find(
        self, name: str, *, revision: int | None, version: int | None
    ) -> tuple[Document, ArtifactEntry]:
        """The head, and the revision asked for. Raises NotFound."""
        head = (await self._handle.existing()).document
        revisions = head.artifacts.get(name, ())
        if not revisions:
            raise no_artifact(head, self._handle.name, name)
        if revision is not None:
            found = next((entry for entry in revisions if entry.revision == revision), None)
            what = f"no revision {revision}"
        elif version is not None:
            await self.check_version(head, version)
            found, what = as_at(revisions, version), f"nothing at version {version}"
        else:
            found, what = current(revisions), "been removed"
        if found is None:
            has = ", ".join(str(entry.revision) for entry in revisions[-10:])
            raise NotFound(
                f"the artifact {name!r} has {what}",
                hint=f"It has these revisions: {has}.",
                code="revision_not_found",
            )
        return head, found

    async def check_version(self, head: Document, version: int) -> None:
        """Raises NotFound unless there is such a version, or was one that is kept."""
        if not 1 <= version <= head.version or version < head.floor:
            await self._handle.log.document(version, head)

    def info(self, name: str, entry: ArtifactEntry, *, repeated: bool = False) -> ArtifactInfo:
        return ArtifactInfo(
            workspace=self._handle.name,
            name=name,
            revision=entry.revision,
            version=entry.version,
            saved_at=when(entry.at_ms),
            saved_by=entry.actor,
            size=entry.size,
            sha256=entry.sha256,
            media_type=entry.media_type,
            executable=entry.executable,
            step=entry.step,
            summary=entry.summary,
            stored_bytes=entry.stored_bytes,
            until=entry.until,
            repeated=repeated,
        )


async def write_file(
    objects: SealedObjects,
    artifact: str,
    entry: ArtifactEntry,
    target: FileBelow,
    *,
    replace_it: bool,
    told: OnBytes | None = None,
) -> bool:
    """Write the file, whole or not at all; False when it was there already.

    Raises:
        Conflict: `file_exists`, when another is there and `replace_it` is not set.
    """
    there = await asyncio.to_thread(
        target.folder.holds,
        target.name,
        size=entry.size,
        sha256=entry.sha256,
        executable=entry.executable,
    )
    if there:
        return False
    if there is False and not replace_it:
        raise exists(target.name)
    new = await asyncio.to_thread(target.folder.new, target.name)
    try:
        done = 0
        async with aclosing(objects.get(artifact, entry)) as chunks:
            async for chunk in chunks:
                await asyncio.shield(asyncio.to_thread(new.write, chunk))
                done += len(chunk)
                if told is not None:
                    told(done, entry.size)
        await asyncio.to_thread(new.finish, executable=entry.executable, replace=replace_it)
    finally:
        await asyncio.shield(asyncio.to_thread(new.discard))
    return True


async def _is_there(
    objects: SealedObjects, artifact: str, entry: ArtifactEntry, there: Container[str] | None
) -> bool:
    if there is not None:
        return objects.key(artifact, entry.id) in there
    return await objects.has(artifact, entry)


def _instead(new: NewArtifact, entry: ArtifactEntry) -> NewArtifact:
    """`new` in the place of a revision with the same bytes, whose object is lost."""
    return replace(
        new,
        lost=entry.id,
        step=entry.step if new.step is None else new.step,
        summary=entry.summary if new.summary is None else new.summary,
    )


def _with_object(new: NewArtifact, entry: ArtifactEntry) -> NewArtifact:
    return replace(
        new,
        id=entry.id,
        size=entry.size,
        sha256=entry.sha256,
        stored_bytes=entry.stored_bytes,
        uploaded_ms=None,
    )


async def open_folder(folder: Path | Folder, *, create: bool = False) -> Folder:
    """A folder of its own, to be closed, for either."""
    if isinstance(folder, Folder):
        return await asyncio.to_thread(folder.below, "")
    return await asyncio.to_thread(Folder.open, folder, create=create)

"""The files of a workspace: saved, listed, loaded whole or in part, one by one or as folders."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Final

from safepoint.errors import (
    InvalidInput,
    LimitExceeded,
    NotFound,
    OutcomeUnknown,
    SafepointError,
)
from safepoint.filing.batch import FolderUpload, Meter, restore
from safepoint.filing.files import (
    ArtifactSource,
    Filing,
    described,
    open_folder,
    opened,
    write_file,
)
from safepoint.filing.places import FileBelow, Folder
from safepoint.filing.sealed import SealedObjects
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.format.paths import check_artifact_name, check_restorable, folder_prefix
from safepoint.handle import Handle
from safepoint.listing import check_limit
from safepoint.log.commit import Committed
from safepoint.log.transitions.artifact import (
    ArtifactsReply,
    NewArtifact,
    RemoveArtifact,
    SaveArtifacts,
    as_at,
    current,
    no_artifact,
)
from safepoint.model import (
    ArtifactInfo,
    OnBytes,
    Page,
    RemovedArtifact,
    RestoredFolder,
    SavedFolder,
)

__all__ = ["LOAD_BYTES", "Artifacts"]

LOAD_BYTES: Final = 64 * 1024 * 1024
"""What `load` takes into memory at most."""

_FOLDS_CASE: Final = sys.platform in ("win32", "darwin")


class Artifacts:
    """Artifacts of one workspace, reached as `workspace.artifacts`.

    An artifact is stored outside the document, sealed in segments, in constant memory whatever its
    size; then one commit puts it into the document's table. A save that fails or is stopped in
    between changes nothing, and what it left in the store is swept away after a day. Each save of
    a name with other contents is a new revision; old ones stay until retention takes them.

    Methods raise what those of `Workspace` raise.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._filing = Filing(handle)

    async def save(
        self,
        name: str,
        source: ArtifactSource,
        *,
        media_type: str | None = None,
        executable: bool | None = None,
        step: str | None = None,
        summary: str | None = None,
        progress: OnBytes | None = None,
    ) -> ArtifactInfo:
        """Save `source`: bytes, the path of a file, or an iterator of bytes, read to its end.

        `name` is a relative path with `/`. The media type is guessed from it, and `executable`
        from the file, unless given. Saving what is current already commits nothing (`repeated`).
        Concurrent saves of one name each become a revision, in the order of their commits.

        Raises:
            InvalidInput: `bad_name`, or the file is none.
            NotFound: there is no such file.
            LimitExceeded: the file is too large, or there are too many artifacts or revisions.
        """
        check_artifact_name(name, max_chars=self._handle.limits.name_chars)
        async with opened(source) as file:
            told = described(
                name,
                media_type=media_type,
                executable=file.executable if executable is None else executable,
                step=step,
                summary=summary,
            )
            objects = await self._filing.objects()
            before = (await self._handle.log.head()).document
            new = await self._filing.store(objects, before, told, file, progress)
        done = await self._commit(objects, (new,), None, before)
        _, entry, repeated = done.reply.entries[0]
        return self._filing.info(name, entry, repeated=repeated)

    async def info(
        self, name: str, *, revision: int | None = None, version: int | None = None
    ) -> ArtifactInfo:
        """The current revision, the one with that number, or the one of that workspace version.

        Raises:
            NotFound: `artifact_not_found`, `revision_not_found`, `version_not_found`, `pruned`.
        """
        _, entry = await self._filing.find(name, revision=revision, version=version)
        return self._filing.info(name, entry)

    async def load(
        self,
        name: str,
        *,
        revision: int | None = None,
        version: int | None = None,
        start: int = 0,
        length: int | None = None,
    ) -> bytes:
        """The bytes from `start` on, at most `length` of them. See `info`.

        Raises:
            LimitExceeded: those are more than 64 MiB; `read` and `write_to` take any size.
            Damaged: the object is not what was stored.
        """
        _, entry = await self._filing.find(name, revision=revision, version=version)
        _check_range(start, length)
        wanted = min(max(entry.size - start, 0), entry.size if length is None else length)
        if wanted > LOAD_BYTES:
            raise LimitExceeded(
                f"{wanted:,} bytes of the artifact {name!r} are more than the {LOAD_BYTES:,} that "
                "are loaded at once",
                hint="Ask for a part, or write it to a file.",
            )
        found = bytearray()
        async with aclosing(self._read(name, entry, start, length)) as chunks:
            async for chunk in chunks:
                found += chunk
        return bytes(found)

    async def read(
        self,
        name: str,
        *,
        revision: int | None = None,
        version: int | None = None,
        start: int = 0,
        length: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """As `load`, in chunks, in constant memory. Each chunk is authentic; of a whole file the
        last one comes when all of it was found right. Who stops early closes it (`aclosing`)."""
        _check_range(start, length)
        _, entry = await self._filing.find(name, revision=revision, version=version)
        async with aclosing(self._read(name, entry, start, length)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write_to(
        self,
        name: str,
        target: Path | FileBelow,
        *,
        revision: int | None = None,
        version: int | None = None,
        replace: bool = False,
        progress: OnBytes | None = None,
    ) -> ArtifactInfo:
        """Write it to the file `target`, which appears whole or not at all.

        `repeated` says that it was there already. Another file there is replaced only with
        `replace`. It is not synced to disk.

        Raises:
            Conflict: `file_exists`.
            Unavailable: `file_unwritable`.
        """
        _, entry = await self._filing.find(name, revision=revision, version=version)
        objects = self._filing.existing_objects()
        if isinstance(target, FileBelow):
            place, own = target, None
        else:
            own = await asyncio.to_thread(Folder.open, target.parent)
            place = FileBelow(own, target.name)
        try:
            written = await write_file(
                objects, name, entry, place, replace_it=replace, told=progress
            )
        finally:
            if own is not None:
                own.close()
        return self._filing.info(name, entry, repeated=not written)

    async def list(
        self,
        prefix: str = "",
        *,
        version: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[ArtifactInfo]:
        """The current artifacts whose name begins with `prefix`, by name; or those of a version."""
        check_limit(limit)
        head = (await self._handle.existing()).document
        if version is not None:
            await self._filing.check_version(head, version)
        found = self._current(head, version)
        names = sorted(n for n in found if n.startswith(prefix) and (cursor is None or n > cursor))
        items = tuple(self._filing.info(name, found[name]) for name in names[:limit])
        return Page(items, items[-1].name if len(names) > limit else None)

    async def revisions(
        self, name: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page[ArtifactInfo]:
        """All revisions that there still are, newest first. Raises NotFound."""
        check_limit(limit)
        head = (await self._handle.existing()).document
        revisions = head.artifacts.get(name, ())
        if not revisions:
            raise no_artifact(head, self._handle.name, name)
        before = _number(cursor) if cursor is not None else revisions[-1].revision + 1
        older = [entry for entry in reversed(revisions) if entry.revision < before]
        items = tuple(self._filing.info(name, entry) for entry in older[:limit])
        return Page(items, str(items[-1].revision) if len(older) > limit else None)

    async def remove(self, name: str) -> RemovedArtifact:
        """Let it be current no longer. Its revisions stay, until retention takes them.

        Raises:
            NotFound: `artifact_not_found`: there never was one of this name.
        """
        await self._handle.existing()
        done = await self._handle.commit(RemoveArtifact(name))
        return RemovedArtifact(self._handle.name, name, done.head.version, done.reply)

    async def save_folder(
        self,
        prefix: str,
        folder: Path | Folder,
        *,
        step: str | None = None,
        summary: str | None = None,
        progress: OnBytes | None = None,
    ) -> SavedFolder:
        """Save all plain files in and below `folder` as `prefix/…`, in one commit.

        Names, bytes and whether each is executable are kept; what is not a plain file (a link, a
        pipe) is skipped and named. Artifacts of that prefix that are not in the folder are removed
        in the same commit, so that `restore_folder` brings back this folder and nothing else.
        Empty folders are not kept. Errors are those of `save`.
        """
        check_artifact_name(prefix.removesuffix("/"), max_chars=self._handle.limits.name_chars)
        limits, under = self._handle.limits, folder_prefix(prefix)
        opened_folder = await open_folder(folder)
        try:
            found = await asyncio.to_thread(opened_folder.scan, limits.artifacts)
            if not found.files:
                raise NotFound(
                    "the folder holds no files", hint="Check the path.", code="file_not_found"
                )
            for name, _, _ in found.files:
                check_artifact_name(under + name, max_chars=limits.name_chars)
            objects = await self._filing.objects()
            before = (await self._handle.log.head()).document
            meter = Meter(sum(size for _, size, _ in found.files), progress)
            upload = FolderUpload(self._filing, objects, before, opened_folder, under, meter)
            try:
                await upload.run(found.files, step, summary)
            except SafepointError:
                await upload.discard()
                raise
        finally:
            opened_folder.close()
        done = await self._commit(objects, tuple(upload.new), under, before)
        saved = [(name, entry) for name, entry, repeated in done.reply.entries if not repeated]
        return SavedFolder(
            workspace=self._handle.name,
            prefix=under.removesuffix("/"),
            version=done.head.version,
            saved=tuple(self._filing.info(name, entry) for name, entry in saved),
            unchanged=len(done.reply.entries) - len(saved),
            removed=done.reply.removed,
            skipped=found.skipped,
            size=sum(entry.size for _, entry, _ in done.reply.entries),
        )

    async def restore_folder(
        self,
        prefix: str,
        target: Path | Folder,
        *,
        version: int | None = None,
        replace: bool = False,
        progress: OnBytes | None = None,
    ) -> RestoredFolder:
        """Write all artifacts `prefix/…` below `target`, as `save_folder` found them.

        What is there with the same bytes stays; other files of the same names are replaced only
        with `replace`, and else refused before anything is written. Nothing is ever written outside
        `target`, whatever links are in it. Repeat it if it is stopped.

        Raises:
            NotFound: there are no such artifacts.
            Conflict: `file_exists`, or `cannot_restore`: names that cannot be together here.
        """
        head = (await self._handle.existing()).document
        if version is not None:
            await self._filing.check_version(head, version)
        under = folder_prefix(prefix) if prefix else ""
        chosen = {
            name[len(under) :]: (name, entry)
            for name, entry in self._current(head, version).items()
            if name.startswith(under)
        }
        if not chosen:
            raise no_artifact(head, self._handle.name, prefix)
        check_restorable(chosen, windows=os.name == "nt", folds_case=_FOLDS_CASE)
        total = sum(entry.size for _, entry in chosen.values())
        folder = await open_folder(target, create=True)
        try:
            written = await restore(
                self._filing, chosen, folder, Meter(total, progress), replace_it=replace
            )
        finally:
            folder.close()
        return RestoredFolder(
            workspace=self._handle.name,
            prefix=prefix,
            version=head.version if version is None else version,
            files=len(chosen),
            unchanged=len(chosen) - written,
            size=total,
        )

    async def _commit(
        self,
        objects: SealedObjects,
        new: tuple[NewArtifact, ...],
        folder: str | None,
        before: Document,
    ) -> Committed[ArtifactsReply]:
        """What was uploaded and certainly did not get into the table is removed at once."""
        command = SaveArtifacts(new, folder, before.created_ms, before.run)
        try:
            done = await self._handle.commit(command)
        except OutcomeUnknown:
            raise
        except SafepointError:
            for one in new:
                await self._filing.discard(objects, one)
            raise
        for one, (_, entry, _) in zip(new, done.reply.entries, strict=True):
            if entry.id != one.id:
                await self._filing.discard(objects, one)
        return done

    def _current(self, head: Document, version: int | None) -> dict[str, ArtifactEntry]:
        """By name; those of a version are only right when that is checked."""
        found = {}
        for name, revisions in head.artifacts.items():
            entry = current(revisions) if version is None else as_at(revisions, version)
            if entry is not None:
                found[name] = entry
        return found

    def _read(
        self, name: str, entry: ArtifactEntry, start: int, length: int | None
    ) -> AsyncGenerator[bytes, None]:
        return self._filing.existing_objects().get(name, entry, start=start, length=length)


def _check_range(start: int, length: int | None) -> None:
    if start < 0 or (length is not None and length < 0):
        raise InvalidInput(
            "a part of a file begins at 0 or later and has no negative length",
            hint="Correct start and length.",
        )


def _number(cursor: str) -> int:
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 12:
        return int(cursor)
    raise InvalidInput(
        "this cursor is not one that a page gave", hint="Leave the cursor out for the first page."
    )

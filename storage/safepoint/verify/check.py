"""Verifies one workspace or a whole store, reading only; nothing is changed or set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from safepoint.errors import Damaged, InvalidInput, NotFound, SafepointError, Unavailable
from safepoint.filing.sealed import SealedObjects
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.format.keys import (
    WORKSPACES_FOLDER,
    artifact_key,
    decode_name,
    encode_name,
    keys_folder,
    log_folder,
    log_key,
)
from safepoint.format.record import is_torn
from safepoint.format.versions import Versions
from safepoint.log.generations import newest_of
from safepoint.log.keys import WorkspaceKeys, name_of
from safepoint.log.newest import newest_version
from safepoint.log.shared import Shared
from safepoint.model import Problem
from safepoint.objects.base import SetsAside
from safepoint.verify.chain import Fault, dependents_end
from safepoint.verify.manifests import check_store_manifests, check_workspace_keys
from safepoint.verify.places import check_root, check_workspace_places
from safepoint.verify.reader import UNKNOWN_KEY, Intact, Reader
from safepoint.verify.records import Checked, check_records
from safepoint.verify.tally import Tally
from safepoint.verify.tokens import check_tokens

__all__ = ["Found", "check_store", "check_workspace"]

_FOLDERS_AT_ONCE = 100


@dataclass(slots=True)
class Found:
    """What a workspace's log was found to be, for a repair. `head` is its last number taken."""

    keys: WorkspaceKeys
    reader: Reader
    head: int
    newest: Intact | None
    checked: Checked
    seen: int


async def check_store(shared: Shared, tally: Tally, *, deep: bool) -> None:
    """Manifests, every workspace, and what lies beside them."""
    await check_store_manifests(shared, tally)
    await check_tokens(shared, tally)
    await check_root(shared.objects, tally)
    async for folder in _folders(shared):
        try:
            name = await _name(shared, folder)
        except InvalidInput:
            tally.add(foreign=1)
            tally.note(f"foreign: {WORKSPACES_FOLDER}{folder}/: no workspace has this folder")
            continue
        except Damaged as error:
            key = f"{WORKSPACES_FOLDER}{folder}/keys/"
            tally.problem(
                Problem(folder, key, "damaged", error.message, "nothing of it opens", error.hint)
            )
            continue
        if name is not None:
            await check_workspace(shared, name, tally, deep=deep)


async def check_workspace(shared: Shared, name: str, tally: Tally, *, deep: bool) -> Found | None:
    """Everything that one workspace consists of; None when its records are not to be checked.

    Raises:
        NotFound: there is no such workspace.
        Unavailable: the store fails again and again.
    """
    objects = shared.objects
    seen = await shared.seen.version(name)  # before the head: writers go on
    head = await newest_version(objects, log_folder(name))
    if not head and not await objects.list(keys_folder(name), limit=1):
        raise NotFound(
            f"there is no workspace {name!r} in this store",
            hint="`safepoint ls` shows the names.",
            code="workspace_not_found",
        )
    keys = await check_workspace_keys(shared, name, tally)
    if keys is None:
        return None
    if keys.deleted is not None and keys.deleted.version == head:
        tally.add(deleted=1)
        none = Versions.covering([(head, head)])
        await check_workspace_places(
            objects, name, tally, need=none, head=head, artifacts=frozenset()
        )
        return None
    tally.add(workspaces=1)
    return await _check_log(shared, keys, head, seen, tally, deep=deep)


async def _check_log(
    shared: Shared, keys: WorkspaceKeys, head: int, seen: int, tally: Tally, *, deep: bool
) -> Found:
    reader = Reader(shared, keys)
    if await _is_stump(reader, head, seen):
        tally.add(stumps=1)
        tally.note(f"{reader.key(head)} is what a power loss left of a commit; it was not told")
        head -= 1
    newest = await reader.newest_intact(head)
    first = keys.first
    if newest is not None:
        reader.needs(newest.document, head)
    need = (reader.need or Versions.covering([(first, head)])).between(first, head)
    tally.expect(len(need))
    tally.add(pruned=max(0, head - first + 1 - len(need)))
    checked = await check_records(reader, need, tally)
    if newest is not None and not checked.unusable.isdisjoint(reader.codec.chain(newest.version)):
        newest = await reader.newest_intact(head, checked.unusable)
    _tell(reader, checked, head, seen, tally)
    document = newest.document if newest is not None else Document()
    named = await _check_artifacts(shared, reader, document, tally, deep=deep)
    await check_workspace_places(
        shared.objects, keys.name, tally, need=need, head=head, artifacts=named
    )
    tally.add(read_bytes=reader.read_bytes)
    return Found(reader.keys, reader, head, newest, checked, seen)


async def _is_stump(reader: Reader, head: int, seen: int) -> bool:
    """Whether the newest record is one that the next opening would set aside."""
    if head <= seen or not isinstance(reader.shared.objects, SetsAside):
        return False
    data = await reader.fetch(head)
    if not isinstance(data, bytes) or not is_torn(data):
        return False
    return reader.open(head, data).fault is not None


def _tell(reader: Reader, checked: Checked, head: int, seen: int, tally: Tally) -> None:
    """Each fault once, with what cannot be done because of it."""
    name = reader.keys.name
    mend = f"Restore the object from a copy of the store, or run `safepoint verify {name} --repair`"
    for version in sorted(checked.faults):
        fault = checked.faults[version]
        remedy = f"{mend} to go on without it."
        if fault.what == UNKNOWN_KEY:
            remedy = "Restore the newest objects in keys/ from a copy: they are gone, or damaged."
        problem = Problem(
            name, reader.key(version), fault.what, fault.detail,
            _effect(reader, fault, head), remedy, version,
        )  # fmt: skip
        if fault.unread:
            tally.unread(problem)
        else:
            tally.problem(problem)
    if head < seen:
        tally.problem(
            Problem(
                name, log_key(name, seen), "rolled_back",
                f"the log ends at version {head}, but version {seen} was seen before: records "
                "were deleted, or an old copy of the store was put back",
                f"{_span(head + 1, seen)} cannot be read, and the workspace does not open",
                f"{mend} to go on from version {head}.", seen,
            )
        )  # fmt: skip


def _effect(reader: Reader, fault: Fault, head: int) -> str:
    last = min(dependents_end(reader.codec, fault.version), head)
    told = f"{_span(fault.version, last)} cannot be read"
    if fault.what == "wrong_index":
        return f"what {_span(fault.version, fault.version)} says of itself cannot be relied on"
    return f"{told}; the workspace does not open" if last == head else told


def _span(first: int, last: int) -> str:
    return f"version {first}" if first == last else f"versions {first} to {last}"


async def _check_artifacts(
    shared: Shared, reader: Reader, document: Document, tally: Tally, *, deep: bool
) -> frozenset[str]:
    """The keys that the table names. Several revisions may share an object: it is read once."""
    named: dict[str, tuple[str, ArtifactEntry]] = {}
    for artifact, entries in document.artifacts.items():
        for entry in entries:
            key = artifact_key(reader.keys.name, artifact, entry.id)
            named.setdefault(key, (artifact, entry))
    if not named:
        return frozenset()
    sealed = SealedObjects(shared.objects, reader.codec)
    tally.expect(len(named))
    for key, (artifact, entry) in named.items():
        await _check_artifact(sealed, reader, key, artifact, entry, tally, deep=deep)
        tally.done()
    return frozenset(named)


async def _check_artifact(
    sealed: SealedObjects,
    reader: Reader,
    key: str,
    artifact: str,
    entry: ArtifactEntry,
    tally: Tally,
    *,
    deep: bool,
) -> None:
    effect = f"revision {entry.revision} of artifact {artifact!r} cannot be loaded"
    name = reader.keys.name
    try:
        if deep:
            await sealed.check(artifact, entry)
            tally.add(artifacts_read=1, read_bytes=entry.size)
        else:  # the header and the last segment tell whether it is there, and ends where it should
            last = sealed.get(artifact, entry, start=max(0, entry.size - 1), length=1)
            async with aclosing(last) as chunks:
                async for _ in chunks:
                    pass
        tally.add(artifacts=1)
    except Unavailable as error:
        tally.unread(Problem(name, key, "unread", error.message, effect, error.hint, entry.version))
    except SafepointError as error:
        if await _was_dropped(reader, artifact, entry):
            return
        remedy = "Restore it from a copy of the store, or save the artifact anew."
        if entry.revision > 1:
            remedy += " Its earlier revisions may still be there."
        what = "missing" if error.code == "missing_object" else "damaged"
        tally.problem(Problem(name, key, what, error.message, effect, remedy, entry.version))


async def _was_dropped(reader: Reader, artifact: str, entry: ArtifactEntry) -> bool:
    """Whether retention took the revision while this went on."""
    head = await newest_version(reader.shared.objects, log_folder(reader.keys.name))
    now = await reader.newest_intact(head)
    if now is None:
        return False
    return all(one.id != entry.id for one in now.document.artifacts.get(artifact, ()))


async def _folders(shared: Shared) -> AsyncIterator[str]:
    after = ""
    while folders := await shared.objects.list(
        WORKSPACES_FOLDER, after=after, limit=_FOLDERS_AT_ONCE, folders=True
    ):
        for folder in folders:
            yield folder
        after = folders[-1]


async def _name(shared: Shared, folder: str) -> str | None:
    """The workspace's name; None when it has gone meanwhile. Raises InvalidInput, Damaged."""
    name = decode_name(folder)
    if name is not None:
        return name
    key = await newest_of(shared.objects, f"{WORKSPACES_FOLDER}{folder}/keys/")
    data = await shared.objects.get(key) if key else None
    if key is None or data is None:
        return None
    name = name_of(shared.keys, key, data)
    return name if encode_name(name) == folder else None

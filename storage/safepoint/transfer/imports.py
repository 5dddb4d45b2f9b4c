"""Exported files, perhaps edited by a person, as a new workspace or as a new checkpoint."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from safepoint.errors import Conflict, InvalidInput
from safepoint.filing.sealed import SealedObjects
from safepoint.format.document import EMPTY
from safepoint.format.jsontext import decode_json
from safepoint.listing import Listing
from safepoint.log.log import Head
from safepoint.log.progress import idempotency_key
from safepoint.log.registry import OpenLog
from safepoint.log.transitions import SaveArtifacts
from safepoint.model import UNSET, Actor, Saved
from safepoint.store import Store
from safepoint.transfer.artifacts import planned, uploaded
from safepoint.transfer.files import ARTIFACT_FILES
from safepoint.transfer.imported import CheckpointFile, ExportedWorkspace, read_export
from safepoint.transfer.replay import commands, replay
from safepoint.values import dataclass

__all__ = ["Imported", "InDoubt", "import_checkpoint", "import_workspace"]

_PAGE = 100
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A step that was started and not reported: its effect may have happened under `old_key`,
    which differs from the idempotency key that the next attempt gets here."""

    step: str
    old_key: str
    new_key: str


@dataclass(frozen=True, slots=True)
class Imported:
    """`repeated` says that this very export had been imported before and nothing was written."""

    name: str
    origin: str
    version: int
    checkpoints: int
    steps: int
    repeated: bool
    in_doubt: tuple[InDoubt, ...]
    artifacts: int = 0


async def import_workspace(
    store: Store, folder: Path, *, name: str | None = None, actor: Actor | None = None
) -> Imported:
    """Make the workspace in `folder` again, under its own name or `name`.

    Kept are goal, steps (order, titles, dependencies, status, results, errors) and checkpoints
    (states, labels, summaries, next actions, kinds), and the current artifacts. Times, versions,
    the run and the number of attempts are those of the import, and so is the actor, whose transport
    says where it is from. All commands are tried out before the first is committed. Repeating an
    import that was stopped goes on where it was.

    Raises:
        InvalidInput, LimitExceeded, Unsupported: the files cannot be imported; nothing was.
        Conflict: `workspace_exists`, or somebody else changed it meanwhile.
    """
    exported = await asyncio.to_thread(read_export, folder)
    name = exported.name if name is None else name
    store.workspace(name)  # refuses what cannot be a name
    by = _imported_by(actor or store.actor, exported)
    operations = replay(exported, store.now())
    now_ms = int(store.now().timestamp() * 1000)
    if exported.artifacts:  # all in the last commit
        files, before = planned(exported.artifacts, now_ms), EMPTY
        operations.append(lambda version: SaveArtifacts(files, None, before.created_ms, before.run))
    opened = store.open_log(name)
    head = await opened.log.head()
    if head.version == 0:
        await asyncio.to_thread(opened.committer.rehearse, head, commands(operations), by)
    elif not head.exists:
        raise Conflict(
            f"there was a workspace {name!r}, which was deleted; nothing was imported",
            hint="Import under another name with --as: versions of this name go on from the last.",
            code="workspace_deleted",
        )
    elif head.version > len(operations) or not await _is_ours(name, opened, head, by):
        raise Conflict(
            f"there is a workspace {name!r} already; nothing was imported",
            hint="Import under another name with --as, or the newest state into it with --into.",
            code="workspace_exists",
        )
    replayed = len(operations) - bool(exported.artifacts)
    todo = commands(operations[:replayed], head.version)
    while command := await asyncio.to_thread(next, todo, None):
        await opened.committer.commit(command, by)
    if exported.artifacts and head.version < len(operations):
        objects = SealedObjects(store.objects, await opened.committer.codec())
        before = (await opened.log.head()).document
        files = await uploaded(objects, folder / ARTIFACT_FILES, exported.artifacts, now_ms=now_ms)
        for command in commands(operations, replayed):
            await opened.committer.commit(command, by)
    return Imported(
        name=name,
        origin=exported.name,
        version=len(operations),
        checkpoints=len(exported.checkpoints),
        steps=len(exported.steps),
        repeated=head.version == len(operations),
        in_doubt=_in_doubt(exported, name),
        artifacts=len(exported.artifacts),
    )


async def import_checkpoint(
    store: Store,
    folder: Path,
    name: str,
    *,
    label: str | None = None,
    force: bool = False,
    actor: Actor | None = None,
) -> Saved | None:
    """Save the newest state in `folder` as a checkpoint of the workspace that it came from.

    With its summary and next action. Only if the workspace is as it was exported, unless `force`.
    None when nothing was edited: nothing is saved then.

    Raises:
        NotFound: there is no such workspace.
        Conflict: `version_conflict`: it was changed since (tells how).
        InvalidInput: the files cannot be imported, or came from another workspace.
    """
    exported = await asyncio.to_thread(read_export, folder)
    if not exported.checkpoints:
        raise InvalidInput(f"{folder} holds no checkpoint", code="bad_export")
    newest = exported.checkpoints[-1]
    workspace = store.workspace(name, actor=_imported_by(actor or store.actor, exported))
    now = await workspace.load()
    summary = newest.summary
    if any(info.summary == summary for info in (await workspace.checkpoints(limit=1)).items):
        summary = None  # not edited: a later one of the workspace stays
    if not force:
        _check_origin(exported, newest, name, here=(now.version, now.sha256))
        as_it_was = summary is None and (newest.next_action or None) == now.brief.next_action
        if as_it_was and not newest.edited and now.version == exported.version:
            return None
    state = await asyncio.to_thread(newest.state)
    return await workspace.save(
        UNSET if state is None else await asyncio.to_thread(decode_json, state),
        label=label,
        summary=summary,
        next_action=newest.next_action or "",
        kind=newest.kind,
        expected_version=None if force else exported.version,
    )


def _check_origin(
    exported: ExportedWorkspace, newest: CheckpointFile, name: str, *, here: tuple[int, str]
) -> None:
    """Raises InvalidInput for the export of another workspace; a workspace that went on since is
    found by the expected version."""
    version, sha256 = here
    if exported.name != name or (version == exported.version and newest.sha256 != sha256):
        raise InvalidInput(
            f"the files are an export of another workspace than {name!r}",
            hint="Import them as a new workspace with --as, or insist with --force.",
            code="another_workspace",
        )


def _imported_by(actor: Actor, exported: ExportedWorkspace) -> Actor:
    """The importer; the transport names the origin, and the files by their digest."""
    origin = exported.name[:_NAME_CHARS] + ("…" if len(exported.name) > _NAME_CHARS else "")
    transport = f"import of {origin}@{exported.version} ({exported.digest[:16]})"
    return replace(actor, transport=transport)


async def _is_ours(name: str, opened: OpenLog, head: Head, by: Actor) -> bool:
    """Whether every commit so far was made by an import of these files."""
    listing, cursor = Listing(name, opened.log), None
    while True:
        page = await listing.history(head.document, limit=_PAGE, cursor=cursor)
        if any(event.actor.transport != by.transport for event in page.items):
            return False
        cursor = page.next_cursor
        if cursor is None:
            return True


def _in_doubt(exported: ExportedWorkspace, name: str) -> tuple[InDoubt, ...]:
    found = []
    for step in exported.steps:
        key = idempotency_key(name, 1, step.name)
        if step.unreported and step.idempotency_key not in ("", key):
            found.append(InDoubt(step.name, step.idempotency_key, key))
    return tuple(found)

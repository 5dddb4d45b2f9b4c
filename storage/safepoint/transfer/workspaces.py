"""Workspaces into a store with other keys: every record is opened and sealed again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from safepoint.errors import Conflict, NotFound
from safepoint.format.keys import keys_key, log_key
from safepoint.log.codec import Codec
from safepoint.log.keys import new_manifest, open_manifest
from safepoint.log.log import Log, Shared
from safepoint.store import Store
from safepoint.transfer.artifacts import artifact_copy
from safepoint.transfer.copied import Copied, CopiedWorkspace, Meter, OnProgress
from safepoint.transfer.parallel import each
from safepoint.transfer.records import Found, LogCopy, put_new, survey
from safepoint.verify.manifests import cut_keys

__all__ = ["copy_workspaces", "existing_workspaces", "is_newer"]


async def copy_workspaces(
    source: Store,
    target: Store,
    workspaces: Iterable[str],
    *,
    on_progress: OnProgress | None = None,
) -> Copied:
    """Copy these workspaces into another store, under its keys and a workspace id of their own.

    Versions, times, actors, events and states are kept exactly, and with them fencing tokens and
    idempotency keys. Guarantees and errors are those of `copy_store`: a workspace of that name that
    begins in the same way is gone on with, another one is refused.
    """
    if source.id == target.id:
        raise Conflict(
            f"{target.url} is a copy of {source.url}: its objects need no other seals",
            hint="Copy them as they are, with copy_store.",
            code="same_store",
        )
    found = await existing_workspaces(source, workspaces)
    meter = Meter(sum(one.weight for one in found), on_progress)
    done = await each(found, lambda one: _copy(source.shared, target.shared, one, meter))
    return Copied(store_id=target.id, workspaces=tuple(done), resealed=True)


async def existing_workspaces(source: Store, names: Iterable[str]) -> list[Found]:
    """Each of them once. Raises NotFound, naming the closest names."""
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        source.workspace(name)  # refuses what cannot be a name
    found = await each(chosen, lambda name: survey(source.shared, name))
    for one in found:
        if one.codec is None:
            close = ", ".join(await source.closest_names(one.name))
            raise NotFound(
                f"there is no workspace {one.name!r} in {source.url}",
                hint=f"The closest names are: {close}." if close else "It has none like it.",
                code="workspace_not_found",
            )
    return found


async def is_newer(source: Shared, found: Found) -> bool:
    """Whether the source went on while it was copied."""
    return await source.objects.get(log_key(found.name, found.version + 1)) is not None


async def _copy(source: Shared, target: Shared, found: Found, meter: Meter) -> CopiedWorkspace:
    log = Log(found.name, target)
    before = (await log.head()).version
    codec = log.codec or await _make_keys(log, found)
    check = LogCopy(found, source.objects, target, codec, Meter(0, None))
    await check.check_cuts(before, codec.cuts)
    codec = await _with_cuts(log, found, codec)
    files = artifact_copy(found, source.objects, target.objects, codec, meter)
    artifacts, artifact_bytes = await files.run() if before <= found.version else (0, 0)
    copy = LogCopy(found, source.objects, target, codec, meter)
    await copy.run(before)
    if before < found.version:
        await files.run_again()
    return CopiedWorkspace(
        name=found.name,
        version=found.version,
        written=copy.written,
        present=copy.there - copy.written,
        written_bytes=copy.written_bytes,
        target_version=max(before, found.version),
        newer=await is_newer(source, found),
        artifacts=artifacts,
        artifact_bytes=artifact_bytes,
    )


async def _make_keys(log: Log, found: Found) -> Codec:
    """Keys for a workspace that is new in the target, or those that somebody else just made."""
    assert found.codec is not None  # noqa: S101 - there are no versions without keys
    if log.keys is not None:
        raise Conflict(
            f"workspace {log.name!r} was deleted in {log.shared.objects.url}; nothing was copied",
            hint="Export it, and import it there under another name.",
            code="workspace_deleted",
        )
    shared, key = log.shared, keys_key(log.name, 1)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    data, keys = new_manifest(
        shared.keys, log.name, at=at, random=shared.random, first=found.codec.first
    )
    there = await put_new(shared.objects, key, data)
    if there != data:
        keys = open_manifest(shared.keys, log.name, 1, there)
    log.use_keys(keys)
    assert log.codec is not None  # noqa: S101 - these keys are of no deleted workspace
    return log.codec


async def _with_cuts(log: Log, found: Found, codec: Codec) -> Codec:
    """Where deltas begin anew in the source, after a repair, they do in the target."""
    assert found.codec is not None  # noqa: S101 - there are no versions without keys
    for cut in found.codec.cuts:
        if cut not in codec.cuts:
            keys = await cut_keys(log.shared, log.name, cut)
            if keys is None:
                raise Conflict(
                    f"the keys of workspace {log.name!r} were changed while it was copied",
                    hint="Copy again.",
                )
            log.use_keys(keys)
            assert log.codec is not None  # noqa: S101 - these keys are of no deleted workspace
            codec = log.codec
    return codec

"""A store, whole or some of its workspaces, as it is into another place: same id, same keys.

Keys of objects are relative to the store and seals are bound to those, so objects stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from safepoint.crypto.storekeys import number_of
from safepoint.errors import Conflict, Damaged, InvalidInput
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    ROOT_PAGE,
    ROOT_SUMMARY,
    WORKSPACES_FOLDER,
    decode_name,
    encode_name,
    generation_of,
    keys_key,
    log_folder,
    page_key,
    summary_key,
    workspace_folder,
)
from safepoint.log.cache import DocumentCache
from safepoint.log.log import Log, Shared
from safepoint.log.manifests import Newest, newest_keys
from safepoint.log.newest import newest_version
from safepoint.log.seen import SeenHeads
from safepoint.manifest import read_manifest
from safepoint.objects.base import ObjectStore
from safepoint.objects.probe import PROBE_FOLDER
from safepoint.store import Store
from safepoint.transfer.artifacts import artifact_copy
from safepoint.transfer.copied import Copied, CopiedWorkspace, Meter, OnProgress
from safepoint.transfer.parallel import each
from safepoint.transfer.records import Found, LogCopy, put_new, survey
from safepoint.transfer.workspaces import existing_workspaces, is_newer

__all__ = ["copy_store"]

_CACHE_BYTES = 32 * 1024 * 1024
_OF_STORES = {MANIFEST_FOLDER[:-1], WORKSPACES_FOLDER[:-1], PROBE_FOLDER[:-1]}
_OF_WORKSPACES = {"artifacts", "keys", "log"}
_PAGE = 1000


async def copy_store(
    source: Store,
    target: ObjectStore,
    *,
    workspaces: Iterable[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Copied:
    """Copy to `target`, which is empty or holds an earlier copy: all workspaces, or those named.

    Repeating it goes on where it stopped, and later brings what is new. Nothing in `target` is ever
    overwritten but summaries and pages. Every record is opened and follows the one before, and what
    was written is read back. Stopped anywhere, the target is a valid, older store, which the keys
    of the source open. Each workspace is copied up to the version that it has at the beginning.

    Raises:
        Conflict: `target` holds another store, other things, or other versions.
        Damaged: a record of the source, or of the earlier copy, is not what was written.
        NotFound: a workspace that was named is not there.
        OutcomeUnknown, Unavailable: repeat it.
    """
    if workspaces is None:
        names = [name async for name in source.names()]
        surveyed = await each(names, lambda name: survey(source.shared, name))
        found = [one for one in surveyed if one.codec is not None or not one.version]
    else:
        found = await existing_workspaces(source, workspaces)
    kept = await _copy_slots(source.shared, target)
    # A cache of its own: a target that has gone its own way has other documents under one version.
    there = replace(
        source.shared,
        objects=target,
        cache=DocumentCache(_CACHE_BYTES),
        seen=SeenHeads(None),
    )
    meter = Meter(sum(one.weight for one in found), on_progress)
    done = await each(found, lambda one: _copy_workspace(source.shared, there, one, meter))
    if workspaces is None:
        for key in (ROOT_SUMMARY, ROOT_PAGE):
            await _copy_advisory(source.objects, target, key, replace_it=False)
    return Copied(
        store_id=source.id,
        workspaces=tuple(done),
        resealed=False,
        slots_kept=kept,
        left_out=await _left_out(source.objects),
    )


async def _copy_slots(source: Shared, target: ObjectStore) -> bool:
    """The newest store manifest; whether the target kept slots of its own instead.

    Older generations stay behind: a key slot that was removed does not come back with a copy.
    """
    found = await read_manifest(source.objects)
    if found is None:
        raise Damaged(f"the manifest of {source.objects.url} is gone", hint="Restore it.")
    key, body = found
    source.keys.check(body, key=key)
    data = await source.objects.get(key)
    there = await read_manifest(target)
    if there is None:
        await _check_empty(target)
    else:
        there_key, there_body = there
        if there_body["store_id"] != body["store_id"]:
            raise Conflict(
                f"{target.url} is another store than {source.objects.url}, with keys of its own",
                hint="Name the workspaces to copy into it (--workspace), or an empty place.",
                code="another_store",
            )
        if number_of(there_body, there_key) != number_of(body, key):
            raise Conflict(
                f"{target.url} is a copy from before or after the store key was changed; nothing "
                "was copied",
                hint="Copy to an empty place, and delete the copy that the replaced key opens.",
                code="store_key_changed",
            )
        source.keys.check(there_body, key=there_key)
        known = await source.objects.get(there_key)
        if known is None or known != await target.get(there_key):
            return bool(there_body["slots"] != body["slots"])
        if generation_of(there_key) >= generation_of(key):
            return False
    if data is None or await put_new(target, key, data) != data:
        raise Conflict(
            f"{key} in {target.url} was written by somebody else just now",
            hint="Repeat the copy.",
            code="another_store",
        )
    return False


async def _check_empty(target: ObjectStore) -> None:
    keys = await target.list("", limit=_PAGE)
    other = next((key for key in keys if not key.startswith(PROBE_FOLDER)), None)
    if other is not None:
        raise Conflict(
            f"{target.url} holds other things, such as {other}",
            hint="Name an empty folder, or a prefix of the bucket that nothing else uses.",
            code="not_empty",
        )


async def _copy_workspace(
    source: Shared, target: Shared, found: Found, meter: Meter
) -> CopiedWorkspace:
    name = found.name
    await _copy_keys(source, target, found)
    await _copy_others(source.objects, target.objects, name)
    log = Log(name, target)
    before = (await log.head()).version
    present = written = written_bytes = artifacts = artifact_bytes = 0
    if found.version and log.codec is not None:
        files = artifact_copy(found, source.objects, target.objects, log.codec, meter)
        if before <= found.version:
            artifacts, artifact_bytes = await files.run()
        copy = LogCopy(found, source.objects, target, log.codec, meter)
        await copy.run(before)
        written, written_bytes = copy.written, copy.written_bytes
        present = copy.there - written
        if before < found.version:
            await files.run_again()
    if before <= found.version:
        for key in (summary_key(encode_name(name)), page_key(encode_name(name))):
            await _copy_advisory(source.objects, target.objects, key, replace_it=True)
    return CopiedWorkspace(
        name=name,
        version=found.version,
        written=written,
        present=present,
        written_bytes=written_bytes,
        target_version=max(before, found.version),
        newer=await is_newer(source, found),
        artifacts=artifacts,
        artifact_bytes=artifact_bytes,
    )


async def _copy_keys(source: Shared, target: Shared, found: Found) -> None:
    """The newest workspace manifest, which holds all of the workspace's data keys."""
    name = found.name
    ours = await _newest_keys(source, name)
    keys = ours.keys
    if keys is None:
        return
    theirs = await _newest_keys(target, name)
    if theirs.keys is not None:
        there = theirs.keys
        if there.workspace_id != keys.workspace_id:
            raise Conflict(
                f"{target.objects.url} has another workspace {name!r}, with keys of its own",
                hint="To keep both, export this one and import it under another name.",
                code="history_differs",
            )
        if there.generation >= keys.generation:
            if keys.secrets.items() <= there.secrets.items() or there.deleted is not None:
                return
            raise Conflict(
                f"workspace {name!r} has other data keys in {target.objects.url}: both were "
                "rotated since it was copied",
                hint="Copy to an empty place.",
                code="history_differs",
            )
        if found.codec is not None:
            check = LogCopy(found, source.objects, target, found.codec, Meter(0, None))
            version = await newest_version(target.objects, log_folder(name))
            await check.check_cuts(version, there.cuts)
    if await put_new(target.objects, keys_key(name, keys.generation), ours.data) != ours.data:
        raise Conflict(
            f"the keys of workspace {name!r} in {target.objects.url} were changed just now",
            hint="Repeat the copy.",
            code="history_differs",
        )


async def _newest_keys(shared: Shared, name: str) -> Newest:
    return await newest_keys(shared.objects, shared.keys, name, begun=None)


async def _copy_others(source: ObjectStore, target: ObjectStore, name: str) -> None:
    """What else a workspace has in folders."""
    folder = f"{workspace_folder(name)}/"
    for below in await source.list(folder, folders=True):
        if below in _OF_WORKSPACES:
            continue
        prefix, after = f"{folder}{below}/", ""
        while keys := await source.list(prefix, after=after, limit=_PAGE):
            for key in keys:
                data = await source.get(key)
                if data is not None and await put_new(target, key, data) != data:
                    raise Conflict(
                        f"{target.url} has another object {key}; it was not overwritten",
                        hint="To keep both, copy to an empty place.",
                        code="history_differs",
                    )
            after = keys[-1]


async def _copy_advisory(
    source: ObjectStore, target: ObjectStore, key: str, *, replace_it: bool
) -> None:
    """A summary or page: rebuilt behind commits, so whichever is there will do."""
    data = await source.get(key)
    if data is not None:
        await target.put(key, data, if_absent=not replace_it)


async def _left_out(source: ObjectStore) -> tuple[str, ...]:
    """Folders that are no part of this store: what was set aside, stores of tenants, foreign."""
    roots = [name for name in await source.list("", folders=True) if name not in _OF_STORES]
    after = ""
    while names := await source.list(WORKSPACES_FOLDER, after=after, limit=_PAGE, folders=True):
        for name in names:
            try:
                decode_name(name)
            except InvalidInput:
                roots.append(WORKSPACES_FOLDER + name)
        after = names[-1]
    return tuple(roots)

"""The next generation of one workspace's keys: wrapped by the store key in force, or one key more.

Records and artifacts stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from safepoint.crypto.envelope import key_id_of
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import Conflict
from safepoint.format.keys import keys_folder, keys_key, log_key
from safepoint.log.commit import Committer
from safepoint.log.generations import put_next, remove_older
from safepoint.log.keys import WorkspaceKeys, renewed_manifest, store_key_of
from safepoint.log.log import Head, Log
from safepoint.log.manifests import Newest, newest_keys
from safepoint.log.transitions.rotate import Rotate
from safepoint.model import Actor

__all__ = ["Renewed", "renew_keys"]

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, repr=False)
class Renewed:
    """The keys in force. `version` is that of the commit that begins with a new data key; `changed`
    says whether anything was written."""

    keys: WorkspaceKeys | None
    version: int | None
    changed: bool


async def renew_keys(
    log: Log, committer: Committer, actor: Actor, *, new_key: bool, keep_old: bool
) -> Renewed:
    """Wrap the workspace's keys by the store key in force; with `new_key`, seal by a new one from
    the next version on. What came before is then removed, unless `keep_old`.

    Stopped anywhere, a repeat finishes it: a new key that no version is sealed by is taken, not
    added to. Of racing callers each gets a key that is newer than the one at its beginning.

    Raises:
        NotFound: it was deleted meanwhile.
        LimitExceeded: it has as many data keys as it can have.
    """
    head = await log.durable_head()
    used = await _key_in_use(log, head) if head.exists else 0
    newest, changed = await _put(log, used if new_key else 0, begun=head.version > 0)
    if newest.keys is None:
        return Renewed(None, None, changed)
    log.use_keys(newest.keys)
    version = None
    if used and new_key and newest.keys.deleted is None:
        command = Rotate(max(newest.keys.secrets), log.shared.keys.number)
        version = (await committer.commit(command, actor)).reply
    if not keep_old:
        key = keys_key(log.name, newest.keys.generation)
        await remove_older(log.shared.objects, keys_folder(log.name), key)
    return Renewed(newest.keys, version, changed)


async def _key_in_use(log: Log, head: Head) -> int:
    """The number of the data key that sealed the newest version."""
    key = log_key(log.name, head.version)
    data = await log.shared.objects.get(key)
    if data is None:
        raise Conflict(f"{key} was removed just now", hint="Call again.")
    return key_id_of(data, key)


async def _put(log: Log, used: int, *, begun: bool) -> tuple[Newest, bool]:
    """The newest keys, wrapped by the store key in force and, unless `used` is 0, with one that is
    newer than the key `used`; and whether they had to be written."""
    shared, name = log.shared, log.name
    for _ in range(_ATTEMPTS):
        newest = await newest_keys(shared.objects, shared.keys, name, begun=begun)
        keys = newest.keys
        if keys is None or not (_is_wrapped_before(shared.keys, newest) or _lacks_key(keys, used)):
            return newest, False
        generation = newest.generation + 1
        at = datetime.now(UTC).isoformat(timespec="seconds") if _lacks_key(keys, used) else None
        data, fresh = renewed_manifest(
            shared.keys, name, keys, newest.data, generation=generation, at=at, random=shared.random
        )
        target, base = keys_key(name, generation), keys_key(name, newest.generation)
        if await put_next(shared.objects, keys_folder(name), target, data, base=base):
            return Newest(generation, data, fresh), True
    raise Conflict(
        f"the keys of workspace {name!r} are changed all the time",
        hint="End whatever else rotates them, and call again.",
    )


def _lacks_key(keys: WorkspaceKeys, used: int) -> bool:
    """Whether every data key is as old as the one `used`. A deleted workspace needs none."""
    return bool(used) and keys.deleted is None and max(keys.secrets) <= used


def _is_wrapped_before(store: StoreKeys, newest: Newest) -> bool:
    return store_key_of(newest.data) != store.number

"""The next generation of one workspace's keys: wrapped by the store key in force, or one key more.

Records and artifacts stay as they are.
"""

from __future__ import annotations

from safepoint.crypto.envelope import key_id_of
from safepoint.errors import Conflict
from safepoint.format.keys import keys_folder, keys_key, log_key
from safepoint.log.commit import Committer
from safepoint.log.generations import remove_older
from safepoint.log.keys import WorkspaceKeys
from safepoint.log.log import Head, Log
from safepoint.log.rewrap import rewrap_keys
from safepoint.log.transitions.rotate import Rotate
from safepoint.model import Actor
from safepoint.values import dataclass

__all__ = ["Renewed", "renew_keys"]


@dataclass(frozen=True, slots=True, repr=False)
class Renewed:
    """The keys in force. `version` is that of the commit that begins with a new data key."""

    keys: WorkspaceKeys | None
    version: int | None


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
    newest = await rewrap_keys(
        log.shared, log.name, used=used if new_key else 0, begun=head.version > 0
    )
    if newest.keys is None:
        return Renewed(None, None)
    log.use_keys(newest.keys)
    version = None
    if used and new_key and newest.keys.deleted is None:
        command = Rotate(max(newest.keys.secrets), log.shared.keys.number)
        version = (await committer.commit(command, actor)).reply
    if not keep_old:
        key = keys_key(log.name, newest.keys.generation)
        await remove_older(log.shared.objects, keys_folder(log.name), key)
    return Renewed(newest.keys, version)


async def _key_in_use(log: Log, head: Head) -> int:
    """The number of the data key that sealed the newest version."""
    key = log_key(log.name, head.version)
    data = await log.shared.objects.get(key)
    if data is None:
        raise Conflict(f"{key} was removed just now", hint="Call again.")
    return key_id_of(data, key)

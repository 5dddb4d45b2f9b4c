"""The next generation of a workspace's manifest: its keys wrapped anew, and perhaps a new one."""

from __future__ import annotations

from datetime import UTC, datetime

from safepoint.errors import Conflict
from safepoint.format.keys import keys_folder, keys_key
from safepoint.log.generations import put_next
from safepoint.log.keys import WorkspaceKeys, renewed_manifest
from safepoint.log.manifests import Newest, newest_keys
from safepoint.log.shared import Shared

__all__ = ["rewrap_keys"]

_ATTEMPTS = 20


async def rewrap_keys(shared: Shared, name: str, *, used: int, begun: bool) -> Newest:
    """The newest keys, wrapped by the store key in force and, unless `used` is 0, with one that is
    newer than the key `used`. See `newest_keys` for `begun`.

    Raises LimitExceeded when there would be too many, Conflict when others keep changing them.
    """
    for _ in range(_ATTEMPTS):
        newest = await newest_keys(shared.objects, shared.keys, name, begun=begun)
        keys = newest.keys
        if keys is None or not (keys.store_key != shared.keys.number or _lacks_key(keys, used)):
            return newest
        generation = newest.generation + 1
        at = datetime.now(UTC).isoformat(timespec="seconds") if _lacks_key(keys, used) else None
        data, fresh = renewed_manifest(
            shared.keys, name, keys, newest.data, generation=generation, at=at, random=shared.random
        )
        target, base = keys_key(name, generation), keys_key(name, newest.generation)
        if await put_next(shared.objects, keys_folder(name), target, data, base=base):
            return Newest(generation, data, fresh)
    raise Conflict(
        f"the keys of workspace {name!r} are changed all the time",
        hint="End whatever else rotates them, and call again.",
    )


def _lacks_key(keys: WorkspaceKeys, used: int) -> bool:
    """Whether every data key is as old as the one `used`. A deleted workspace needs none."""
    return bool(used) and keys.deleted is None and max(keys.secrets) <= used

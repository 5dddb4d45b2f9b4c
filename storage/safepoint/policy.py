"""The retention policy of a whole store, which lies in its manifest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from safepoint.crypto.storekeys import StoreKeys
from safepoint.log.transitions.retention import check_policy
from safepoint.manifest import change_manifest, read_checked
from safepoint.model import RetentionPolicy
from safepoint.objects.base import ObjectStore

__all__ = ["read_policy", "write_policy"]

_FIELD = "retention"
_MS = timedelta(milliseconds=1)


async def read_policy(objects: ObjectStore, keys: StoreKeys) -> RetentionPolicy | None:
    """The policy of workspaces that have none of their own; None: they keep everything."""
    _, body = await read_checked(objects, keys)
    return _policy(body.get(_FIELD))


async def write_policy(
    objects: ObjectStore, keys: StoreKeys, policy: RetentionPolicy | None
) -> None:
    """Put this policy in its place, as a new generation of the manifest. Raises InvalidInput."""
    if policy is not None:
        check_policy(policy)

    def with_policy(body: dict[str, Any]) -> tuple[dict[str, Any], StoreKeys] | None:
        if _policy(body.get(_FIELD)) == policy:
            return None
        fresh = {name: value for name, value in body.items() if name != _FIELD}
        if policy is not None:
            within = policy.keep_within
            fresh[_FIELD] = {
                "keep_last": policy.keep_last,
                "keep_within_ms": None if within is None else within // _MS,
            }
        return fresh, keys

    await change_manifest(objects, keys, with_policy)


def _policy(stored: dict[str, Any] | None) -> RetentionPolicy | None:
    if stored is None:
        return None
    within = stored["keep_within_ms"]
    return RetentionPolicy(stored["keep_last"], None if within is None else within * _MS)

"""What a power loss leaves of an object that was never acknowledged, moved out of the way."""

from __future__ import annotations

import logging

from safepoint.format.record import is_torn
from safepoint.objects.base import ObjectStore, SetsAside

__all__ = ["set_aside_stump"]

logger = logging.getLogger("safepoint")


async def set_aside_stump(objects: ObjectStore, key: str, data: bytes) -> bool:
    """Whether `data`, which lies under `key` and does not open, was a stump that is gone now.

    The caller knows that nothing depends on the object. It is kept under `damaged/`.
    """
    if not (isinstance(objects, SetsAside) and is_torn(data)):
        return False
    moved = await objects.set_aside(key, data)
    if moved is not None:
        logger.warning("torn object %s was never acknowledged; set aside as %s", key, moved)
    return True

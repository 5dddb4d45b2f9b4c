"""The index of checkpoints: that of a block is in the block's last version."""

from __future__ import annotations

from safepoint.errors import Damaged
from safepoint.format.document import Document
from safepoint.format.entries import CheckpointEntry
from safepoint.format.keys import first_of_block, last_of_block
from safepoint.format.versions import Versions, existing, kept_of
from safepoint.log.log import Log
from safepoint.log.lost import LOST_VERSION

__all__ = ["checkpoints_of_block"]


async def checkpoints_of_block(log: Log, block: int, head: Document) -> tuple[CheckpointEntry, ...]:
    """Those in this block that the workspace, now at `head`, still has, oldest first."""
    first, last = first_of_block(block), last_of_block(block)
    kept = kept_of(head).all
    if last < head.floor and not kept.any_between(first, last):
        return ()
    try:
        document = head if last >= head.version else await log.rebuilt(last)
    except Damaged as error:
        newer = (await log.head()).document
        if last < newer.floor and not kept_of(newer).all.any_between(first, last):
            return ()  # pruned meanwhile
        if error.code != LOST_VERSION:
            raise
        left = existing(newer, log.first).between(max(first, log.first), last - 1)
        document = await _newest_left(log, left)
    return tuple(
        one for one in document.checkpoints if one.version >= head.floor or one.version in kept
    )


async def _newest_left(log: Log, left: Versions) -> Document:
    """The newest of the versions of a block that a repair has `left`: what came after it is lost,
    so that it has all that there is."""
    for version in reversed(left):
        try:
            return await log.rebuilt(version)
        except Damaged as error:
            if error.code != LOST_VERSION:
                raise
    return Document()

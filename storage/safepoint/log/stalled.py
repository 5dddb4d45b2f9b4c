"""A writer that stalled: its put may win a number that retention has freed meanwhile.

Records are removed only when they are more than a day old and two blocks behind the head, so this
takes a process that slept that long between looking at the head and writing the next version.
"""

from __future__ import annotations

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.format.keys import log_folder, log_key
from safepoint.log.keeping import needed
from safepoint.log.log import Log
from safepoint.log.newest import newest_version

__all__ = ["check_won"]


async def check_won(log: Log, version: int) -> None:
    """To be called when this version was put long after the head was looked at.

    Raises OutcomeUnknown (`stalled`) unless the version is part of the log; what was put is
    removed then.
    """
    objects, key = log.shared.objects, log_key(log.name, version)
    try:
        if await newest_version(objects, log_folder(log.name)) == version:
            return
        now = Log(log.name, log.shared)
        head = (await now.head()).document
        if head.exists and version >= max(now.first, head.floor):
            return
        if now.codec is not None and version in needed(head, now.codec.chain, now.first):
            return  # never removed, so it cannot have been free
        await objects.delete(key)
    except Unavailable as error:
        raise OutcomeUnknown(
            f"{key} was written by a process that had stalled, and whether it counts cannot be "
            f"found out: {error.message}",
            hint="Load the workspace to see.",
            code="stalled",
        ) from error
    raise OutcomeUnknown(
        f"nothing was saved as version {version} of workspace {log.name!r}: this process had "
        f"stalled, and by now the workspace is at version {head.version} and has pruned that one",
        hint="Load the workspace to see where it is, and repeat what is still to be done.",
        code="stalled",
    )

"""The open approvals of all workspaces of a store: what people are asked now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from safepoint.approvals import Approvals
from safepoint.directory import Directory, Visible
from safepoint.errors import Damaged, InvalidInput, NotFound, Unsupported
from safepoint.listing import check_limit
from safepoint.model import Approval, ApprovalStatus, Page

__all__ = ["inbox_page"]

_WORKSPACES_AT_ONCE = 32


async def inbox_page(
    directory: Directory,
    approvals: Callable[[str], Approvals],
    *,
    limit: int,
    cursor: str | None,
    visible: Visible,
) -> Page[Approval]:
    """See Store.inbox. Summaries tell which workspaces to read; those are read as they are now.

    A cursor is the folder behind which to look, the one to go on in, and the version up to which
    the questions of that were shown.
    """
    check_limit(limit)
    after, going_on, shown = _position(cursor)
    items: list[tuple[Approval, str]] = []
    while len(items) <= limit:
        found = await directory.scan(
            lambda info: info.open_approvals > 0,
            limit=_WORKSPACES_AT_ONCE,
            after=after,
            visible=visible,
        )
        some = found[:_WORKSPACES_AT_ONCE]
        opened = await asyncio.gather(*(_open(approvals(info.name)) for _, info in some))
        for (folder, _), asked in zip(some, opened, strict=True):
            skipped = shown if folder == going_on else 0
            items += [
                (approval, f"{after}/{folder}/{approval.asked_version}")
                for approval in asked
                if approval.asked_version > skipped
            ]
            after = folder
        if len(found) <= _WORKSPACES_AT_ONCE:
            break
    page = items[:limit]
    return Page(
        tuple(approval for approval, _ in page), page[-1][1] if len(items) > limit else None
    )


async def _open(approvals: Approvals) -> tuple[Approval, ...]:
    try:
        return await approvals.list(ApprovalStatus.PENDING)
    except (NotFound, Damaged, Unsupported):  # deleted meanwhile; what is damaged, lists show
        return ()


def _position(cursor: str | None) -> tuple[str, str, int]:
    parts = (cursor or "//0").split("/")
    if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 12):
        raise InvalidInput(
            "this cursor is not one that a page gave",
            hint="Leave the cursor out for the first page.",
        )
    return parts[0], parts[1], int(parts[2])

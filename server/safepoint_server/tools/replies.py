"""The pieces that replies share: times, actors, progress, cut texts and pages that fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from safepoint import Actor, Page, Progress
from safepoint.format.jsontext import encode_json
from safepoint.values import dataclass
from safepoint_server.tools.base import Reply

__all__ = ["ActorReply", "ProgressReply", "cut", "fitting_page", "timestamp"]

T = TypeVar("T")
R = TypeVar("R", bound=Reply)
PAGE_BYTES: Final = 24_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorReply(Reply):
    name: str
    version: str | None = None
    host: str | None = None
    process: str | None = None
    transport: str | None = None

    @classmethod
    def of(cls, actor: Actor) -> ActorReply:
        return cls(
            name=cut(actor.name, 100),
            version=cut(actor.version, 50) or None,
            host=cut(actor.host, 100) or None,
            process=cut(actor.process, 20) or None,
            transport=cut(actor.transport, 20) or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReply(Reply):
    """How many steps there are and how many stand where; what is zero is left out."""

    total: int
    done: int | None = None
    skipped: int | None = None
    failed: int | None = None
    running: int | None = None
    interrupted: int | None = None
    pending: int | None = None

    @classmethod
    def of(cls, progress: Progress) -> ProgressReply:
        return cls(
            total=progress.total,
            done=progress.done or None,
            skipped=progress.skipped or None,
            failed=progress.failed or None,
            running=progress.running or None,
            interrupted=progress.interrupted or None,
            pending=progress.pending or None,
        )


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond: 2026-11-20T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cut(text: str, chars: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= chars else f"{text[: max(chars - 1, 0)]}…"


async def fitting_page(
    fetch: Callable[[int], Awaitable[Page[T]]], show: Callable[[T], R], limit: int
) -> tuple[list[R], str | None]:
    """At most `limit` items of a page and the cursor after them, in at most about 24 KB.

    A page that is too large is asked for again with as many items as fit, so that the cursor
    stands behind the last one shown.
    """
    while True:
        page = await fetch(limit)
        shown = [show(item) for item in page.items]
        size, fits = 0, 0
        for item in shown:
            size += len(encode_json(item.data())) + 1
            if size > PAGE_BYTES and fits:
                break
            fits += 1
        if fits == len(shown):
            return shown, page.next_cursor
        limit = fits

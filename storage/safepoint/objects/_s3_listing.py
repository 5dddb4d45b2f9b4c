"""Listing in byte order what S3 and its likes list: pure but for the function that fetches a page.

Theory. S3 orders whole keys by bytes. SeaweedFS orders them as a tree, as if `/` came before any
other character, so `a/z` before `a-b`. The two differ only where, behind a common start, one key
goes on with `/` and the other with one of the characters before it (`!` to `.`). Folders are to be
ordered by name, so the same holds the other way round: S3 lists `b-c/` before `b/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from safepoint.errors import InvalidInput
from safepoint.objects._keys import check_key

__all__ = ["Fetch", "ListPage", "ListRequest", "folders_in", "keys_below"]

PAGE = 1000
_MAX_LOOKS = 4


class ListRequest(NamedTuple):
    """`token` continues an earlier answer to the same request."""

    prefix: str
    after: str = ""
    limit: int = PAGE
    folders: bool = False
    token: str | None = None


class ListPage(NamedTuple):
    """Keys, and names of folders without `/`, in the server's order; None for the last page."""

    keys: list[str]
    folders: list[str]
    token: str | None


Fetch = Callable[[ListRequest], Awaitable[ListPage]]


async def keys_below(
    fetch: Fetch, prefix: str, after: str, limit: int, *, by_bytes: bool
) -> list[str]:
    """At most `limit` keys that start with `prefix` and sort after `after`, ascending by bytes.

    `by_bytes` says that the server is known to list so; then a page costs one request. Otherwise
    a page may miss keys that lie deeper than its own: it is exact when its keys lie directly below
    `prefix` and no folder stands where the other order would put it before `after`. When it is not
    exact, everything below `prefix` is fetched.
    """
    if after >= prefix and not after.startswith(prefix):
        return []
    start = after if after > prefix else ""
    found, more = await _pages(fetch, prefix, start, limit)
    exact = by_bytes or (not start and not more)
    if not (exact or await _is_flat(fetch, prefix, start, found)):
        found, _ = await _pages(fetch, prefix, "", None)
    return sorted(key for key in found if key > after)[:limit]


async def folders_in(fetch: Fetch, prefix: str, after: str, limit: int) -> list[str]:
    """At most `limit` names of folders directly below `prefix` that sort after `after`, ascending.

    Right for both orders. What a page misses can only be a start of its last name.
    """
    names: set[str] = set()
    last, token = "", None
    while True:
        page = await fetch(
            ListRequest(prefix, prefix + after if after else "", folders=True, token=token)
        )
        names.update(name for name in page.folders if name > after)
        last, token = page.folders[-1] if page.folders else last, page.token
        if token is None:
            return sorted(names)[:limit]
        if len(names) >= limit:
            break
    bound = sorted(names)[limit - 1]
    missed = [
        last[:end]
        for end in range(1, len(last))
        if last[end] < "/" and after < last[:end] < bound and last[:end] not in names
    ]
    there = await asyncio.gather(*(_is_there(fetch, f"{prefix}{name}/") for name in missed))
    names.update(name for name, is_there in zip(missed, there, strict=True) if is_there)
    return sorted(names)[:limit]


async def _pages(
    fetch: Fetch, prefix: str, after: str, limit: int | None
) -> tuple[list[str], bool]:
    """The keys of as many pages as `limit` takes, or of all; and whether there are more."""
    found: list[str] = []
    token: str | None = None
    while limit is None or len(found) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(found))
        page = await fetch(ListRequest(prefix, after, size, token=token))
        found += (key for key in page.keys if _is_legal(key))
        token = page.token
        if token is None:
            return found, False
    return found, True


async def _is_flat(fetch: Fetch, prefix: str, after: str, found: list[str]) -> bool:
    """Whether `found` is what either order gives: nothing lies deeper, between them or before.

    A key that does not even sort after `after` shows the tree's order at work.
    """
    if any("/" in key[len(prefix) :] or key <= after for key in found):
        return False
    hidden = [after[:end] for end in range(len(prefix) + 1, len(after)) if "!" <= after[end] < "/"]
    if len(hidden) > _MAX_LOOKS:
        return False
    return not any(await asyncio.gather(*(_is_there(fetch, name + "/") for name in hidden)))


async def _is_there(fetch: Fetch, prefix: str) -> bool:
    page = await fetch(ListRequest(prefix, limit=1))
    return bool(page.keys)


def _is_legal(key: str) -> bool:
    """Not so for what others put there, such as the empty `folder/` objects of S3's console."""
    try:
        check_key(key)
    except InvalidInput:
        return False
    return True

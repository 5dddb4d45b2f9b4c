"""Lists are exact, whether the server orders keys by bytes or as a tree, at any size of page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safepoint.objects._s3_listing import ListPage, ListRequest, folders_in, keys_below

NAMES = st.text("ab-.0", min_size=1, max_size=4).filter(lambda s: s.strip(".") == s)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
AFTER = st.just("") | KEYS
PREFIX = "p/"


def by_bytes(key: str) -> str:
    return key


def as_tree(key: str) -> str:
    return key.replace("/", "\0")


class Server:
    """Lists `keys` in its own order, at most `page` of them at once; counts requests."""

    def __init__(self, keys: set[str], order: Callable[[str], Any], page: int) -> None:
        self._keys = sorted(keys, key=order)
        self._order = order
        self._page = page
        self.requests = 0

    async def fetch(self, request: ListRequest) -> ListPage:
        self.requests += 1
        start = request.token or request.after
        entries: list[str] = []
        for key in self._keys:
            if key.startswith(request.prefix):
                name, slash, _ = key[len(request.prefix) :].partition("/")
                entry = request.prefix + name + slash if request.folders else key
                if entry not in entries and self._order(entry) > self._order(start):
                    entries.append(entry)
        size = min(self._page, request.limit)
        page, rest = entries[:size], entries[size:]
        return ListPage(
            [entry for entry in page if not (request.folders and entry.endswith("/"))],
            [entry[len(request.prefix) : -1] for entry in page if entry.endswith("/")],
            page[-1] if rest else None,
        )


orders = pytest.mark.parametrize("order", [by_bytes, as_tree])


@orders
@given(
    names=st.sets(KEYS, max_size=14), after=AFTER, limit=st.integers(1, 6), page=st.integers(1, 5)
)
def test_keys_are_the_smallest_after(
    order: Callable[[str], Any], names: set[str], after: str, limit: int, page: int
) -> None:
    keys = {PREFIX + name for name in names} | {"o/x", "p-/y", "p.", "p0/z", "q"}
    start = PREFIX + after if after else ""
    server = Server(keys, order, page)
    found = asyncio.run(keys_below(server.fetch, PREFIX, start, limit, by_bytes=order is by_bytes))
    below = sorted(key for key in keys if key.startswith(PREFIX) and key > start)
    assert found == below[:limit]


@orders
@given(names=st.sets(KEYS, max_size=10), size=st.integers(1, 4), page=st.integers(1, 5))
@example(names={"0.0", "0/0", "00"}, size=1, page=1000)
def test_pages_that_follow_each_other_make_the_whole_list(
    order: Callable[[str], Any], names: set[str], size: int, page: int
) -> None:
    keys = {PREFIX + name for name in names}
    server = Server(keys, order, page)
    found: list[str] = []
    while True:
        after = found[-1] if found else ""
        more = asyncio.run(
            keys_below(server.fetch, PREFIX, after, size, by_bytes=order is by_bytes)
        )
        found += more
        if len(more) < size:
            break
    assert found == sorted(keys)


@orders
@given(
    names=st.sets(KEYS, max_size=14), after=AFTER, limit=st.integers(1, 6), page=st.integers(1, 5)
)
def test_folders_are_the_smallest_after(
    order: Callable[[str], Any], names: set[str], after: str, limit: int, page: int
) -> None:
    keys = {PREFIX + name for name in names} | {"o/x", "p-/y", "p0/z", "q"}
    server = Server(keys, order, page)
    found = asyncio.run(folders_in(server.fetch, PREFIX, after, limit))
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert found == sorted(folder for folder in folders if folder > after)[:limit]


@orders
def test_the_newest_of_a_long_log_takes_one_request(order: Callable[[str], Any]) -> None:
    keys = {f"p/{99_999_999 - n:08d}-{n:08d}" for n in range(1, 3000)}
    server = Server(keys, order, 1000)
    found = asyncio.run(keys_below(server.fetch, PREFIX, "", 1, by_bytes=order is by_bytes))
    assert found == [min(keys)]
    assert server.requests == 1


def test_a_page_of_a_log_takes_two_requests_where_the_order_is_not_known() -> None:
    keys = {f"p/{99_999_999 - n:08d}-{n:08d}" for n in range(1, 3000)}
    server = Server(keys, as_tree, 1000)
    after = sorted(keys)[1000]
    found = asyncio.run(keys_below(server.fetch, PREFIX, after, 500, by_bytes=False))
    assert found == sorted(keys)[1001:1501]
    assert server.requests == 2


def test_what_others_put_there_is_not_listed() -> None:
    server = Server({"p/", "p/a", "p/folder/", "p/with space", "p/ä", "p/z"}, by_bytes, 2)
    assert asyncio.run(keys_below(server.fetch, PREFIX, "", 2, by_bytes=True)) == ["p/a", "p/z"]


def test_a_start_outside_the_prefix_asks_for_all_or_for_nothing() -> None:
    server = Server({"p/a", "p/b"}, by_bytes, 10)
    for after in ("a", "p", "p/"):
        found = asyncio.run(keys_below(server.fetch, PREFIX, after, 5, by_bytes=False))
        assert found == ["p/a", "p/b"]
    assert asyncio.run(keys_below(server.fetch, PREFIX, "p0", 5, by_bytes=False)) == []
    assert server.requests == 3

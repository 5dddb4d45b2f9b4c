"""Versions in memory stay within their bytes, and what was not used for longest is dropped."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from safepoint.format.record import Record
from safepoint.log.cache import DocumentCache, Kept

ONE, OTHER = b"one workspace", b"another"


def record(version: int, delta: bytes = b"") -> Record:
    return Record(version, 0, 0, b"", b"", 0, b"", {}, delta)


ROOM = Kept(record(1), None).size
"""What a version takes besides its document."""


def put(cache: DocumentCache, version: int, document: bytes) -> None:
    cache.put(ONE, record(version), document)


def document(cache: DocumentCache, version: int, workspace: bytes = ONE) -> bytes | None:
    kept = cache.get(workspace, version)
    return None if kept is None else kept.document


def test_it_drops_what_was_not_used_for_longest() -> None:
    cache = DocumentCache(2 * ROOM + 10)
    put(cache, 1, b"aaaa")
    put(cache, 2, b"bbbb")
    assert document(cache, 1) == b"aaaa"
    put(cache, 3, b"cccc")
    assert [document(cache, version) for version in (1, 2, 3)] == [b"aaaa", None, b"cccc"]


def test_hits_and_misses_of_documents_are_counted() -> None:
    cache = DocumentCache(10 * ROOM)
    put(cache, 1, b"a")
    for version in (1, 2, 1):
        cache.get(ONE, version)
    assert (cache.hits, cache.misses) == (2, 1)
    cache.shed(ONE, 1)
    cache.get(ONE, 1)
    assert (cache.hits, cache.misses) == (2, 2)


def test_workspaces_do_not_share_versions() -> None:
    cache = DocumentCache(10 * ROOM)
    put(cache, 1, b"a")
    assert cache.get(OTHER, 1) is None


def test_a_document_larger_than_the_cache_is_not_kept() -> None:
    cache = DocumentCache(ROOM + 3)
    put(cache, 1, b"aaaa")
    assert cache.get(ONE, 1) is None
    assert cache.bytes == 0


def test_a_version_without_its_document_keeps_its_record_and_takes_less_room() -> None:
    cache = DocumentCache(10 * ROOM)
    cache.put(ONE, record(1, b"delta"), bytes(1000))
    cache.shed(ONE, 1)
    cache.shed(ONE, 2)
    assert cache.get(ONE, 1) == Kept(record(1, b"delta"), None)
    assert cache.get(ONE, 2) is None
    assert cache.bytes == ROOM + len(b"delta")


@given(st.lists(st.tuples(st.integers(1, 5), st.none() | st.binary(max_size=2 * ROOM))))
def test_it_never_holds_more_than_its_bytes_and_counts_them_right(
    changes: list[tuple[int, bytes | None]],
) -> None:
    cache = DocumentCache(4 * ROOM)
    for version, given_ in changes:
        if given_ is None:
            cache.shed(ONE, version)
        else:
            put(cache, version, given_)
        held = [kept for n in range(1, 6) if (kept := cache.get(ONE, n)) is not None]
        assert cache.bytes == sum(kept.size for kept in held) <= 4 * ROOM
        assert document(cache, version) in (given_, None)


def test_threads_may_share_it() -> None:
    cache, before = DocumentCache(5 * (10_000 + ROOM)), sys.getswitchinterval()

    def use(seed: int) -> None:
        some = random.Random(seed)
        for _ in range(5_000):
            version, what = some.randrange(8), some.random()
            if what < 0.5:
                put(cache, version, bytes(10_000))
            elif what < 0.6:
                cache.shed(ONE, version)
            else:
                cache.get(ONE, version)

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(use, range(4)))
    finally:
        sys.setswitchinterval(before)
    held = [kept for version in range(8) if (kept := cache.get(ONE, version)) is not None]
    assert cache.bytes == sum(kept.size for kept in held) <= cache.max_bytes
    assert len(held) >= 5

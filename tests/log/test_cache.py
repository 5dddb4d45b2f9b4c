"""The document cache stays within its bytes and drops what was not used for longest."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from safepoint.log.cache import DocumentCache

ONE, OTHER = b"one workspace", b"another"


def test_it_drops_what_was_not_used_for_longest() -> None:
    cache = DocumentCache(10)
    cache.put(ONE, 1, b"aaaa")
    cache.put(ONE, 2, b"bbbb")
    assert cache.get(ONE, 1) == b"aaaa"
    cache.put(ONE, 3, b"cccc")
    assert [cache.get(ONE, version) for version in (1, 2, 3)] == [b"aaaa", None, b"cccc"]


def test_hits_and_misses_are_counted() -> None:
    cache = DocumentCache(10)
    cache.put(ONE, 1, b"a")
    for version in (1, 2, 1):
        cache.get(ONE, version)
    assert (cache.hits, cache.misses) == (2, 1)


def test_workspaces_do_not_share_versions() -> None:
    cache = DocumentCache(10)
    cache.put(ONE, 1, b"a")
    assert cache.get(OTHER, 1) is None


def test_a_document_larger_than_the_cache_is_not_kept() -> None:
    cache = DocumentCache(3)
    cache.put(ONE, 1, b"aaaa")
    assert cache.get(ONE, 1) is None
    assert cache.bytes == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.binary(max_size=8))))
def test_it_never_holds_more_than_its_bytes_and_counts_them_right(
    puts: list[tuple[int, bytes]],
) -> None:
    cache = DocumentCache(16)
    for version, document in puts:
        cache.put(ONE, version, document)
        held = {n: found for n in range(1, 6) if (found := cache.get(ONE, n)) is not None}
        assert cache.bytes == sum(map(len, held.values())) <= 16
        assert held.get(version, document) == document


def test_threads_may_share_it() -> None:
    cache, before = DocumentCache(50_000), sys.getswitchinterval()

    def use(seed: int) -> None:
        some = random.Random(seed)
        for _ in range(5_000):
            version = some.randrange(8)
            if some.random() < 0.5:
                cache.put(ONE, version, bytes(10_000))
            else:
                cache.get(ONE, version)

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(use, range(4)))
    finally:
        sys.setswitchinterval(before)
    held = [found for version in range(8) if (found := cache.get(ONE, version)) is not None]
    assert cache.bytes == sum(map(len, held)) == 50_000

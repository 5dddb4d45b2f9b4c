"""Deltas are small where little changed, exact, and never larger in memory than they may be."""

from __future__ import annotations

import platform
import random
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.format.delta import MAX_DOCUMENT_BYTES, compress, decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KB, MB = 1024, 1024 * 1024


def words(size: int, seed: int = 0) -> bytes:
    """Text that compresses as a chat does: words, chosen at random."""
    chosen = random.Random(seed)
    vocabulary = [chosen.randbytes(chosen.randint(1, 5)).hex().encode() for _ in range(3000)]
    return b" ".join(chosen.choices(vocabulary, k=size // 4))[:size]


def noise(size: int) -> bytes:
    """Data that does not compress at all: every saving is the delta's."""
    return random.Random(size).randbytes(size)


@given(st.binary(max_size=2000), st.none() | st.binary(max_size=2000))
def test_a_document_comes_back_from_its_delta(document: bytes, base: bytes | None) -> None:
    delta = compress(document, base)
    assert decompress(delta, base, len(document)) == document


@given(st.binary(min_size=1, max_size=500), st.lists(st.integers(0, 499), max_size=5))
def test_an_edited_document_comes_back_from_its_delta(base: bytes, places: list[int]) -> None:
    document = bytearray(base * 20)
    for place in places:
        document[place % len(document)] ^= 255
    delta = compress(bytes(document), base * 20)
    assert decompress(delta, base * 20, len(document)) == document


def test_a_chat_of_100_kb_that_grows_by_1_kb_costs_less_than_2_kb() -> None:
    base = words(100 * KB)
    document = base + words(1 * KB, seed=1)
    assert len(compress(document, base)) < 2 * KB
    assert len(compress(document, None)) > 20 * KB


@pytest.mark.parametrize(
    ("size", "budget"),
    [
        (200 * KB, 2 * KB),
        (1 * MB, 4 * KB),
        (2 * MB - KB, 4 * KB),
        (2 * MB, 4 * KB),
        (10 * MB, 8 * KB),
    ],
)
def test_a_small_change_in_a_large_document_costs_little(size: int, budget: int) -> None:
    """Unless all of the base can be found the delta would be as large as the document."""
    base = words(size)
    document = base[: size // 3] + b"changed" + base[size // 3 + 3 :] + words(1 * KB, seed=1)
    delta = compress(document, base)
    assert len(delta) < budget
    assert decompress(delta, base, len(document)) == document


def test_data_that_does_not_compress_costs_less_than_2_kb_a_megabyte() -> None:
    base = noise(10 * MB)
    assert len(compress(base + b"more", base)) < 20 * KB


def test_documents_as_large_as_they_may_be_still_see_their_whole_base() -> None:
    base = noise(MAX_DOCUMENT_BYTES)
    document = base[: 9 * MB] + b"changed" + base[9 * MB + 7 :]
    delta = compress(document, base)
    assert len(delta) < 126 * KB
    assert decompress(delta, base, len(document)) == document


def test_what_moved_to_the_front_is_still_found() -> None:
    for size in (200 * KB, 2 * MB, 3 * MB):
        base = noise(size)
        assert len(compress(base[size // 2 :] + base[: size // 2], base)) < 1 * KB


@pytest.mark.parametrize("size", [0, 1, 1000, 40 * MB - 1])
def test_a_bomb_is_refused_without_being_unpacked(size: int) -> None:
    bomb = compress(bytes(40 * MB), None)
    assert len(bomb) < 4 * KB
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="length"):
            decompress(bomb, None, size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * size + MB


def test_a_stated_size_larger_than_any_document_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="larger than any"):
        decompress(compress(b"small", None), None, MAX_DOCUMENT_BYTES + 1)


def test_a_frame_that_wants_a_larger_window_than_any_of_ours_is_refused() -> None:
    options = {
        zstd.CompressionParameter.compression_level: 1,
        zstd.CompressionParameter.window_log: 28,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(b"a" * 300) + compressor.flush()
    with pytest.raises(ValueError, match=r"(?i)window|memory"):
        decompress(frame, None, 300)


def test_a_delta_cut_short_prolonged_or_of_another_size_is_refused() -> None:
    base = words(4 * KB)
    document = base + b"more"
    delta = compress(document, base)
    for cut in range(len(delta)):
        with pytest.raises(ValueError):  # noqa: PT011 - any: the caller says which object
            decompress(delta[:cut], base, len(document))
    for size in (0, len(document) - 1, len(document) + 1):
        with pytest.raises(ValueError, match="length"):
            decompress(delta, base, size)
    for more in (b"\0", delta):
        with pytest.raises(ValueError, match="length"):
            decompress(delta + more, base, len(document))


GROWING = """
import random, resource
from safepoint.format.delta import compress

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

words = [random.Random(1).randbytes(6).hex().encode() for _ in range(500)]
document, before = b" ".join(words) * 10, 0
for number in range(50):
    if number == 10:
        before = faults()
    grown = document + words[number] * 300
    compress(grown, document)
    document = grown
print((faults() - before) / 40)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the allocator of glibc")
def test_a_document_that_grows_does_not_take_new_memory_from_the_system_at_every_commit() -> None:
    """The pages that a compressor of its own touches would be about ninety."""
    told = subprocess.run(
        [sys.executable, "-c", GROWING], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(told.stdout) < 30

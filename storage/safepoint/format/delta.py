"""A document as a zstd frame that uses an earlier version's document as its prefix (RFC 8878)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_DOCUMENT_BYTES", "compress", "decompress"]

# Old and new document together must fit the largest window a decoder has to grant, 128 MiB.
MAX_DOCUMENT_BYTES = 63 * 1024 * 1024
_MAX_WINDOW_LOG = 27
_MIN_WINDOW_LOG = 10
_MIN_PREFIX_BYTES = 8
_MIN_HASH_LOG, _FAR_HASH_LOG = 10, 16
_FAR = 4 * 1024 * 1024

# A compressor takes a megabyte or two, more with every commit that makes the document larger. glibc
# gets blocks above a threshold from the kernel, which clears each page, and gives them back when
# they are freed; the threshold is the largest that was freed so far (mallopt(3)). So free a large
# one once: `bytes` leaves its pages untouched (calloc).
bytes(8 * 1024 * 1024)

_Option = zstd.CompressionParameter


def compress(document: bytes, base: bytes | None) -> bytes:
    """`document` as a difference to `base`, or whole when there is none.

    zstd's fastest search, with a hash table that has room for all of the base: no level has that,
    and without it a change in a large document would not be found and the "difference" would
    silently be as large as the document. Above 4 MiB, where such a table would no longer stay in
    the processor's cache, long-distance matching does the same with a small one.
    """
    size = len(document) + len(base or b"")
    bits, far = size.bit_length(), size > _FAR
    options: Mapping[int, int] = {
        _Option.strategy: zstd.Strategy.fast,
        _Option.window_log: max(_MIN_WINDOW_LOG, min(_MAX_WINDOW_LOG, bits)),
        _Option.hash_log: _FAR_HASH_LOG if far else max(_MIN_HASH_LOG, bits - 2),
        _Option.min_match: 6,
        _Option.enable_long_distance_matching: int(far),
        _Option.checksum_flag: 0,
        _Option.dict_id_flag: 0,
    }
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=_prefix(base))
    return compressor.compress(document, mode=zstd.ZstdCompressor.FLUSH_FRAME)


def decompress(delta: bytes, base: bytes | None, size: int) -> bytes:
    """The document of exactly `size` bytes. Never allocates more than that.

    Raises ValueError when `delta` is not a frame of such a document.
    """
    if size > MAX_DOCUMENT_BYTES:
        raise ValueError("larger than any document")
    options: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(zstd_dict=_prefix(base), options=options)
    try:
        document = decompressor.decompress(delta, max_length=size)
        if not decompressor.eof:  # an empty answer may still owe the end of the frame
            document += decompressor.decompress(b"", max_length=1)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from None
    if len(document) != size or not decompressor.eof or decompressor.unused_data:
        raise ValueError("not of the stated length")
    return document


def _prefix(base: bytes | None) -> tuple[zstd.ZstdDict, int] | None:
    if base is None or len(base) < _MIN_PREFIX_BYTES:
        return None
    return zstd.ZstdDict(base, is_raw=True).as_prefix

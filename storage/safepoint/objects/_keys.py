"""Which keys an object store takes, so that none can name anything outside the store."""

from __future__ import annotations

import re

from safepoint.errors import InvalidInput

__all__ = ["MAX_SEGMENT_BYTES", "check_key", "check_prefix"]

MAX_SEGMENT_BYTES = 200
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[!-.0-9;-\[\]-~]{1,200}\Z")


def check_key(key: str) -> None:
    """Accept `/`-separated segments of 1-200 printable ASCII characters but space, `:` and `\\`.

    Raises:
        InvalidInput: a segment is empty, `.`, `..`, too long, or holds another character.
    """
    for segment in key.split("/"):
        if not _SEGMENT.match(segment):
            raise InvalidInput(
                f"{key[:300]!r} cannot be the key of an object: the part {segment[:60]!r} is "
                f"empty, a dot segment, longer than {MAX_SEGMENT_BYTES} bytes, or not plain ASCII",
                hint="Encode names before they become keys.",
            )


def check_prefix(prefix: str) -> None:
    """Accept the empty prefix (everything) and any key followed by `/`.

    Raises:
        InvalidInput: anything else.
    """
    if not prefix:
        return
    if not prefix.endswith("/"):
        raise InvalidInput(f"the prefix {prefix[:300]!r} does not end with '/'")
    check_key(prefix[:-1])

"""Parts of text: whole characters, wherever the bytes were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint_server.texts import is_text, text_part


@given(st.text(max_size=40), st.integers(4, 12))
def test_parts_one_after_the_other_are_the_text(text: str, size: int) -> None:
    data, start, found = text.encode(), 0, ""
    while start < len(data):
        part = text_part(data[start : start + size], start, final=start + size >= len(data))
        assert part is not None
        assert part.end > start
        found, start = found + part.text, part.end
    assert found == text


def test_a_part_that_begins_within_a_character_begins_with_the_next() -> None:
    part = text_part("ä€x".encode()[1:], 1, final=True)
    assert part is not None
    assert (part.text, part.start, part.end) == ("€x", 2, 6)


@pytest.mark.parametrize("data", [b"\xff", b"a\xffb", b"\xc3", b"\x80\x80\x80\x80\x80"])
def test_what_is_not_utf_8_is_no_text(data: bytes) -> None:
    assert text_part(data, 0, final=True) is None


def test_less_than_a_character_is_no_text_part() -> None:
    assert text_part("😀".encode()[:2], 0, final=False) is None


@pytest.mark.parametrize(
    ("media_type", "textual"),
    [("text/plain", True), ("text/html; charset=utf-8", True), ("application/json", True),
     ("image/svg+xml", True), ("APPLICATION/YAML", True), ("image/png", False),
     ("application/octet-stream", False), ("context/x", False)],
)  # fmt: skip
def test_media_types_of_text_are_known(media_type: str, textual: bool) -> None:
    assert is_text(media_type) is textual

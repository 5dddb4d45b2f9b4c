"""Stored text cannot act on the terminal that shows it."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint_server.cli.plain import ago, ascii_json, json_text, one_line, paragraph, size

anything = st.text(st.characters(categories=None), max_size=50)


@given(anything)
def test_no_control_format_or_surrogate_character_is_left_in_a_line(text: str) -> None:
    left = {unicodedata.category(character) for character in one_line(text)}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}


@given(anything)
def test_a_paragraph_keeps_line_ends_and_nothing_else(text: str) -> None:
    left = {c for c in paragraph(text) if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}}
    assert left <= {"\n"}


@pytest.mark.parametrize("character", "\x1b\x07\x9b\u202e\u2066\u200b\u2028\ufeff\x7f\r")
def test_characters_that_move_hide_or_reorder_are_written_as_escapes(character: str) -> None:
    assert one_line(f"a{character}b").isprintable()
    assert character not in paragraph(f"a{character}b")


def test_ordinary_text_of_any_script_stays() -> None:
    assert one_line("Grüße, 世界, 🎉 שלום") == "Grüße, 世界, 🎉 שלום"


@given(st.recursive(anything, lambda inner: st.lists(inner) | st.dictionaries(anything, inner)))
def test_json_made_safe_is_the_same_value(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(json_text(text)) == value
    plain = ascii_json(text)
    assert plain.isascii()
    assert json.loads(plain) == value


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (999_960, "1.0 MB"), (3 * 10**12, "3000.0 GB")],
)
def test_sizes_are_told_in_one_unit(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages_are_told_in_one_unit(seconds: int, words: str) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert ago(now - timedelta(seconds=seconds), now) == words


def test_a_time_ahead_of_the_clock_is_told_in_full() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert ago(now + timedelta(hours=1), now) == "2026-11-21 01:00:00Z"

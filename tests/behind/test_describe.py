"""What a bucket shows beside a sealed record follows the names policy."""

from __future__ import annotations

from safepoint.behind.describe import describe

EVENT = {"kind": "save", "label": "vor Köln\n", "step": "fetch", "state_bytes": 7, "actor": {}}


def test_full_shows_event_version_label_and_step_in_ascii() -> None:
    assert describe("full", 12, EVENT) == {
        "safepoint-version": "12",
        "safepoint-event": "save",
        "safepoint-label": "vor K%C3%B6ln%0A",
        "safepoint-step": "fetch",
    }


def test_counts_shows_no_names_and_off_shows_nothing() -> None:
    assert describe("counts", 12, EVENT) == {"safepoint-version": "12", "safepoint-event": "save"}
    assert describe("off", 12, EVENT) == {}


def test_an_approval_is_named_only_where_names_are_shown() -> None:
    asked = {"kind": "ask", "approval": "fire Bob", "replaces": "denied"}
    shown = {"safepoint-version": "1", "safepoint-event": "ask"}
    assert describe("full", 1, asked) == {**shown, "safepoint-approval": "fire Bob"}
    assert describe("counts", 1, asked) == shown


def test_all_of_it_fits_the_two_kilobytes_that_s3_allows() -> None:
    shown = describe("full", 99_999_999, EVENT | {"label": "ö" * 200, "step": "x" * 200})
    assert sum(len(name) + len(value) for name, value in shown.items()) < 2048

"""Pages show what they are given, as text and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pages.markup import Markup
from tests.pages.values import HOSTILE, at, root_page, workspace_page

from safepoint.pages import CheckpointRow, RootPage, render_root, render_workspace
from safepoint.pages.html import duration, href, plain, size

SAFE_TAGS = Markup(render_workspace(workspace_page("name"))).tags


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(name: str) -> None:
    page = Markup(render_workspace(workspace_page(name)))
    assert page.tags == SAFE_TAGS
    assert not {a for a in page.attributes if a.startswith("on") or a == "style"}
    visible = re.sub(r"[\x00-\x1f\u202e\u2066]", lambda c: f"\u2039U+{ord(c[0]):04X}\u203a", name)
    assert visible in page.text
    assert visible in Markup(render_root(root_page([name]))).text


@given(st.text(min_size=1))
def test_no_text_can_add_a_tag(name: str) -> None:
    assert Markup(render_workspace(workspace_page(name))).tags == SAFE_TAGS


@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp"]), min_size=1))
def test_what_cannot_be_seen_or_turns_text_round_is_shown_by_its_number(text: str) -> None:
    assert set(plain(text)) <= set("\u2039\u203aU+0123456789ABCDEF\u200c\u200d")


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    for data in (render_workspace(workspace_page("n")), render_root(root_page(["n"]))):
        page = Markup(data)
        assert not {"script", "iframe", "object", "form", "base", "img"} & set(page.tags)
        assert [url for url in page.urls if ":" in url and not url.startswith("data:")] == []
        assert b"default-src &#x27;none&#x27;" in data
        assert b"url(" not in data.replace(b"url(#names)", b"")


def test_the_root_page_shows_each_workspace() -> None:
    page = Markup(render_root(root_page(["one", "two"], more=True, unread=3)))
    assert page.rows[0] == ["Workspace", "Status", "Progress", "Version", "State", "Changed (UTC)"]
    words = "5 of 10 finished, 1 failed, 1 interrupted, 1 running"
    assert page.rows[1] == ["one", "▶ active", words, "7", "12 KiB", "2026-01-01 08:01:00"]
    assert [row[0] for row in page.rows[1:]] == ["one", "two"]
    assert page.links[0] == "workspaces/%253cfolder%253e/index.html"
    assert "There are more" in page.text
    assert "3 more have not been summarised" in page.text


def test_the_root_page_ends_at_a_thousand_workspaces() -> None:
    page = Markup(render_root(root_page([f"n{i}" for i in range(1001)])))
    assert len(page.rows) == 1 + 1000
    assert "the 1,000 workspaces that changed last" in page.text


def test_an_empty_store_says_so() -> None:
    assert "No workspaces yet" in Markup(render_root(RootPage((), at(0)))).text


def test_a_workspace_page_shows_steps_and_checkpoints() -> None:
    page = Markup(render_workspace(workspace_page("trip")))
    steps, checkpoints = page.rows[:5], page.rows[5:]
    assert steps[0] == ["#", "Step", "Status", "Attempts", "Started (UTC)", "Took", "Who"]
    assert steps[2] == ["2", "trip", "✕ failed", "2", "2026-01-01 08:00:20", "1.0 s", "trip"]
    assert steps[4] == ["4", "trip", "○ pending", *["\u2013"] * 4]
    assert checkpoints[0] == ["Version", "Saved (UTC)", "Kind", "Label", "Step", "State", "Who"]
    assert [row[0] for row in checkpoints[1:]] == ["9", "5"]
    assert checkpoints[1][2:] == ["◆ milestone", "trip", "trip", "4.0 KiB", "trip"]
    assert "the newest 2" in page.text
    assert page.links == ["../../index.html"]


def test_without_names_the_columns_of_names_are_left_out() -> None:
    page = Markup(render_workspace(workspace_page("trip", names=False)))
    assert page.rows[0] == ["#", "Status", "Attempts", "Started (UTC)", "Took"]
    assert page.rows[5] == ["Version", "Saved (UTC)", "Kind", "State"]
    assert "Step 3: running" in page.text
    assert "SAFEPOINT_PAGES=full" in page.text


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.003, "08:00:00.00"), (0.9, "08:00:00.15"), (60, "08:00:10<")]
)
def test_times_on_the_axis_can_be_told_apart(seconds: float, told: str) -> None:
    points = [
        CheckpointRow(version, at(seconds * part), False, 1, None, None, None)
        for version, part in ((1, 0), (2, 0.5), (3, 1))
    ]
    page = replace(workspace_page("trip"), steps=(), checkpoints=tuple(points))
    figure = render_workspace(page).decode().partition('<svg class="time"')[2]
    ticks = re.findall(r'y="32">([^<]*<)', figure)
    assert len(set(ticks)) == len(ticks) > 2
    assert any(tick.startswith(told) for tick in ticks)


def test_every_picture_says_in_words_what_it_shows() -> None:
    data = render_workspace(workspace_page("trip")).decode()
    assert 'aria-label="1 of 4 finished, 1 failed, 1 running"' in data
    assert "3 steps and 2 checkpoints between 2026-01-01 08:00:00 and 2026-01-01 08:00:45" in data
    assert data.count('role="img"') == data.count("<svg") - data.count('aria-hidden="true"><rect')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 ms"), (0.25, "250 ms"), (9.5, "9.5 s"), (59, "59 s"), (61, "1 min 1 s"),
     (3600, "1 h 0 min"), (90000, "1 d 1 h"), (-5, "0 ms")],
)  # fmt: skip
def test_durations_are_short_words(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10 * 1024, "10 KiB"),
     (1023 * 1024, "1.0 MiB"), (16 << 20, "16 MiB"), (3 << 40, "3072 GiB")],
)  # fmt: skip
def test_sizes_are_short_words(count: int, words: str) -> None:
    assert size(count) == words


def test_a_link_escapes_the_percent_signs_of_a_key() -> None:
    assert href("workspaces", "a%20b~0", "index.html") == "workspaces/a%2520b~0/index.html"

"""The benchmark runs from end to end in its short form. What it measures is not asserted."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from bench.budgets import Results, budgets
from bench.growth import growth_picture
from bench.race import Race, Runner, p50, p90, p99
from bench.raw import RawAppend, RawSqlite
from bench.states import CHAT, WIDE, Kind, changes

ROOT = Path(__file__).parents[1]


def test_the_short_form_prints_every_contender_and_every_budget() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in ("raw SQLite", "append + fdatasync", "Safepoint", "Safepoint over MCP", "echo"):
        assert f"| {name}" in done.stdout or f" {name} " in done.stdout
    absent = "so RedisSaver does not take part" in done.stderr
    assert ("| LangGraph RedisSaver " in done.stdout) != absent
    loads = done.stdout.partition("### Many clients")[2].partition("###")[0]
    assert len(re.findall(r"^\| \d+ +\| \d+ +\| (?:save|load) ", loads, re.MULTILINE)) == 4
    assert re.search(r"of \d+ acknowledged saves all are kept, once each", loads)
    rows = done.stdout.partition("### Budgets")[2].strip().splitlines()[2:]
    assert len(rows) == len(budgets(Results([]))) + 4  # two states, each with two budgets
    unmeasured = [row for row in rows if "not measured" in row]
    assert all("LangGraph step" in row or "400 checkpoints" in row for row in unmeasured)


def test_a_budget_that_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {row.met for row in budgets(Results([]))} == {None}


@pytest.mark.parametrize("kind", [CHAT, WIDE], ids=lambda kind: kind.name)
def test_the_states_are_the_same_every_time(kind: Kind) -> None:
    first = [repr(change.state) for change in changes(kind, 3)]
    assert first == [repr(change.state) for change in changes(kind, 3)]
    assert len(set(first)) == 3


def test_a_chat_grows_by_a_kilobyte_and_the_other_state_changes_by_200_bytes() -> None:
    chat = [len(repr(change.state)) for change in changes(CHAT, 3)]
    assert all(1000 <= later - sooner <= 1100 for sooner, later in pairwise(chat))
    wide = list(changes(WIDE, 2))
    assert 100_000 <= len(repr(wide[0].state)) <= 120_000
    assert len(wide[1].written) == 1


def test_the_share_of_ninety_percent_is_reached() -> None:
    values = [float(number) for number in range(1, 11)]
    assert (p50(values), p90(values)) == (5.5, 9.0)
    assert (p99(values), p99([*values * 10, 11.0])) == (10.0, 10.0)


def test_a_missed_budget_is_told_as_such(tmp_path: Path) -> None:
    race = Race(CHAT, 2, 10, (runner("raw SQLite", 1.0), runner("Safepoint", 0.8)))
    row = budgets(Results([race]))[0]
    assert (row.figure, row.met) == ("0.80 x", False)
    race = Race(CHAT, 2, 10, (runner("raw SQLite", 1.0), runner("Safepoint", 0.7)))
    assert budgets(Results([race]))[0].met


def test_the_picture_is_whole_and_names_every_line() -> None:
    race = Race(CHAT, 2, 10, (runner("raw SQLite", 1.0), runner("Safepoint", 1.0)))
    picture = ET.fromstring(growth_picture(race))
    texts = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("raw SQLite") for text in texts)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_names_at_the_top_of_the_picture_stay_in_it_and_apart() -> None:
    names = ["raw SQLite", "append + fdatasync", "one", "another", "a third", "a fourth"]
    race = Race(CHAT, 2, 10, tuple(runner(name, 1.0) for name in names))
    for one, size in zip(race.runners, (1000, *[10_000] * 5), strict=True):
        one.bytes[2] = size
    picture = ET.fromstring(growth_picture(race))
    texts = picture.iter("{http://www.w3.org/2000/svg}text")
    heights = sorted(
        float(text.attrib["y"]) for text in texts if (text.text or "").startswith(tuple(names))
    )
    assert len(heights) == len(names)
    assert heights[0] >= 12
    assert all(later - sooner >= 12 for sooner, later in pairwise(heights))


def runner(name: str, seconds: float) -> Runner:
    made = Runner(RawSqlite() if name == "raw SQLite" else RawAppend(), Path())
    made.contender.name = name
    made.saves, made.bytes = [seconds], {1: 1000, 2: 2000}
    return made

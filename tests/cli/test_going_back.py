"""diff, fork, rewind, new-run, runs and history --run, on a real store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_diff_shows_paths_steps_and_texts(cli: Cli, place: Any) -> None:
    ran = cli("diff", "billing", "half", *place.options)
    assert ran.code == 0
    assert "billing: version 3 → 4" in ran.out
    assert "~ /page\n    was 3\n    now 9\n" in ran.out
    assert "~ fetch\n    was running, 1 attempt\n" in ran.out
    assert "Nothing differs." in cli("diff", "billing", "4", "4", *place.options).out


def test_diff_as_json_holds_every_change_with_counts(cli: Cli, place: Any) -> None:
    found = cli("diff", "billing", "3", "4", *place.options, "--json").json
    assert (found["same"], found["from_version"], found["to_version"]) == (False, 3, 4)
    assert found["state"]["changed"] == 1
    assert found["state"]["items"][0]["path"] == "/page"


def test_what_was_saved_cannot_move_the_cursor(cli: Cli, place: Any) -> None:
    name = next(
        one["name"]
        for one in cli("ls", *place.options, "--json").json["workspaces"]
        if one["name"] != "billing"
    )
    assert cli("fork", name, "copy", *place.options, "--reason", "\x1b[2J").code == 0
    for ran in (
        cli("diff", name, "1", "2", *place.options),
        cli("rewind", name, "--version", "1", "--dry-run", *place.options),
        cli("new-run", name, "--reason", "\x1b[2J", *place.options),
        cli("runs", name, *place.options),
        cli("history", name, *place.options),
    ):
        assert ran.code == 0
        assert "\x1b" not in ran.out
        assert "\u202e" not in ran.out


def test_a_fork_says_what_to_check_and_a_repeat_that_it_was_there(cli: Cli, place: Any) -> None:
    ran = cli("fork", "billing", "copy", "--version", "2", *place.options)
    assert "copy is a fork of billing at version 2: 0 steps done." in ran.out
    assert "billing:1:fetch" in ran.out
    assert "had been forked" in cli("fork", "billing", "copy", *place.options).out
    taken = cli("fork", "billing", "copy", "--version", "3", *place.options)
    assert taken.code == 4
    assert cli("show", "copy", *place.options, "--json").json["version"] == 1


def test_a_rewind_shows_first_and_needs_a_yes(cli: Cli, place: Any) -> None:
    shown = cli("rewind", "billing", "--label", "half", "--dry-run", *place.options)
    assert shown.code == 0
    assert "billing: version 4 → 3" in shown.out
    assert "What they did outside stands" in shown.out
    asked = cli("rewind", "billing", "--label", "half", *place.options)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert cli("show", "billing", *place.options, "--json").json["version"] == 4
    done = cli("rewind", "billing", "--label", "half", "--yes", *place.options, "--json").json
    assert (done["done"], done["rewound"]["version"]) == (True, 5)
    assert done["rewound"]["effects"][0]["result"] == '{"rows":7}'
    again = cli("rewind", "billing", "--version", "3", *place.options)
    assert "is already as it was at version 3" in again.out


@pytest.mark.parametrize("target", [[], ["--version", "3", "--label", "half"]])
def test_a_rewind_needs_one_target(cli: Cli, place: Any, target: list[str]) -> None:
    assert cli("rewind", "billing", *target, "--yes", *place.options).code == 2
    assert cli("rewind", "billing", "--version", "99", "--yes", *place.options).code == 3


def test_runs_begin_and_stay_readable(cli: Cli, place: Any) -> None:
    ran = cli("new-run", "billing", "--carry", "page", "--reason", "june", *place.options)
    assert "Run 2 of billing begins with version 5" in ran.out
    listed = cli("runs", "billing", *place.options).out.splitlines()
    assert listed[1].split()[:2] == ["2", "5-5"]
    assert listed[2].split()[:2] == ["1", "1-4"]
    assert listed[2].endswith("june")
    cli("new-run", "billing", "--carry-nothing", "--run", "2", *place.options)
    first = cli("history", "billing", "--run", "1", *place.options, "--json").json
    assert [event["version"] for event in first["events"]] == [4, 3, 2, 1]
    assert first["more"] is False
    second = cli("history", "billing", "--run", "2", *place.options, "--json").json
    assert [event["version"] for event in second["events"]] == [5]
    assert cli("show", "billing", "--run", "1", *place.options, "--json").json["version"] == 4
    missing = cli("show", "billing", "--run", "9", *place.options)
    assert (missing.code, "no run 9" in missing.err) == (3, True)


def test_a_wrong_run_or_key_begins_none(cli: Cli, place: Any) -> None:
    assert cli("new-run", "billing", "--run", "7", *place.options).code == 4
    assert cli("new-run", "billing", "--carry", "none", *place.options).code == 2
    assert cli("new-run", "billing", "--carry", ",", *place.options).code == 2
    assert cli("show", "billing", *place.options, "--json").json["version"] == 4


def test_who_did_it_is_the_person(cli: Cli, place: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    cli("new-run", "billing", *place.options)
    event = cli("history", "billing", *place.options, "--json").json["events"][0]
    assert (event["kind"], event["actor"]["name"]) == ("new_run", "ann")


@pytest.mark.parametrize(
    "command", [["diff"], ["fork", "x"], ["rewind", "--version", "1"], ["new-run"], ["runs"]]
)
def test_a_misspelt_name_gets_the_closest(cli: Cli, place: Any, command: list[str]) -> None:
    ran = cli(command[0], "biling", *command[1:], *place.options)
    assert (ran.code, "billing" in ran.err) == (3, True)

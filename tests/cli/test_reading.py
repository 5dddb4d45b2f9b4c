"""ls, show and history, on a real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store

Cli = Callable[..., Any]


def test_ls_shows_each_workspace_with_its_progress(cli: Cli, place: Any) -> None:
    ran = cli("ls", *place.options)
    assert ran.code == 0
    line = next(line for line in ran.out.splitlines() if line.startswith("billing"))
    assert line.split()[1:4] == ["active", "1/2", "4"]


def test_ls_as_json_is_one_document(cli: Cli, place: Any) -> None:
    found = cli("ls", *place.options, "--json").json
    billing = found["workspaces"][0]
    assert found["more"] is False
    assert billing["name"] == "billing"
    assert billing["status"] == "active"
    assert billing["progress"]["done"] == 1


def test_ls_knows_no_time_nor_size_of_what_does_not_open(cli: Cli, empty: Any) -> None:
    async def fill() -> None:
        async with Store.open(empty.url, key_file=empty.key_file) as store:
            await store.workspace("broken").save({})

    asyncio.run(fill())
    for path in Path(empty.url, "workspaces/broken").rglob("*"):
        if path.is_file():
            path.write_bytes(b"no longer what it was")
    line = cli("ls", *empty.options).out.splitlines()[1]
    assert line.startswith("broken  damaged")
    assert " ago" not in line
    assert " B " not in line


def test_ls_narrows_by_prefix_and_status(cli: Cli, place: Any) -> None:
    assert len(cli("ls", "bill", *place.options, "--json").json["workspaces"]) == 1
    assert cli("ls", "--status", "done", *place.options, "--json").json["workspaces"] == []
    assert "No such workspaces" in cli("ls", "zzz", *place.options).out
    assert cli("ls", "--status", "odd", *place.options).code == 2


def test_ls_follows_cursors_up_to_the_limit(cli: Cli, empty: Any) -> None:
    async def fill() -> None:
        async with Store.open(empty.url, key_file=empty.key_file) as store:
            for number in range(130):
                await store.workspace(f"w{number:03d}").save({"n": number})

    asyncio.run(fill())
    few = cli("ls", "--limit", "7", *empty.options, "--json").json
    many = cli("ls", "--limit", "120", *empty.options, "--json").json
    all_of_them = cli("ls", "--limit", "1000", *empty.options, "--json").json
    assert [w["name"] for w in few["workspaces"]] == [f"w{n:03d}" for n in range(7)]
    assert (len(many["workspaces"]), many["more"], few["more"]) == (120, True, True)
    assert (len(all_of_them["workspaces"]), all_of_them["more"]) == (130, False)
    assert "… and more" in cli("ls", "--limit", "7", *empty.options).out


def test_show_tells_the_brief_the_steps_and_the_state(cli: Cli, place: Any) -> None:
    ran = cli("show", "billing", *place.options)
    assert ran.code == 0
    for words in ("Bill everyone", "2: 1 done, 1 pending", '"page": 9', '{"rows": 7}', "Send it"):
        assert words in ran.out


def test_show_at_a_version_or_label_shows_the_state_of_then(cli: Cli, place: Any) -> None:
    then = {"page": 3, "seen": ["a", "ä"]}
    assert cli("show", "billing", "--label", "half", "--state", *place.options).json == then
    assert cli("show", "billing", "--version", "3", "--state", *place.options).json == then
    assert "3 (newest: 4)" in cli("show", "billing", "--version", "3", *place.options).out


def test_show_selects_a_part_of_the_state(cli: Cli, place: Any) -> None:
    assert cli("show", "billing", "--select", "seen[1]", *place.options).json == "ä"
    refused = cli("show", "billing", "--select", "][", *place.options)
    assert refused.code == 2
    assert "JMESPath" in refused.err


def test_show_as_json_holds_everything(cli: Cli, place: Any) -> None:
    shown = cli("show", "billing", *place.options, "--json").json
    assert shown["state"] == {"page": 9, "seen": ["a", "ä"]}
    assert shown["brief"]["goal"] == "Bill everyone"
    assert [step["name"] for step in shown["steps"]] == ["fetch", "send"]
    assert shown["version"] == 4


def test_show_steps_alone_and_not_of_an_old_version(cli: Cli, place: Any) -> None:
    shown = cli("show", "billing", "--steps", *place.options, "--json").json
    assert [step["status"] for step in shown["steps"]] == ["done", "pending"]
    assert "state" not in shown
    assert cli("show", "billing", "--steps", "--version", "1", *place.options).code == 2


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["show", "biling"], "the closest names are: billing"),
        (["history", "biling"], "the closest names are: billing"),
        (["show", "billing", "--version", "99"], "99"),
        (["show", "billing", "--label", "nope"], "nope"),
    ],
)
def test_what_is_not_there_is_exit_code_3(
    cli: Cli, place: Any, argv: list[str], words: str
) -> None:
    ran = cli(*argv, *place.options)
    assert (ran.code, ran.out) == (3, "")
    assert words in ran.err


def test_history_lists_every_commit_newest_first(cli: Cli, place: Any) -> None:
    events = cli("history", "billing", *place.options, "--json").json
    assert [event["version"] for event in events["events"]] == [4, 3, 2, 1]
    assert [event["kind"] for event in events["events"]] == ["done", "save", "start", "plan"]
    assert cli("history", "billing", "--limit", "2", *place.options, "--json").json["more"] is True
    told = cli("history", "billing", *place.options).out
    assert "step=fetch attempt=1" in told


@pytest.mark.parametrize("command", [["ls"], ["history"], ["show"], ["show", "--state"]])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_stored_text_cannot_act_on_the_terminal(
    cli: Cli, place: Any, command: list[str], more: list[str]
) -> None:
    name = json.loads(cli("ls", "hostile", *place.options, "--json").out)["workspaces"][0]["name"]
    named = [] if command == ["ls"] else [name]
    ran = cli(command[0], *named, *command[1:], *more, *place.options)
    assert ran.code == 0
    assert "\\u001b" in ran.out
    assert all(character == "\n" or character.isprintable() for character in ran.out)


def test_an_error_that_quotes_a_hostile_name_is_made_safe(cli: Cli, place: Any) -> None:
    ran = cli("show", "no\x1b[2Jsuch", *place.options)
    assert ran.code == 3
    assert "\x1b" not in ran.err


def test_a_store_that_does_not_exist_is_not_made_by_looking(cli: Cli, empty: Any) -> None:
    assert cli("ls", *empty.options).code == 3
    assert cli("doctor", *empty.options).code == 0
    assert not list(empty.key_file.parent.glob("store*"))

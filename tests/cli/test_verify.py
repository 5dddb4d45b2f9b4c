"""verify: counts and problems for people and programs; --repair asks, and says what it did."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safepoint.format.keys import keys_key, log_key

Cli = Callable[..., Any]
RECORD = log_key("billing", 4)


def damage(place: Any, key: str) -> None:
    path = Path(place.url) / key
    path.write_bytes(path.read_bytes()[:-7])


def test_a_whole_store_is_said_to_be_whole(cli: Cli, place: Any) -> None:
    ran = cli("verify", "--deep", *place.options)
    assert (ran.code, ran.err) == (0, "")
    assert "2 workspaces" in ran.out
    assert "Everything is what was written." in ran.out
    told = cli("verify", "billing", *place.options, "--json").json
    assert (told["ok"], told["records"], told["problems"]) == (True, 4, [])


def test_damage_is_named_with_its_effect_and_the_way_out(cli: Cli, place: Any) -> None:
    damage(place, RECORD)
    ran = cli("verify", *place.options)
    assert ran.code == 7
    assert RECORD in ran.out
    assert "version 4 cannot be read; the workspace does not open" in ran.out
    assert "safepoint verify billing --repair" in ran.out
    told = cli("verify", *place.options, "--json")
    assert (told.code, told.json["ok"], told.json["problem_count"]) == (7, False, 1)
    assert told.json["problems"][0]["key"] == RECORD
    failed = cli("show", "billing", *place.options)
    assert failed.code == 7
    assert "safepoint verify billing --repair" in failed.err


def test_a_repair_is_planned_refused_without_a_terminal_and_done_when_told(
    cli: Cli, place: Any
) -> None:
    damage(place, RECORD)
    planned = cli("verify", "--repair", "--dry-run", *place.options)
    assert planned.code == 7
    assert "version 3 becomes the newest again, as 5" in planned.out
    refused = cli("verify", "--repair", *place.options)
    assert refused.code == 2
    assert "Give --yes" in refused.err
    assert cli("show", "billing", *place.options).code == 7
    done = cli("verify", "--repair", "--yes", *place.options, "--json")
    assert done.code == 0
    (repaired,) = done.json["repaired"]
    assert (repaired["restored"], repaired["version"], repaired["lost"]) == (3, 5, [[4, 4]])
    ((_, kept),) = repaired["aside"]
    assert (Path(place.url) / kept).exists()
    assert cli("show", "billing", *place.options).code == 0
    assert cli("verify", *place.options).code == 0
    history = cli("history", "billing", *place.options)
    assert "repair" in history.out


def test_what_cannot_be_repaired_is_left_and_said(cli: Cli, place: Any) -> None:
    damage(place, keys_key("billing", 1))
    ran = cli("verify", "--repair", "--yes", *place.options)
    assert ran.code == 7
    assert "cannot be repaired" in ran.err
    assert "cannot be repaired" in cli("verify", "--repair", "--dry-run", *place.options).err


def test_options_that_belong_to_a_repair_are_refused_alone(cli: Cli, place: Any) -> None:
    assert cli("verify", "--yes", *place.options).code == 2
    assert cli("verify", "nothing", *place.options).code == 3


def test_at_a_terminal_the_person_is_asked_and_no_is_the_answer_by_default(place: Any) -> None:
    damage(place, RECORD)
    command = [sys.executable, "-m", "safepoint_server", "verify", "--repair", *place.options]
    for answer, left in (("\n", 7), ("y\n", 0)):
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "wb", buffering=0) as terminal:
            running = subprocess.Popen(
                command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL
            )
            os.close(theirs)
            terminal.write(answer.encode())
            assert running.wait(60) == left

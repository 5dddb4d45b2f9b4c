"""delete: asks twice, destroys for good, and can be repeated."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_a_script_gives_the_name_twice(cli: Cli, place: Any) -> None:
    refused = cli("delete", "billing", "--confirm", "biling", *place.options)
    assert refused.code == 2
    assert "nothing was deleted" in refused.err
    deleted = cli("delete", "billing", "--confirm", "billing", *place.options, "--json").json
    assert deleted["deleted"]["workspace"] == "billing"
    gone = cli("show", "billing", *place.options)
    assert gone.code == 3
    assert "it was deleted" in gone.err
    names = [line["name"] for line in cli("ls", *place.options, "--json").json["workspaces"]]
    assert "billing" not in names
    again = cli("delete", "billing", "--confirm", "billing", *place.options)
    assert again.code == 0
    assert cli("delete", "nothing", "--confirm", "nothing", *place.options).code == 3


def test_without_a_terminal_nothing_is_deleted(cli: Cli, place: Any) -> None:
    refused = cli("delete", "billing", *place.options)
    assert refused.code == 2
    assert "--confirm billing" in refused.err
    assert cli("show", "billing", *place.options).code == 0


def at_a_terminal(place: Any, typed: str) -> tuple[int, bytes]:
    """The exit code of deleting `billing` for a person who types this, and what was shown."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "safepoint_server", "delete", "billing", *place.options]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        os.write(parent, typed.encode())
        shown = b""
        while True:
            try:
                some = os.read(parent, 4096)
            except OSError:  # the other end is closed
                break
            if not some:
                break
            shown += some
    os.close(parent)
    return process.returncode, shown


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
@pytest.mark.parametrize(
    ("typed", "left"),
    [("billing\ny\n", False), ("billing\n\n", True), ("biling\ny\n", True), ("y\ny\n", True)],
)
def test_a_person_types_the_name_and_then_says_yes(
    cli: Cli, place: Any, typed: str, left: bool
) -> None:
    code, shown = at_a_terminal(place, typed)
    assert code == 0, shown
    assert b"1 of 2 steps done" in shown
    assert (cli("show", "billing", *place.options).code == 0) == left


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_what_does_not_open_is_shown_as_damaged_and_can_be_deleted(cli: Cli, place: Any) -> None:
    folder = Path(place.url) / "workspaces" / "billing"
    for manifest in (folder / "keys").iterdir():
        manifest.write_bytes(b"broken")
    assert cli("show", "billing", *place.options).code != 0
    code, shown = at_a_terminal(place, "billing\ny\n")
    assert code == 0, shown
    assert b"billing does not open; damaged: " in shown
    gone = cli("show", "billing", *place.options)
    assert (gone.code, "it was deleted" in gone.err) == (3, True)
    names = [line["name"] for line in cli("ls", *place.options, "--json").json["workspaces"]]
    assert "billing" not in names

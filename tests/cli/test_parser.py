"""The command line itself: commands, options, help, and what is said when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safepoint import __version__
from safepoint_server.cli.exits import EXIT_MEANINGS
from safepoint_server.cli.parser import COMMANDS

Cli = Callable[..., Any]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_the_exit_codes(cli: Cli, name: str) -> None:
    shown = cli(*name.split(), "--help")
    assert shown.code == 0
    assert f"usage: safepoint {name}" in shown.out
    assert f"  safepoint {name}" in shown.out.partition("examples:")[2]
    for code, meaning in EXIT_MEANINGS.items():
        assert f"{code.value}  {meaning}" in shown.out


def test_the_main_help_lists_every_command(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    for name, command in COMMANDS.items():
        assert f"{name:<18}{command.summary}" in shown.out


def test_version_is_that_of_the_package(cli: Cli) -> None:
    shown = cli("--version")
    assert (shown.code, shown.out) == (0, f"safepoint {__version__}\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lss", "ls"), ("histroy", "history"), ("keys ad", "keys add"), ("docter", "doctor")],
)
def test_an_unknown_command_names_the_closest(cli: Cli, typed: str, meant: str) -> None:
    ran = cli(*typed.split())
    assert ran.code == 2
    assert ran.err.startswith(f"error: there is no command `safepoint {typed}`\nhint: ")
    assert f"did you mean `safepoint {meant}`?" in ran.err


def test_a_command_like_nothing_known_points_to_the_help(cli: Cli) -> None:
    ran = cli("qqqq")
    assert ran.code == 2
    assert "did you mean" not in ran.err
    assert "`safepoint --help`" in ran.err


@pytest.mark.parametrize("argv", [[], ["--store", "x"], ["keys"], ["keys", "--json"]])
def test_no_command_is_a_usage_error(cli: Cli, argv: list[str]) -> None:
    ran = cli(*argv)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "\nhint: " in ran.err


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_a_family_of_commands_has_help(cli: Cli, asked: str) -> None:
    shown = cli("keys", asked)
    assert shown.code == 0
    assert "keys remove" in shown.out


def test_an_unknown_option_is_refused_by_name(cli: Cli) -> None:
    ran = cli("ls", "--bogus")
    assert ran.code == 2
    assert "--bogus" in ran.err
    assert "`safepoint ls --help`" in ran.err


@pytest.mark.parametrize("limit", ["0", "-1", "100001", "many", "1e3", ""])
def test_a_limit_outside_its_bounds_is_refused(cli: Cli, limit: str) -> None:
    ran = cli("ls", f"--limit={limit}")
    assert ran.code == 2
    assert "1 to 100000" in ran.err


def test_options_may_stand_before_and_after_the_command(cli: Cli, place: Any) -> None:
    before = cli(*place.options, "--json", "ls")
    after = cli("ls", *place.options, "--json")
    assert before.code == after.code == 0
    assert before.out == after.out

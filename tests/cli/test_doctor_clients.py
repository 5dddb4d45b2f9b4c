"""What doctor says of clients: registered, answering, with hooks that run; what it never runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safepoint_server.cli.parser import COMMANDS
from safepoint_server.setup.entry import launch_command

Cli = Callable[..., Any]


def checks(ran: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in ran.json["checks"]}


def cursor(folder: Path, **entry: Any) -> Path:
    path = folder / ".cursor" / "mcp.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"mcpServers": {"safepoint": entry}}))
    return path


def bait(folder: Path) -> tuple[str, Path]:
    """A program with our name that leaves a trace, and the trace."""
    trace = folder / "trace"
    program = folder / "safepoint"
    program.write_text(f"#!{sys.executable}\nopen({str(trace)!r}, 'w')\n")
    program.chmod(0o755)
    return str(program), trace


def test_a_client_that_is_here_but_not_set_up_is_told_of(cli: Cli, place: Any, home: Path) -> None:
    (home / ".cursor").mkdir()
    ran = cli("doctor", *place.options, "--json")
    found = checks(ran)["Cursor"]
    assert (ran.code, found["status"]) == (0, "ok")
    assert "safepoint setup --client cursor" in found["detail"]
    assert "Zed" not in checks(ran)


def test_what_clients_start_is_started_and_asked_for_its_tools(
    cli: Cli, place: Any, home: Path
) -> None:
    for client in ("codex", "vscode", "cursor"):
        cli("setup", *place.options, "--client", client, "--no-hooks")
    found = checks(cli("doctor", *place.options, "--json"))
    for title in ("Codex", "VS Code", "Cursor"):
        assert found[title]["status"] == "ok"
        assert f"with the store {place.url}; it answers, with 11 tools" in found[title]["detail"]
    assert found["Cursor hooks"]["status"] == "warning"
    assert "VS Code hooks" not in found


def test_a_server_that_does_not_start_fails_with_its_own_words(
    cli: Cli, place: Any, home: Path
) -> None:
    command, *args = launch_command()
    Path(place.key_file).with_name("other").write_text("not a key")
    words = [*args, "serve", "--store", place.url, "--key-file", str(place.key_file) + "2"]
    cursor(home, command=command, args=words)
    ran = cli("doctor", *place.options, "--json")
    found = checks(ran)["Cursor"]
    assert (ran.code, found["status"]) == (1, "failed")
    assert "it does not start: error: the key file" in found["detail"]


def test_a_command_that_is_gone_fails(cli: Cli, place: Any, home: Path) -> None:
    cursor(home, command=str(home / "old" / "bin" / "safepoint"), args=["serve"])
    found = checks(cli("doctor", *place.options, "--json"))["Cursor"]
    assert found["status"] == "failed"
    assert "is not there" in found["detail"]
    assert found["hint"] == "Run: safepoint setup --client cursor"


def test_a_store_that_is_to_be_made_is_not_made_by_looking(
    cli: Cli, empty: Any, home: Path
) -> None:
    cli("setup", *empty.options, "--client", "cursor", "--no-hooks")
    found = checks(cli("doctor", *empty.options, "--json"))["Cursor"]
    assert found["status"] == "ok"
    assert "its first start makes the store" in found["detail"]
    assert not Path(empty.url).exists()


def test_a_passphrase_comes_from_the_environment_or_the_server_is_not_tried(
    cli: Cli, empty: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "correct horse battery")
    store = ["--store", empty.url]
    cli("keys", "init", *store)
    for client in ("claude-code", "codex", "vscode"):
        cli("setup", *store, "--client", client, "--no-hooks")
    found = checks(cli("doctor", *store, "--json"))
    for title in ("Claude Code", "Codex", "VS Code"):
        assert "it answers" in found[title]["detail"]
    monkeypatch.delenv("SAFEPOINT_PASSPHRASE")
    found = checks(cli("doctor", *store, "--json"))
    for title in ("Claude Code", "Codex", "VS Code"):
        assert "not started: set SAFEPOINT_PASSPHRASE to try it" in found[title]["detail"]


@pytest.mark.skipif(os.name == "nt", reason="the bait is a script")
def test_a_program_that_a_checkout_names_is_never_run(cli: Cli, place: Any, home: Path) -> None:
    program, trace = bait(home)
    cursor(home / "project", command=program, args=["serve", "--store", place.url])
    hooks = {"stop": [{"command": f"{program} hook stop --client cursor --store {place.url}"}]}
    hooks["sessionStart"] = [{"command": f"{program} hook session-start --client cursor"}]
    path = home / "project" / ".cursor" / "hooks.json"
    path.write_text(json.dumps({"version": 1, "hooks": hooks}))
    found = checks(cli("doctor", *place.options, "--json"))
    assert found["Cursor (project)"]["status"] == "warning"
    assert "not started" in found["Cursor (project)"]["detail"]
    assert not trace.exists()


@pytest.mark.skipif(os.name == "nt", reason="the bait is a script")
def test_a_checkout_cannot_lend_this_program_other_libraries(
    cli: Cli, place: Any, home: Path
) -> None:
    trace = home / "trace"
    evil = home / "evil"
    evil.mkdir()
    (evil / "safepoint_server.py").write_text(f"open({str(trace)!r}, 'w')")
    command, *args = launch_command()
    words = [*args, "serve", "--store", place.url]
    cursor(home / "project", command=command, args=words, env={"PYTHONPATH": str(evil)})
    found = checks(cli("doctor", *place.options, "--json"))
    assert "not started" in found["Cursor (project)"]["detail"]
    assert not trace.exists()


def test_this_program_is_started_for_a_project_too(cli: Cli, place: Any, home: Path) -> None:
    cli("setup", *place.options, "--scope", "project", "--client", "cursor", "--no-hooks")
    found = checks(cli("doctor", *place.options, "--json"))
    assert "it answers" in found["Cursor (project)"]["detail"]


def test_a_file_that_cannot_be_read_fails_and_is_named(cli: Cli, place: Any, home: Path) -> None:
    path = cursor(home)
    path.write_text("{,}")
    ran = cli("doctor", *place.options, "--json")
    assert ran.code == 1
    assert checks(ran)["Cursor"]["detail"].startswith(f"{path}: line 1, column 2")


def test_a_server_elsewhere_is_named(cli: Cli, place: Any, home: Path) -> None:
    cli("setup", "--http", "http://127.0.0.1:9/mcp", "--client", "cursor")
    found = checks(cli("doctor", *place.options, "--json"))
    assert "with http://127.0.0.1:9/mcp" in found["Cursor"]["detail"]
    assert "Cursor hooks" not in found


def test_hooks_that_are_missing_or_broken_are_told_of(cli: Cli, empty: Any, home: Path) -> None:
    cli("setup", *empty.options, "--client", "cursor")
    path = home / ".cursor" / "hooks.json"
    text = path.read_text()
    path.write_text(text.replace("preCompact", "preCompactX"))
    found = checks(cli("doctor", *empty.options, "--json"))["Cursor hooks"]
    assert (found["status"], found["detail"]) == ("warning", "not installed for preCompact")
    path.write_text(text.replace(launch_command()[0], str(home / "gone" / "safepoint")))
    found = checks(cli("doctor", *empty.options, "--json"))["Cursor hooks"]
    assert found["status"] == "failed"
    assert "sessionStart does not run" in found["detail"]


@pytest.mark.skipif("hook" not in COMMANDS, reason="there is no `safepoint hook` here")
def test_hooks_that_run_are_proved_to_run(
    cli: Cli, empty: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_HOOK_SECONDS", "10")
    cli("setup", *empty.options, "--client", "claude-code")
    found = checks(cli("doctor", *empty.options, "--json"))["Claude Code hooks"]
    assert found["status"] == "ok"
    assert "SessionStart runs" in found["detail"]
    assert not Path(empty.url).exists()

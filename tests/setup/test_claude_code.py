"""What setup writes is what the real Claude Code reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.setup.claude_code import ClaudeCode


@pytest.fixture
def person(tmp_path: Path) -> ClaudeCode:
    return ClaudeCode.make(tmp_path)


def test_it_starts_the_server_after_setup_and_no_longer_after_removal(person: ClaudeCode) -> None:
    person.claude("mcp", "add", "--scope", "user", "other", "--env", "A=b", "--", "/bin/other")
    before = json.loads((person.home / ".claude.json").read_text())
    told = person.safepoint("setup", "--client", "claude-code", "--no-hooks")
    assert "/mcp shows the server" in told
    listed = person.claude("mcp", "list")
    assert "safepoint: " in listed
    assert "✔ Connected" in listed

    person.safepoint("setup", "--client", "claude-code", "--remove")
    listed = person.claude("mcp", "list")
    assert "safepoint" not in listed
    assert "other: " in listed
    after = json.loads((person.home / ".claude.json").read_text())
    assert {key: after[key] for key in before} == before


def test_the_hooks_are_run_by_it_and_go_well(person: ClaudeCode) -> None:
    person.safepoint("setup", "--client", "claude-code")
    settings = person.home / ".claude" / "settings.json"
    assert " hook session-end " in settings.read_text()
    listed = person.claude("mcp", "list")  # a session of it begins and ends
    assert "✔ Connected" in listed
    assert "SessionEnd hook" not in listed, "it tells of hooks that fail"
    settings.write_text(settings.read_text().replace("/safepoint hook", "/no-program hook"))
    assert "SessionEnd hook" in person.claude("mcp", "list")


def test_what_it_wrote_itself_is_brought_up_to_date_in_place(person: ClaudeCode) -> None:
    old = ["safepoint", "serve", "--toolsets", "core,history", "--store", "/old"]
    person.claude("mcp", "add", "--scope", "user", "safepoint", "--", *old)
    person.safepoint("setup", "--client", "claude-code", "--no-hooks")
    entry = json.loads((person.home / ".claude.json").read_text())["mcpServers"]["safepoint"]
    assert entry["args"][-2:] == ["--toolsets", "core,history"]
    assert entry["env"] == {}
    assert "Removed" in person.claude("mcp", "remove", "--scope", "user", "safepoint")
    assert "Already set up" not in person.safepoint("setup", "--client", "claude-code")


def test_a_server_of_the_project_waits_for_the_consent_of_the_person(person: ClaudeCode) -> None:
    person.safepoint("setup", "--client", "claude-code", "--scope", "project", "--no-hooks")
    listed = person.claude("mcp", "list")
    assert "safepoint: " in listed
    assert "Pending approval" in listed


def test_a_passphrase_that_is_not_there_makes_no_store_with_another_one(
    person: ClaudeCode,
) -> None:
    secret = {"SAFEPOINT_PASSPHRASE": "correct horse battery"}
    person.safepoint("setup", "--client", "claude-code", "--no-hooks", **secret)
    listed = person.claude("mcp", "list")
    assert "Missing environment variables: SAFEPOINT_PASSPHRASE" in listed
    assert "Failed to connect" in listed
    assert not (person.home / ".local").exists()
    assert "✔ Connected" in person.claude("mcp", "list", **secret)

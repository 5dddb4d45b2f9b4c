"""Where clients keep their files on each system, and how setup tells that they are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from safepoint_server.setup.clients import CLIENTS, Machine, client_of

HOME = Path("/home/ann").absolute()
ELSEWHERE = Path("/elsewhere").absolute()


@pytest.mark.parametrize(
    ("name", "linux", "darwin", "win32"),
    [
        ("claude-code", ".claude.json", ".claude.json", ".claude.json"),
        (
            "claude-desktop",
            ".config/Claude/claude_desktop_config.json",
            "Library/Application Support/Claude/claude_desktop_config.json",
            "AppData/Roaming/Claude/claude_desktop_config.json",
        ),
        (
            "vscode",
            ".config/Code/User/mcp.json",
            "Library/Application Support/Code/User/mcp.json",
            "AppData/Roaming/Code/User/mcp.json",
        ),
        ("cursor", ".cursor/mcp.json", ".cursor/mcp.json", ".cursor/mcp.json"),
        ("windsurf", *[".codeium/windsurf/mcp_config.json"] * 3),
        ("codex", ".codex/config.toml", ".codex/config.toml", ".codex/config.toml"),
        ("gemini-cli", *[".gemini/settings.json"] * 3),
        (
            "zed",
            ".config/zed/settings.json",
            ".config/zed/settings.json",
            "AppData/Roaming/Zed/settings.json",
        ),
    ],
)
def test_each_client_has_its_file_on_each_system(
    name: str, linux: str, darwin: str, win32: str
) -> None:
    for platform, path in (("linux", linux), ("darwin", darwin), ("win32", win32)):
        assert client_of(name).user(Machine(HOME, {}, platform)) == HOME / path


def test_the_table_is_tested_whole() -> None:
    names = [client.name for client in CLIENTS]
    marks = test_each_client_has_its_file_on_each_system.pytestmark
    assert names == [case[0] for case in marks[0].args[1]]


@pytest.mark.parametrize(
    ("name", "platform", "variable", "path"),
    [
        ("claude-code", "linux", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "darwin", "CODEX_HOME", "config.toml"),
        ("vscode", "linux", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
        ("zed", "linux", "XDG_CONFIG_HOME", "zed/settings.json"),
        ("zed", "win32", "APPDATA", "Zed/settings.json"),
    ],
)
def test_a_variable_that_moves_the_settings_is_followed(
    name: str, platform: str, variable: str, path: str
) -> None:
    client = client_of(name)
    moved = Machine(HOME, {variable: str(ELSEWHERE)}, platform)
    assert client.user(moved) == ELSEWHERE / path
    for ignored in ("", "relative/folder"):
        assert client.user(Machine(HOME, {variable: ignored}, platform)).is_relative_to(HOME)


def test_hooks_of_claude_code_move_with_it() -> None:
    hooks = client_of("claude-code").hooks
    assert hooks is not None
    moved = Machine(HOME, {"CLAUDE_CONFIG_DIR": str(ELSEWHERE)})
    assert hooks.user(moved) == ELSEWHERE / "settings.json"
    assert hooks.user(Machine(HOME)) == HOME / ".claude" / "settings.json"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_is_here_by_its_folder_or_its_program(client, tmp_path: Path) -> None:
    nothing = Machine(tmp_path)
    assert not client.is_here(nothing)
    on_path = Machine(tmp_path, which={client.program: "/usr/bin/it"}.get)
    assert client.is_here(on_path)
    file = client.user(nothing)
    file.parent.mkdir(parents=True, exist_ok=True)
    assert client.is_here(nothing) == (file.parent != tmp_path)
    file.touch()
    assert client.is_here(nothing)


def test_claude_code_is_here_before_it_was_ever_started(tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    assert client_of("claude-code").is_here(Machine(tmp_path))

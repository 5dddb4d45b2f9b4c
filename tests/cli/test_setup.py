"""`safepoint setup` on the files that clients keep, in a home of its own."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.setup.samples import HOOKS, SERVERS

from safepoint_server.setup.clients import CLIENTS, Machine, client_of
from safepoint_server.setup.edits import Edit, run_edit
from safepoint_server.setup.jsonc import JsonText

Cli = Callable[..., Any]
unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such links")


@pytest.fixture
def files(home: Path) -> dict[Path, bytes]:
    """The files of every client, with servers and hooks of others in them."""
    machine = Machine.here()
    found: dict[Path, bytes] = {}
    for client in CLIENTS:
        found[client.user(machine)] = SERVERS[client.name].encode()
        if client.hooks is not None and client.name in HOOKS:
            found[client.hooks.user(machine)] = HOOKS[client.name].encode()
    for path, data in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return found


def contents(home: Path) -> dict[Path, bytes]:
    """All files but backups, stores and keys."""
    return {
        path: path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.suffix != ".bak"
    }


def statuses(ran: Any) -> set[str]:
    return {one["status"] for one in ran.json["files"]}


def test_every_client_is_set_up_and_taken_out_again_byte_for_byte(
    cli: Cli, empty: Any, home: Path, files: dict[Path, bytes]
) -> None:
    ran = cli("setup", *empty.options, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert statuses(ran) == {"changed"}
    assert {one["client"] for one in ran.json["files"]} == {client.name for client in CLIENTS}
    for one in ran.json["files"]:
        assert Path(one["backup"]).read_bytes() in files.values()
    assert all(files[path] != data for path, data in contents(home).items())
    ran = cli("setup", "--remove", "--json")
    assert (ran.code, statuses(ran)) == (0, {"removed"})
    assert contents(home) == files


def test_a_second_time_nothing_is_done(cli: Cli, empty: Any, home: Path, files: Any) -> None:
    cli("setup", *empty.options)
    before = contents(home)
    backups = set(home.rglob("*.bak"))
    ran = cli("setup", *empty.options)
    assert ran.code == 0
    assert "Already set up." in ran.out
    assert contents(home) == before
    assert set(home.rglob("*.bak")) == backups
    cli("setup", "--remove")
    assert "Nothing to do." in cli("setup", "--remove").out


def test_another_store_replaces_the_first(cli: Cli, empty: Any, home: Path, files: Any) -> None:
    cli("setup", *empty.options)
    cli("setup", "--store", "s3://bucket/agents", "--key-file", str(empty.key_file))
    told = [data.decode() for path, data in contents(home).items() if path in files]
    assert all("s3://bucket/agents" in text for text in told)
    assert not any(empty.url in text for text in told)
    cli("setup", "--remove")
    assert contents(home) == files


def test_a_dry_run_shows_and_writes_nothing(
    cli: Cli, empty: Any, home: Path, files: dict[Path, bytes]
) -> None:
    ran = cli("setup", *empty.options, "--dry-run")
    assert ran.code == 0
    assert "would be changed" in ran.out
    assert '+    "safepoint": {' in ran.out
    assert contents(home) == files
    assert not list(home.rglob("*.bak"))


def test_clients_that_are_not_here_get_nothing(cli: Cli, empty: Any, home: Path) -> None:
    (home / ".cursor").mkdir()
    assert cli("setup", *empty.options).code == 0
    assert set(contents(home)) == {home / ".cursor" / "mcp.json", home / ".cursor" / "hooks.json"}
    assert cli("setup", "--remove").code == 0
    assert contents(home) == {}


def test_without_any_client_it_says_so_and_names_those_it_knows(
    cli: Cli, empty: Any, home: Path
) -> None:
    ran = cli("setup", *empty.options)
    assert ran.code == 3
    assert "no MCP client was found" in ran.err
    assert "claude-code, claude-desktop" in ran.err
    assert cli("setup", "--remove").code == 0


def test_a_client_that_is_named_is_set_up_before_its_first_start(
    cli: Cli, empty: Any, home: Path
) -> None:
    ran = cli("setup", *empty.options, "--client", "claude-code", "--json")
    assert statuses(ran) == {"made"}
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["safepoint"]
    assert entry["type"] == "stdio"
    assert entry["args"][-5:] == ["serve", *empty.options]
    hooks = json.loads((home / ".claude" / "settings.json").read_text())["hooks"]
    assert list(hooks) == ["SessionStart", "PostToolUse", "PreCompact", "Stop", "SessionEnd"]


def test_hooks_can_be_left_out_and_taken_out(
    cli: Cli, empty: Any, home: Path, files: dict[Path, bytes]
) -> None:
    settings = home / ".claude" / "settings.json"
    cli("setup", *empty.options, "--no-hooks", "--client", "claude-code")
    assert settings.read_bytes() == files[settings]
    cli("setup", *empty.options, "--client", "claude-code")
    assert settings.read_bytes() != files[settings]
    cli("setup", *empty.options, "--no-hooks", "--client", "claude-code")
    assert settings.read_bytes() == files[settings]


def test_a_file_that_cannot_be_read_is_left_alone_and_the_others_get_theirs(
    cli: Cli, empty: Any, home: Path, files: Any
) -> None:
    broken = home / ".cursor" / "mcp.json"
    broken.write_text('{"mcpServers": {')
    ran = cli("setup", *empty.options)
    assert ran.code == 1
    assert f"error: cursor: {broken}: line 1, column 17" in ran.err
    assert "hint: Put it right with an editor" in ran.err
    assert broken.read_text() == '{"mcpServers": {'
    assert b'"safepoint"' in (home / ".codeium/windsurf/mcp_config.json").read_bytes()


def test_a_server_of_that_name_that_is_something_else_is_left_alone(
    cli: Cli, empty: Any, home: Path
) -> None:
    path = home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    text = '{"mcpServers": {"safepoint": {"command": "npx", "args": ["climbing"]}}}'
    path.write_text(text)
    ran = cli("setup", *empty.options)
    assert ran.code == 1
    assert "starts something else" in ran.err
    assert set(contents(home)) == {path}, "no hooks without a server"
    assert cli("setup", "--remove").code == 0
    assert path.read_text() == text


@unix
def test_settings_in_a_repository_of_dotfiles_are_written_through_their_link(
    cli: Cli, empty: Any, home: Path
) -> None:
    real = home / "dotfiles" / "cursor.json"
    real.parent.mkdir()
    real.write_text("{}")
    (home / ".cursor").mkdir()
    (home / ".cursor" / "mcp.json").symlink_to(real)
    assert cli("setup", *empty.options).code == 0
    assert (home / ".cursor" / "mcp.json").is_symlink()
    assert "safepoint" in real.read_text()


def test_a_change_by_somebody_else_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"a": 1}')
    writes = iter(['{"a": 1, "b": 2}'])

    def change(text: str) -> JsonText:
        theirs = next(writes, None)
        if theirs is not None:
            path.write_text(theirs)
        return JsonText(text).set(["ours"], True)

    outcome = run_edit(Edit("cursor", "server", path, None, change), dry_run=False)
    assert outcome.status == "changed"
    assert json.loads(path.read_text()) == {"a": 1, "b": 2, "ours": True}


def test_a_file_that_never_stands_still_is_given_up_on(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{}")
    counter = itertools.count()

    def change(text: str) -> JsonText:
        path.write_text(json.dumps({"n": next(counter)}))
        return JsonText(text).set(["ours"], True)

    outcome = run_edit(Edit("cursor", "server", path, None, change), dry_run=False)
    assert outcome.status == "failed"
    assert "changed by somebody else" in outcome.message
    assert "ours" not in path.read_text()


def test_no_secret_is_written_or_shown(
    cli: Cli, empty: Any, home: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "correct horse battery")
    ran = cli("setup", "--store", empty.url)
    assert ran.code == 0
    assert not any(b"correct horse" in data for data in contents(home).values())
    assert "correct horse" not in ran.out + ran.err
    assert "ghp_0123" not in ran.out, "a token of another server, beside ours"
    assert "VS Code asks for it once" in ran.out
    assert "Zed passes no variable on" in ran.out
    code = JsonText((home / ".config/Code/User/mcp.json").read_text()).value
    assert [one["id"] for one in code["inputs"]] == ["github-token", "safepoint-passphrase"]


def test_a_secret_that_stands_beside_what_is_changed_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    text = '{\n  "key": "ghp_0123456789abcdefghijklmnopqrstuvwxyz",\n  "apiKey": "my own"\n}'
    path.write_text(text)

    def change(text: str) -> JsonText:
        return JsonText(text).set(["env"], {"SAFEPOINT_PASSPHRASE": "${SAFEPOINT_PASSPHRASE}"})

    outcome = run_edit(Edit("cursor", "server", path, None, change), dry_run=True)
    assert '"key": "…"' in outcome.diff
    assert '"apiKey": "…"' in outcome.diff
    assert '"SAFEPOINT_PASSPHRASE": "${SAFEPOINT_PASSPHRASE}"' in outcome.diff


def test_a_file_that_was_there_is_not_deleted(cli: Cli, empty: Any, home: Path) -> None:
    path = home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text('{"mine": 1}')
    cli("setup", *empty.options, "--no-hooks")
    path.write_text(path.read_text().replace('"mine": 1,', ""))
    cli("setup", "--remove")
    assert path.read_text().strip() == "{}"


def test_a_key_of_kms_is_no_secret(
    cli: Cli, home: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_KMS_KEY", "arn:aws:kms:eu-central-1:1:key/2")
    assert cli("setup", "--store", "s3://bucket").code == 0
    assert b'env = { SAFEPOINT_KMS_KEY = "arn:aws' in (home / ".codex/config.toml").read_bytes()


def test_a_project_gets_files_of_its_own_and_its_workspace(
    cli: Cli, empty: Any, home: Path, files: dict[Path, bytes]
) -> None:
    args = ["--scope", "project", "--workspace", "shop"]
    ran = cli("setup", *empty.options, *args)
    assert ran.code == 0
    made = {path for path in contents(home) if path not in files}
    project = home / "project"
    assert made == {
        *(project / client.project for client in CLIENTS if client.project is not None),
        *(
            project / client.hooks.project
            for client in CLIENTS
            if client.hooks is not None and client.project is not None
        ),
        project / ".safepoint.json",
    }
    assert json.loads((project / ".safepoint.json").read_text()) == {"workspace": "shop"}
    assert "Windsurf is left out" in ran.out
    assert "keep them out of what others check out" in ran.out
    assert all(path.read_bytes() == data for path, data in files.items())
    assert cli("setup", "--remove", *args).code == 0
    assert contents(home) == files


def test_the_binding_to_another_workspace_is_not_taken_out(
    cli: Cli, empty: Any, home: Path
) -> None:
    path = home / "project" / ".safepoint.json"
    path.write_text('{"workspace": "other", "store": "/data"}')
    cli("setup", "--remove", "--scope", "project", "--workspace", "shop")
    assert path.read_text() == '{"workspace": "other", "store": "/data"}'
    cli("setup", *empty.options, "--scope", "project", "--workspace", "shop")
    assert json.loads(path.read_text()) == {"workspace": "shop", "store": "/data"}


@unix
def test_a_project_cannot_make_it_write_elsewhere(cli: Cli, empty: Any, home: Path) -> None:
    target = home / ".bashrc"
    target.write_text("{}")
    (home / "project" / ".mcp.json").symlink_to(target)
    ran = cli("setup", *empty.options, "--scope", "project", "--client", "claude-code")
    assert ran.code == 1
    assert "outside of the project" in ran.err
    assert target.read_text() == "{}"


def test_what_came_with_a_checkout_is_not_taken_over(cli: Cli, empty: Any, home: Path) -> None:
    path = home / "project" / ".mcp.json"
    entry = {"command": "/x/safepoint", "args": ["serve"], "env": {"PYTHONPATH": "evil"}}
    text = json.dumps({"mcpServers": {"safepoint": entry}})
    path.write_text(text)
    args = [*empty.options, "--client", "claude-code", "--no-hooks", "--scope", "project"]
    ran = cli("setup", *args)
    assert ran.code == 1
    assert "holds more than setup writes" in ran.err
    assert path.read_text() == text
    del entry["env"]
    path.write_text(json.dumps({"mcpServers": {"safepoint": entry}}))
    assert cli("setup", *args).code == 0
    path.write_text(path.read_text().replace('"serve"', '"serve", "--toolsets", "core"'))
    assert cli("setup", *args).code == 1, "who added that cannot be told"


def test_a_team_server_is_registered_with_a_token_from_the_environment(
    cli: Cli, home: Path, files: dict[Path, bytes]
) -> None:
    ran = cli("setup", "--http", "https://agents.example.com/mcp")
    assert ran.code == 0
    assert "Claude Desktop is left out" in ran.out
    entry = JsonText((home / ".claude.json").read_text()).get(["mcpServers", "safepoint"])
    assert entry == {
        "type": "http",
        "url": "https://agents.example.com/mcp",
        "headers": {"Authorization": "Bearer ${SAFEPOINT_TOKEN}"},
    }
    settings = home / ".claude" / "settings.json"
    assert settings.read_bytes() == files[settings], "hooks need a store"
    cli("setup", "--remove")
    assert contents(home) == files


def test_a_server_on_this_machine_needs_no_token(cli: Cli, home: Path) -> None:
    cli("setup", "--http", "http://127.0.0.1:8765/mcp", "--client", "cursor")
    entry = json.loads((home / ".cursor" / "mcp.json").read_text())["mcpServers"]["safepoint"]
    assert entry == {"url": "http://127.0.0.1:8765/mcp"}


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--http", "http://agents.example.com/mcp"], "without encryption"),
        (["--http", "https://ann:secret@example.com/mcp"], "more than a host and a path"),
        (["--http", "https://example.com/mcp?token=secret"], "more than a host and a path"),
        (["--http", "agents.example.com"], "not the address of a server"),
        (["--http", "https://example.com/mcp", "--token-variable", "abc-123"], "not the name"),
        (["--http", "https://example.com/mcp", "--store", "/data"], "its own --store"),
        (["--token-variable", "T"], "reached with --http"),
        (["--workspace", "shop"], "--scope project"),
        (["--scope", "project", "--workspace", "../x"], "cannot be used"),
        (["--scope", "project", "--client", "windsurf"], "no files of its own in a project"),
        (["--client", "emacs"], "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    cli: Cli, home: Path, files: dict[Path, bytes], args: list[str], why: str
) -> None:
    ran = cli("setup", *args)
    assert ran.code == 2
    assert why in ran.err
    assert "secret" not in ran.out
    assert contents(home) == files


def test_a_client_without_http_servers_fails_when_it_is_named(
    cli: Cli, home: Path, files: dict[Path, bytes]
) -> None:
    ran = cli("setup", "--http", "https://example.com/mcp", "--client", "zed")
    assert ran.code == 1
    assert "takes no server over HTTP" in ran.err
    assert contents(home) == files


def test_changes_are_shown_where_they_are_asked_for(cli: Cli, empty: Any, home: Path) -> None:
    options = ("setup", *empty.options, "--client", "zed")
    assert '+    "safepoint": {' in cli(*options, "--dry-run").out
    assert '"safepoint": {' not in cli(*options).out


def test_a_path_that_is_not_unicode_is_refused(cli: Cli, empty: Any, home: Path) -> None:
    ran = cli("setup", "--store", "/data/\udcff", "--client", "cursor")
    assert ran.code == 1
    assert "not Unicode" in ran.err


def test_the_clients_found_are_named_by_json_too(cli: Cli, empty: Any, home: Path) -> None:
    ran = cli("setup", *empty.options, "--client", "zed", "--client", "zed", "--json", "--dry-run")
    (one,) = ran.json["files"]
    assert ran.json["ok"] is True
    assert ran.json["dry_run"] is True
    assert one["path"] == str(client_of("zed").user(Machine.here()))
    assert one["diff"].startswith("--- ")
    assert one["backup"] is None

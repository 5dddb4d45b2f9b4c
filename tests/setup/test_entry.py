"""What is written of the server, and what of an entry that is there stays."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from safepoint_server.setup.clients import CLIENTS, client_of
from safepoint_server.setup.entry import Local, Remote, inputs_of, is_ours, is_passing, merged_entry
from safepoint_server.setup.errors import NotEditable

LOCAL = Local(("/opt/bin/safepoint",), "/data/store", key_file=Path("/keys/one"))
SECRET = Local(("/opt/bin/safepoint",), "s3://bucket/agents", passphrase=True)
REMOTE = Remote("https://agents.example.com/mcp", "SAFEPOINT_TOKEN")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_an_entry_names_command_store_and_key_in_full(client) -> None:
    entry = merged_entry(client, LOCAL, None)
    entry.pop("type", None)
    assert entry == {
        "command": "/opt/bin/safepoint",
        "args": ["serve", "--store", "/data/store", "--key-file", str(Path("/keys/one"))],
    }


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("claude-code", {"env": {"SAFEPOINT_PASSPHRASE": "${SAFEPOINT_PASSPHRASE}"}}),
        ("claude-desktop", {}),
        ("vscode", {"env": {"SAFEPOINT_PASSPHRASE": "${input:safepoint-passphrase}"}}),
        ("cursor", {"env": {"SAFEPOINT_PASSPHRASE": "${env:SAFEPOINT_PASSPHRASE}"}}),
        ("windsurf", {"env": {"SAFEPOINT_PASSPHRASE": "${env:SAFEPOINT_PASSPHRASE}"}}),
        ("codex", {"env_vars": ["SAFEPOINT_PASSPHRASE"]}),
        ("gemini-cli", {"env": {"SAFEPOINT_PASSPHRASE": "$SAFEPOINT_PASSPHRASE"}}),
        ("zed", {}),
    ],
)
def test_a_passphrase_is_referred_to_as_the_client_does_it(
    name: str, written: dict[str, Any]
) -> None:
    entry = merged_entry(client_of(name), SECRET, None)
    assert {key: entry[key] for key in ("env", "env_vars") if key in entry} == written


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("claude-code", {"type": "http", "url": REMOTE.url, "headers": "${SAFEPOINT_TOKEN}"}),
        ("vscode", {"type": "http", "url": REMOTE.url, "headers": "${input:safepoint-token}"}),
        ("cursor", {"url": REMOTE.url, "headers": "${env:SAFEPOINT_TOKEN}"}),
        ("windsurf", {"serverUrl": REMOTE.url, "headers": "${env:SAFEPOINT_TOKEN}"}),
        ("codex", {"url": REMOTE.url, "bearer_token_env_var": "SAFEPOINT_TOKEN"}),
        ("gemini-cli", {"type": "http", "url": REMOTE.url, "headers": "$SAFEPOINT_TOKEN"}),
    ],
)
def test_a_token_is_referred_to_as_the_client_does_it(name: str, entry: dict[str, Any]) -> None:
    if "headers" in entry:
        entry = {**entry, "headers": {"Authorization": f"Bearer {entry['headers']}"}}
    assert merged_entry(client_of(name), REMOTE, None) == entry


@pytest.mark.parametrize("name", ["claude-desktop", "zed"])
def test_a_client_without_such_servers_is_not_given_a_token_in_clear(name: str) -> None:
    with pytest.raises(NotEditable, match="takes no server over HTTP"):
        merged_entry(client_of(name), REMOTE, None)


def test_only_a_client_that_asks_people_gets_inputs() -> None:
    assert [one["id"] for one in inputs_of(client_of("vscode"), SECRET)] == ["safepoint-passphrase"]
    assert [one["id"] for one in inputs_of(client_of("vscode"), REMOTE)] == ["safepoint-token"]
    named = Remote(REMOTE.url, "TEAM_TOKEN")
    assert [one["id"] for one in inputs_of(client_of("vscode"), named)] == ["safepoint-team-token"]
    assert inputs_of(client_of("vscode"), LOCAL) == []
    assert inputs_of(client_of("cursor"), SECRET) == []


def test_what_a_person_added_to_the_entry_stays() -> None:
    there = {
        "command": "/old/safepoint",
        "args": [
            *("serve", "--toolsets", "core,history", "--store=/old", "--allow-path", "/p"),
            *("--key-file", "/old/key"),
        ],
        "env": {"AWS_PROFILE": "work", "SAFEPOINT_STORE": "/older"},
        "alwaysAllow": ["load_checkpoint"],
        "timeout": 60,
    }
    entry = merged_entry(client_of("windsurf"), LOCAL, there)
    assert entry == {
        "alwaysAllow": ["load_checkpoint"],
        "timeout": 60,
        "command": "/opt/bin/safepoint",
        "args": [
            *("serve", "--store", "/data/store", "--key-file", str(Path("/keys/one"))),
            *("--toolsets", "core,history", "--allow-path", "/p"),
        ],
        "env": {"AWS_PROFILE": "work"},
    }
    assert merged_entry(client_of("windsurf"), LOCAL, json.loads(json.dumps(entry))) == entry


def test_a_passphrase_that_a_person_wrote_into_the_file_is_theirs() -> None:
    there = {"command": "safepoint", "args": ["serve"], "env": {"SAFEPOINT_PASSPHRASE": "mine"}}
    entry = merged_entry(client_of("cursor"), SECRET, there)
    assert entry["env"] == {"SAFEPOINT_PASSPHRASE": "mine"}


def test_a_local_server_becomes_a_remote_one_without_remains() -> None:
    client = client_of("cursor")
    local = merged_entry(client, SECRET, None)
    assert merged_entry(client, REMOTE, local) == merged_entry(client, REMOTE, None)
    remote = merged_entry(client, REMOTE, None)
    assert merged_entry(client, LOCAL, remote) == merged_entry(client, LOCAL, None)


@pytest.mark.parametrize(
    ("command", "passing"),
    [
        ("/home/ann/.cache/uv/archive-v0/x1/bin/safepoint", True),
        ("/Users/ann/Library/Caches/pipx/x1/bin/safepoint", True),
        (f"{tempfile.gettempdir()}/venv/bin/safepoint", True),
        ("/home/ann/.local/share/uv/tools/safepoint/bin/safepoint", False),
        ("/opt/venv/bin/safepoint", False),
    ],
)
def test_an_installation_for_once_is_told_from_one_to_stay(command: str, passing: bool) -> None:
    assert is_passing(command) is passing


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "/opt/venv/bin/safepoint", "args": ["serve"]},
        {"command": r"C:\venv\Scripts\safepoint.exe", "args": []},
        {"command": "/usr/bin/python3", "args": ["-m", "safepoint_server", "serve"]},
        {"command": "uvx", "args": ["safepoint", "serve"]},
        {"command": "docker", "args": ["run", "-i", "--rm", "safepoint"]},
        {"url": "http://127.0.0.1:8765/mcp"},
    ],
)
def test_any_way_to_start_safepoint_is_known_again(entry: dict[str, Any]) -> None:
    assert is_ours(entry)


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "npx", "args": ["-y", "@climbing/safepoint-mcp"]},
        {"command": "/opt/not-safepoint", "args": ["serve"]},
        {"args": []},
        "safepoint",
        None,
    ],
)
def test_something_else_of_that_name_is_not_touched(entry: object) -> None:
    assert not is_ours(entry)
    if entry is not None:
        with pytest.raises(NotEditable, match="starts something else"):
            merged_entry(client_of("cursor"), LOCAL, entry)

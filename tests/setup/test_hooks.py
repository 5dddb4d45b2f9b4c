"""Hooks of ours among those of others: put in once, brought up to date, taken out again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.setup.samples import HOOKS, SERVERS

from safepoint_server.hooks import clients as hooking
from safepoint_server.setup.clients import CLIENTS, Client, client_of
from safepoint_server.setup.entry import Local
from safepoint_server.setup.hooks import hook_command, hooks_of, with_hooks, without_hooks
from safepoint_server.setup.jsonc import JsonText

SERVER = Local(("/opt/safe point/bin/safepoint",), "/data/it's a store")
WITH_HOOKS = [client for client in CLIENTS if client.hooks is not None]
FILES = {"gemini-cli": SERVERS["gemini-cli"], **HOOKS}

each_client = pytest.mark.parametrize("client", WITH_HOOKS, ids=lambda client: client.name)


def commands(client: Client, server: Local = SERVER) -> dict[str, str]:
    assert client.hooks is not None
    return {
        event: hook_command(client, server, ours, "linux") for event, ours, _ in client.hooks.events
    }


def put(client: Client, text: str, server: Local = SERVER) -> JsonText:
    assert client.hooks is not None
    return with_hooks(JsonText(text), client.hooks, commands(client, server))


@each_client
@pytest.mark.parametrize("there", ["", "sample"])
def test_hooks_are_put_in_beside_those_of_others_and_taken_out_again(
    client: Client, there: str
) -> None:
    text = FILES[client.name] if there else ""
    after = put(client, text)
    assert hooks_of(after) == commands(client)
    assert put(client, after.text).text == after.text
    before = JsonText(text)
    for event, groups in (before.get(["hooks"]) or {}).items():
        assert after.get(["hooks", event])[: len(groups)] == groups
    assert without_hooks(after).text == before.text
    assert without_hooks(before).text == before.text


@each_client
def test_hooks_of_an_earlier_place_are_brought_up_to_date(client: Client) -> None:
    old = put(client, FILES[client.name], Local(("/old/python", "-m", "safepoint_server"), "/old"))
    new = put(client, old.text)
    assert hooks_of(new) == commands(client)
    assert "/old" not in new.text
    assert new.text == put(client, FILES[client.name]).text


def test_what_a_person_added_to_a_hook_stays() -> None:
    client = client_of("claude-code")
    text = put(client, "").text.replace('"timeout": 10', '"timeout": 10, "statusMessage": "saving"')
    text = text.replace(" --client", " --workspace 'my shop' --client")
    moved = Local(("/new/safepoint",), "/new", key_file=Path("/key"))
    after = put(client, text, moved)
    assert after.text.count('"statusMessage": "saving"') == 5
    assert hooks_of(after) == {
        event: f"{command} --workspace 'my shop'"
        for event, command in commands(client, moved).items()
    }
    assert put(client, after.text, moved).text == after.text


def test_a_hook_that_is_there_twice_or_for_another_event_goes() -> None:
    client = client_of("claude-code")
    once = put(client, HOOKS["claude-code"])
    hook = {"type": "command", "command": commands(client)["Stop"]}
    twice = once.append(["hooks", "Stop"], {"hooks": [hook]})
    more = twice.append(["hooks", "Notification"], {"matcher": "", "hooks": [hook]})
    shared = more.append(["hooks", "Stop", 0, "hooks"], hook)
    assert put(client, shared.text).text.count(" hook stop ") == 1
    assert without_hooks(shared).text == HOOKS["claude-code"]


def test_hooks_that_a_person_wrote_by_hand_are_known_again() -> None:
    client = client_of("claude-code")
    by_hand = JsonText("").append(
        ["hooks", "Stop"], {"hooks": [{"type": "command", "command": "/bin/safepoint hook stop"}]}
    )
    assert hooks_of(by_hand) == {"Stop": "/bin/safepoint hook stop"}
    assert put(client, by_hand.text).text.count(" hook stop") == 1
    assert hooks_of(put(client, by_hand.text)) == commands(client)


@pytest.mark.parametrize(
    "command",
    [
        "/opt/not-safepoint hook stop --client claude-code",
        "echo safepoint hooks are fun --client x",
        "safepoint ls",
        "safepoint hook stopwatch",
        "my-safepoint hook stop --client x",
    ],
)
def test_hooks_of_others_are_not_taken_for_ours(command: str) -> None:
    other = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}}
    text = json.dumps(other)
    assert hooks_of(JsonText(text)) == {}
    assert without_hooks(JsonText(text)).text == text


def test_what_is_installed_is_what_the_command_knows() -> None:
    assert sorted(client.name for client in WITH_HOOKS) == sorted(hooking.CLIENTS)
    for client in WITH_HOOKS:
        assert client.hooks is not None
        events = [ours for _, ours, _ in client.hooks.events]
        left_out = [] if client.name == "claude-code" else ["post-tool-use"]
        assert sorted([*events, *left_out]) == sorted(hooking.EVENTS)
        assert set(client.hooks.matchers) <= {theirs for theirs, _, _ in client.hooks.events}


@pytest.mark.parametrize("hooks", ["[]", "3", '{"Stop": 3}', '{"Stop": [3, {"hooks": 4}]}'])
def test_a_file_whose_hooks_are_odd_is_not_stumbled_over(hooks: str) -> None:
    assert hooks_of(JsonText(f'{{"hooks": {hooks}}}')) == {}
    without_hooks(JsonText(f'{{"hooks": {hooks}}}'))


def test_a_command_line_survives_the_shell() -> None:
    client = client_of("codex")
    line = hook_command(client, SERVER, "stop", "linux")
    assert shlex.split(line) == [
        *("/opt/safe point/bin/safepoint", "hook", "stop", "--client", "codex"),
        *("--store", "/data/it's a store"),
    ]


def test_a_command_line_for_windows_has_slashes_and_few_quotes() -> None:
    server = Local((r"C:\Program Files\safepoint.exe",), r"D:\agents")
    line = hook_command(client_of("claude-code"), server, "stop", "win32")
    assert line == (
        '"C:/Program Files/safepoint.exe" hook stop --client claude-code --store D:/agents'
    )

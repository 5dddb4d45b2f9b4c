"""`safepoint hook` as clients run it: what it records, what it tells, and that it never fails."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.client import Hooks, assistant, git, repository, tool, user

from safepoint import Store
from safepoint.keyfile import make_key_file
from safepoint_server.hooks.clients import CLIENTS, EVENTS
from safepoint_server.hooks.context import MAX_BYTES

KEY = "ghp_" + "a1B2" * 9


def state_of(hooks: Hooks, name: str) -> Any:
    async def read() -> Any:
        async with Store.open(hooks.store, key_file=hooks.key_file, create=False) as store:
            return (await store.workspace(name).load()).state

    return asyncio.run(read())


def name_of(hooks: Hooks) -> str:
    """The workspace, as a session is told it."""
    return hooks.run("session-start").context.partition("workspace '")[2].partition("'")[0]


def test_a_first_session_is_told_a_name_and_makes_no_store(hooks: Hooks) -> None:
    ran = hooks.run("session-start", source="startup")
    assert "Nothing is saved in it yet" in ran.context
    assert not Path(hooks.store).exists()
    assert " info session-start outcome=ok client=claude-code workspace=widgets-" in ran.err


def test_a_stop_records_branch_files_todos_and_messages(hooks: Hooks) -> None:
    todos = [{"content": "fix", "status": "in_progress", "activeForm": "Fixing"}]
    hooks.say(user("Fix the parser"), assistant("I will.", tool("TodoWrite", todos=todos)))
    (hooks.folder / "src" / "a.py").write_text("a = 2\n")
    (hooks.folder / ".env").write_text("PASSWORD=hunter2hunter2\n")
    ran = hooks.run("stop", stop_hook_active=True, last_assistant_message="It is fixed.")
    assert (ran.code, ran.json) == (0, {})
    name = name_of(hooks)
    state = state_of(hooks, f"{name}.sessions")
    (owner,) = state["projects"].values()
    assert owner == {"folder": str(hooks.folder), "remote": "github.com/acme/widgets"}
    note = state["sessions"]["s-1"]
    assert (note["event"], note["client"], note["folder"]) == (
        "stop", "claude-code", str(hooks.folder),
    )  # fmt: skip
    assert (note["branch"], note["head"]) == ("main", git(hooks.folder, "rev-parse", "HEAD"))
    digest = hashlib.sha256(b"a = 2\n").hexdigest()
    assert note["files"] == [{"path": "src/a.py", "status": "M", "bytes": 6, "sha256": digest}]
    assert note["todos"] == [{"text": "fix", "status": "in_progress"}]
    assert [one["text"] for one in note["messages"]] == [
        "Fix the parser",
        "I will.",
        "It is fixed.",
    ]


def test_nothing_new_is_no_version(hooks: Hooks) -> None:
    assert " version=1 saved=True" in hooks.run("stop").err
    assert " version=1 saved=False" in hooks.run("pre-compact", trigger="auto").err
    (hooks.folder / "new").write_text("")
    assert " version=2 saved=True" in hooks.run("session-end", reason="other").err


def test_a_long_turn_is_recorded_after_tool_calls_but_not_after_each(
    hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is killed in a turn never comes to its stop."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert " version=1 saved=True" in hooks.run("post-tool-use", tool_name="Bash").err
    (hooks.folder / "new").write_text("")
    ran = hooks.run("post-tool-use", tool_name="Write")
    assert (ran.code, ran.json, "saved" in ran.err) == (0, {}, False)
    (mark,) = (tmp_path / "state" / "safepoint" / "hooks").iterdir()
    os.utime(mark, (mark.stat().st_mtime - 61,) * 2)
    assert " version=2 saved=True" in hooks.run("post-tool-use", tool_name="Write").err


def test_secrets_reach_neither_store_nor_log(hooks: Hooks) -> None:
    hooks.say(user(f"the key is {KEY}"), assistant("ok", tool("TodoWrite", todos=[
        {"content": f"revoke {KEY}", "status": "pending"}])))  # fmt: skip
    ran = hooks.run("stop", last_assistant_message=f"export TOKEN={KEY}")
    started = hooks.run("session-start", source="resume")
    assert "revoke [redacted]" in started.context
    told = ran.out + ran.err + started.out + started.err
    assert KEY not in told + json.dumps(state_of(hooks, f"{name_of(hooks)}.sessions"))


def test_messages_can_be_left_out(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFEPOINT_HOOKS", "no-messages")
    hooks.say(user("private"))
    hooks.run("stop", last_assistant_message="private too")
    assert "private" not in json.dumps(state_of(hooks, f"{name_of(hooks)}.sessions"))


@pytest.mark.parametrize("event", EVENTS)
def test_hooks_can_be_switched_off(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    monkeypatch.setenv("SAFEPOINT_HOOKS", "off")
    ran = hooks.run(event)
    assert (ran.code, ran.json, ran.err) == (0, {}, "")
    assert not Path(hooks.store).exists()


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_in_its_own_form(hooks: Hooks, client: str) -> None:
    sent = {
        "conversation_id": "c-1", "workspace_roots": [str(hooks.folder)], "transcript_path": None,
        "prompt_response": "Done",
    } if client == "cursor" else hooks.sent(last_assistant_message="Done")  # fmt: skip
    given = json.dumps(sent)
    words = [*hooks.options, "--client", client]
    assert hooks.run_here("stop", *words, given=given).json == {}
    told = hooks.run_here("session-start", *words, given=given).json
    text = told["additional_context"] if client == "cursor" else (
        told["hookSpecificOutput"]["additionalContext"])  # fmt: skip
    assert f"recorded of this session (stop, {client} on " in text
    assert "assistant said: Done" in text


def test_a_bound_project_uses_the_name_in_its_file(hooks: Hooks) -> None:
    (hooks.folder / ".safepoint.json").write_text('{"workspace": "parser-rewrite"}')
    hooks.run("stop")
    assert name_of(hooks) == "parser-rewrite"


def test_the_command_line_names_the_workspace_before_the_file_does(hooks: Hooks) -> None:
    (hooks.folder / ".safepoint.json").write_text('{"workspace": "parser-rewrite"}')
    named = ("--workspace", "shared")
    hooks.run("stop", *named, last_assistant_message="Seen by all.")
    assert "Seen by all." in hooks.run("session-start", *named).context
    assert name_of(hooks) == "parser-rewrite"


def test_a_cloned_repository_gets_nothing_of_another_project(hooks: Hooks, tmp_path: Path) -> None:
    (hooks.folder / ".safepoint.json").write_text('{"workspace": "parser-rewrite"}')
    hooks.run("stop", last_assistant_message="our secret plan")
    evil = repository(tmp_path / "evil", "https://github.com/evil/widgets.git")
    (evil / ".safepoint.json").write_text('{"workspace": "parser-rewrite"}')
    text = hooks.run("session-start", cwd=str(evil)).context
    assert "secret plan" not in text
    assert "'parser-rewrite' is not used here: it belongs to another project" in text
    hooks.run("stop", session="s-2", cwd=str(evil), last_assistant_message="poison")
    assert "poison" not in hooks.run("session-start").context


def test_a_file_that_names_another_store_moves_nothing(hooks: Hooks, tmp_path: Path) -> None:
    other = {"workspace": "w", "store": str(tmp_path / "elsewhere")}
    (hooks.folder / ".safepoint.json").write_text(json.dumps(other))
    hooks.run("stop")
    assert "only --store may" in hooks.run("session-start").context
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_repository_edited_files_are_recorded(hooks: Hooks, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "notes.md").write_text("text")
    hooks.say(assistant(tool("Write", file_path=str(folder / "notes.md"))))
    hooks.run("stop", cwd=str(folder))
    assert "  E notes.md sha256:982d9e3eb996f559" in hooks.run(
        "session-start", cwd=str(folder)).context  # fmt: skip


def test_from_a_terminal_the_folder_of_the_process_counts(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks.run("stop")
    monkeypatch.chdir(hooks.folder / "src")
    told = hooks.run_here("session-start", *hooks.options).json["hookSpecificOutput"]
    assert "recorded of the last session" in told["additionalContext"]


@pytest.mark.parametrize(
    "given", ["[", "[]", "7", '"text"', "\0", "{" * 5000, '{"session_id": "s", "cwd": 1} x']
)
@pytest.mark.parametrize("event", ["stop", "session-start"])
def test_input_that_is_no_object_is_told_of_and_fails_nothing(
    hooks: Hooks, event: str, given: str
) -> None:
    ran = hooks.run_here(event, *hooks.options, given=given)
    assert ran.code == 0
    assert f" warning {event} outcome=bad_hook_input " in ran.err
    assert "error: the hook's input cannot be used" in ran.err
    assert ("This is no fresh start" in ran.out) == (event == "session-start")


@pytest.mark.parametrize(
    "fields",
    [
        {"session_id": "../../x\n" * 50, "cwd": "relative", "transcript_path": "\0"},
        {"session_id": "s", "cwd": "/\0", "transcript_path": 7, "source": ["x"]},
        {"session_id": "s", "cwd": "/nowhere/at/all", "last_assistant_message": {"a": 1}},
        {"session_id": "s" * 5000, "workspace_roots": {}, "conversation_id": 1},
    ],
)
def test_odd_fields_are_taken_for_missing_ones(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    monkeypatch.chdir(hooks.folder)
    for event in ("stop", "session-start"):
        ran = hooks.run_here(event, *hooks.options, given=json.dumps(fields))
        assert ran.code == 0
        assert " outcome=ok " in ran.err, ran.err


def test_without_a_session_nothing_is_recorded(hooks: Hooks) -> None:
    ran = hooks.run_here("stop", *hooks.options, given="{}")
    assert ran.code == 0
    assert "outcome=bad_hook_input" in ran.err
    assert not Path(hooks.store).exists()


@pytest.mark.parametrize(
    "words",
    [[], ["bogus"], ["stop", "--client", "bogus"], ["stop", "--bogus"], ["stop", "--store"],
     ["post-tool-use"], ["stop", "--workspace", "../w"], ["stop", "--help"]],
)  # fmt: skip
def test_a_wrong_command_line_is_told_and_vetoes_nothing(hooks: Hooks, words: list[str]) -> None:
    ran = hooks.run_here(*words, given="{}")
    assert ran.code == 0
    assert ("--help" in words) or "error: " in ran.err


@pytest.mark.parametrize("name", ["SAFEPOINT_HOOKS", "SAFEPOINT_LOG"])
def test_a_wrong_setting_is_told_and_fails_nothing(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "sometimes")
    ran = hooks.run("stop")
    assert ran.code == 0
    assert name in ran.err


def test_a_store_that_does_not_open_is_never_a_fresh_start(hooks: Hooks, tmp_path: Path) -> None:
    hooks.run("stop")
    make_key_file(tmp_path / "other", random=lambda count: bytes(count))
    wrong = ("--key-file", str(tmp_path / "other"))
    told = hooks.run("session-start", *wrong)
    assert "could not read the workspace 'widgets-" in told.context
    assert "This is no fresh start" in told.context
    assert "outcome=wrong_key " in told.err
    assert hooks.run("stop", *wrong, last_assistant_message="new").code == 0


def test_a_failure_that_nobody_foresaw_fails_nothing_and_shows_no_data(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise RuntimeError(f"broken by {KEY}")

    monkeypatch.setattr("safepoint_server.hooks.run.read_transcript", fail)
    ran = hooks.run("stop")
    assert ran.code == 0
    assert "outcome=internal" in ran.err
    assert "RuntimeError at " in ran.err
    assert KEY not in ran.err


def test_a_long_past_is_told_within_its_bound(hooks: Hooks) -> None:
    hooks.say(*(user("Fix " * 900) for _ in range(9)))
    for number in range(60):
        (hooks.folder / f"{'n' * 200}{number}").write_text("")
    for session in ("s-1", "s-2", "s-3"):
        hooks.run("stop", session=session)
    text = hooks.run("session-start", source="compact").context
    assert text.startswith("The conversation was just compacted. ")
    assert 1000 < len(text.encode()) <= MAX_BYTES


def test_every_event_and_client_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text("utf-8")
    for name in (*(f"| `{event}` |" for event in EVENTS), *(f"`{client}`" for client in CLIENTS)):
        assert name in page
    assert f"{MAX_BYTES:,} bytes" in page

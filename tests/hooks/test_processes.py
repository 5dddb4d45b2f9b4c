"""Hooks as processes: a conversation until the next one begins, and what attackers hand to them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import Implementation
from tests.hooks.client import Hooks, assistant, git, repository, run_process, tool, user

TODOS = [{"content": text, "status": status, "activeForm": text} for text, status in (
    ("find the bug", "completed"), ("write the test", "in_progress"), ("ship", "pending"),
)]  # fmt: skip


def agent(hooks: Hooks) -> Client:
    """An MCP client on a server of its own, over the store of the hooks."""
    command = [sys.executable, "-m", "safepoint_server", "serve", *hooks.options]
    shell = ["-c", 'exec "$@" 2>/dev/null', "sh", *command]
    parameters = StdioServerParameters(command="sh", args=shell, env=dict(os.environ))
    return Client(parameters, client_info=Implementation(name="claude-code", version="2.1"))


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content or {}


@pytest.mark.anyio
async def test_nothing_that_was_recorded_is_missing_after_compaction_and_kill(hooks: Hooks) -> None:
    started = hooks.process("session-start", hook_event_name="SessionStart", source="startup")
    name = started.context.partition("workspace '")[2].partition("'")[0]
    hooks.say(user("Fix the parser, it fails on tabs"))
    async with agent(hooks) as client:
        await call(client, "plan_steps", workspace=name, steps=["test", "fix"], goal="Tabs work")
        run = await call(client, "start_step", workspace=name, step="test")
        (hooks.folder / "src" / "a.py").write_text("a = '\\t'\n")
        hooks.say(assistant("The bug is in a.py.", tool("TodoWrite", todos=TODOS)))
        saved = await call(
            client, "save_checkpoint", workspace=name, state={"bug": "line 7"}, next_action="Fix it"
        )
        stopped = hooks.process(
            "stop", stop_hook_active=False, last_assistant_message="The bug is in a.py."
        )
        assert (stopped.code, stopped.json) == (0, {})
        # What the agent had loaded is still the newest: its save is no conflict.
        await call(
            client, "save_checkpoint", workspace=name, state={"bug": "line 7, and 9"},
            expected_version=saved["version"],
        )  # fmt: skip
        (hooks.folder / "src" / "test_a.py").write_text("def test_tabs(): ...\n")
        git(hooks.folder, "checkout", "--quiet", "-b", "tabs")
        hooks.say(user("Use pytest for it"), assistant("I write test_a.py."))
        assert hooks.process("pre-compact", trigger="auto", custom_instructions=None).code == 0
        brief = await call(client, "load_checkpoint", workspace=name)
        assert brief["in_flight"][0]["idempotency_key"] == run["idempotency_key"]
        server = (await call(client, "load_checkpoint", workspace=name))["saved_by"]["process"]
        os.kill(int(server), signal.SIGKILL)
        with pytest.raises(Exception, match="closed"):
            await call(client, "load_checkpoint", workspace=name)
    for source in ("compact", "resume"):
        told = hooks.process("session-start", source=source).context
        for recorded in (
            "Tabs work", "Fix it", "line 7, and 9", run["idempotency_key"], "claude-code 2.1",
            "recorded of this session (pre-compact auto, claude-code on ",
            "branch tabs at " + git(hooks.folder, "rev-parse", "HEAD"), "M src/a.py sha256:",
            "? src/test_a.py sha256:", "[x] find the bug", "[>] write the test", "[ ] ship",
            "Fix the parser, it fails on tabs", "The bug is in a.py.", "Use pytest for it",
            "I write test_a.py.",
        ):  # fmt: skip
            assert recorded in told
    assert "just compacted" in hooks.process("session-start", source="compact").context


def test_two_sessions_at_once_keep_each_others_notes(hooks: Hooks) -> None:
    running = []
    for number in range(4):
        given = hooks.sent(f"s-{number}", last_assistant_message=f"I am number {number}.")
        process = subprocess.Popen(
            [sys.executable, "-m", "safepoint_server.cli", "hook", "stop", *hooks.options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SAFEPOINT_HOOK_SECONDS": "50"},
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        running.append(process)
    for process in running:
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == {}
        process.stdout.close()
        assert process.wait() == 0
    told = hooks.run("session-start").context
    assert all(f"I am number {number}." in told for number in range(4))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_input_that_never_ends_and_one_without_an_end(hooks: Hooks, tmp_path: Path) -> None:
    with open("/dev/zero", "rb") as endless:
        ran = run_process("stop", *hooks.options, given=endless)
    assert (ran.code, ran.json) == (0, {})
    assert "longer than 1048576 bytes" in ran.err
    reader, writer = os.pipe()
    with open(reader, "rb") as silent, open(writer, "wb") as held:
        held.write(json.dumps(hooks.sent(last_assistant_message="Still open.")).encode())
        held.flush()
        ran = run_process("stop", *hooks.options, given=silent, seconds="4")
    assert (ran.code, ran.json) == (0, {})
    assert "outcome=" in ran.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_transcripts_that_bite(hooks: Hooks, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(500_000_000)
    for name in ("fifo", "loop", "huge"):
        ran = hooks.process("stop", transcript_path=str(tmp_path / name))
        assert ran.code == 0
        assert "outcome=ok" in ran.err


def test_a_hundred_thousand_changed_files(hooks: Hooks) -> None:
    blob = git(hooks.folder, "hash-object", "-w", "src/a.py")
    index = "".join(f"100644 {blob}\tdeep/er/file-{number:06}.txt\n" for number in range(100_000))
    subprocess.run(
        ["git", "update-index", "--index-info"], cwd=hooks.folder, input=index.encode(), check=True
    )
    ran = hooks.process("stop")
    assert ran.code == 0
    assert "outcome=ok" in ran.err
    assert "more changed files: 60 listed, at least " in hooks.run("session-start").context


def test_a_store_that_does_not_answer_is_given_up_in_time(hooks: Hooks) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        port = silent.getsockname()[1]
        store = f"s3://bucket/agents?region=us-east-1&endpoint=http://127.0.0.1:{port}"
        environ = {"SAFEPOINT_PASSPHRASE": "several random words"}
        environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        for event in ("stop", "session-start"):
            ran = run_process(event, "--store", store, given=hooks.sent(), seconds="2", **environ)
            assert ran.code == 0
            assert "outcome=too_late" in ran.err
            assert ("This is no fresh start" in ran.out) == (event == "session-start")
            assert ("may not be recorded" in ran.err) == (event == "stop")
    assert json.loads(ran.out)


def test_output_that_cannot_be_written_fails_nothing(hooks: Hooks) -> None:
    command = [sys.executable, "-m", "safepoint_server.cli", "hook", "stop", *hooks.options]
    given = json.dumps(hooks.sent()).encode()
    for target in (">&-", "2>&-", ">/dev/full", ">&- 2>&-"):
        shell = ["sh", "-c", f'"$@" {target}', "sh", *command]
        done = subprocess.run(shell, input=given, capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, target


def test_projects_of_one_remote_share_a_workspace_and_others_do_not(
    hooks: Hooks, tmp_path: Path
) -> None:
    clone = repository(tmp_path / "clone", "git@github.com:acme/widgets.git")
    stranger = repository(tmp_path / "stranger", "git@github.com:acme/gadgets.git")
    hooks.run("stop", last_assistant_message="Seen from the clone.")
    assert "Seen from the clone." in hooks.run("session-start", cwd=str(clone)).context
    assert "Nothing is saved" in hooks.run("session-start", cwd=str(stranger)).context

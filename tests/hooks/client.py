"""A client whose hooks are run in a project: what it sends and what its transcript says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENT = "50"
"""Seconds for a hook on a machine that is busy with other tests."""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def context(self) -> str:
        """What the session of a client like Claude Code is told."""
        assert self.code == 0, self.err
        told = self.json["hookSpecificOutput"]
        assert told["hookEventName"] == "SessionStart"
        return str(told["additionalContext"])


def git(folder: Path, *words: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    settings = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(folder: Path, origin: str | None = None) -> Path:
    """A repository with one commit of `src/a.py` and `.gitignore`."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("*.log\n.env\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    if origin is not None:
        git(folder, "remote", "add", "origin", origin)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


@dataclass(frozen=True)
class Hooks:
    """A client in `folder` whose hooks work on one store. Every event is given `session` and
    `transcript`, and what else the test says."""

    folder: Path
    store: str
    key_file: Path
    transcript: Path
    run_here: Callable[..., Ran]

    @property
    def options(self) -> list[str]:
        return ["--store", self.store, "--key-file", str(self.key_file)]

    def sent(self, session: str = "s-1", **more: Any) -> dict[str, Any]:
        about = {"session_id": session, "transcript_path": str(self.transcript)}
        return {**about, "cwd": str(self.folder), **more}

    def run(self, event: str, *options: str, session: str = "s-1", **more: Any) -> Ran:
        """In this process."""
        words = [event, *self.options, *options]
        return self.run_here(*words, given=json.dumps(self.sent(session, **more)))

    def process(self, event: str, *options: str, session: str = "s-1", **more: Any) -> Ran:
        return run_process(event, *self.options, *options, given=self.sent(session, **more))

    def say(self, *entries: dict[str, Any]) -> None:
        """Append lines to the transcript."""
        with self.transcript.open("a") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)


def run_process(*words: str, given: Any, seconds: str = PATIENT, **environ: str) -> Ran:
    """`safepoint hook` as a process; `given` is an object, or an open file."""
    named = {"input": json.dumps(given)} if isinstance(given, dict) else {"stdin": given}
    done = subprocess.run(
        [sys.executable, "-m", "safepoint_server.cli", "hook", *words],
        env={**os.environ, "SAFEPOINT_HOOK_SECONDS": seconds, **environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        **named,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def user(text: str) -> dict[str, Any]:
    return {"type": "user", "message": {"role": "user", "content": text}}


def assistant(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    content = [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]
    return {"type": "assistant", "message": {"role": "assistant", "content": content}}


def tool(name: str, call: str = "t1", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": given}

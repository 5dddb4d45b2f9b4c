"""A project with a repository, and its hooks as a client runs them, in this process."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.client import PATIENT, Hooks, Ran, repository

from safepoint.keyfile import make_key_file
from safepoint_server.cli import main


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SAFEPOINT_HOOK_SECONDS", PATIENT)

    def too_late(code: int) -> None:
        raise AssertionError("the hook's time was over")

    monkeypatch.setattr(os, "_exit", too_late)
    monkeypatch.setattr(time, "process_time", lambda: 0.0)  # tests before took their share

    def run(*words: str, given: str = "") -> Ran:
        capsys.readouterr()
        reader, writer = os.pipe()
        with open(writer, "w") as end:
            end.write(given)  # pipes take this much
        with open(reader) as source:
            monkeypatch.setattr(sys, "stdin", source)
            code = main(["hook", *words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def hooks(tmp_path: Path, run_here: Any) -> Hooks:
    make_key_file(tmp_path / "key", random=lambda count: bytes(range(count)))
    folder = repository(tmp_path / "widgets", "https://github.com/acme/widgets.git")
    return Hooks(
        folder, str(tmp_path / "store"), tmp_path / "key", tmp_path / "transcript.jsonl", run_here
    )

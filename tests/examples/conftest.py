"""Where demonstrations run: temporary folders of the test, not of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Demo:
    """A demonstration that ended: its exit code, its document, and what was shown meanwhile."""

    code: int
    document: dict[str, Any]
    shown: str

    def checks(self) -> dict[str, bool]:
        return {check["name"]: check["ok"] for check in self.document["checks"]}


@pytest.fixture
def demo(tmp_path: Path) -> Callable[..., Demo]:
    """Runs `safepoint demo` as a process of its own."""

    def run(*argv: str) -> Demo:
        done = subprocess.run(
            [sys.executable, "-m", "safepoint_server.cli", "demo", "--json", *argv],
            capture_output=True,
            env={**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path)},
            timeout=240,
            check=False,
        )
        assert done.stdout, done.stderr.decode()
        return Demo(done.returncode, json.loads(done.stdout), done.stderr.decode())

    return run


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with a text that has findings, one that has none, and files that are no text."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    doubled = "The the beginning of a text which is long enough to be worth reading, I hope.\n"
    (folder / "draft.md").write_text(doubled * 4 + "[more](missing.md) and http://example.org\n")
    (folder / "deep" / "clean notes.txt").write_text("A short line of a fine text.\n" * 12)
    (folder / "picture.png").write_bytes(b"\x89PNG" * 100)
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00" * 100)
    (folder / ".hidden.md").write_text("hidden " * 100)
    return folder

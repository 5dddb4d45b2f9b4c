"""The real Claude Code, offline, in a home that holds nothing of anybody."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.clients.node import modules

from safepoint_server.setup.entry import launch_command

__all__ = ["ClaudeCode"]

QUIET = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


@dataclass(frozen=True)
class ClaudeCode:
    """It, and Safepoint, for one person in one project."""

    program: Path
    home: Path
    project: Path

    @classmethod
    def make(cls, folder: Path) -> ClaudeCode:
        """Skips the test where there is no npm to install it with."""
        (program,) = modules().glob("@anthropic-ai/claude-code-*/claude*")
        made = cls(program, folder / "home", folder / "project")
        made.home.mkdir()
        made.project.mkdir()
        return made

    def claude(self, *args: str, **variables: str) -> str:
        """What `claude` prints, errors too."""
        return self._run([str(self.program), *args], variables)

    def safepoint(self, *args: str, **variables: str) -> str:
        """What `safepoint` prints."""
        return self._run([*launch_command(), *args], variables)

    def _run(self, command: list[str], variables: dict[str, str]) -> str:
        kept = {"PATH": os.defpath, "HOME": str(self.home), "USERPROFILE": str(self.home)}
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**kept, **QUIET, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.stdout

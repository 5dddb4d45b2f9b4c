"""Branch, head and changed files of a working tree, from git within a time limit.

git runs while nobody looks, in trees that came from anywhere: it starts no program that the
repository names (fsmonitor, filters, hooks), takes no locks and does not enter submodules.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from safepoint_server.hooks.deadline import Deadline
from safepoint_server.hooks.project import Project
from safepoint_server.hooks.regular import read_regular

__all__ = ["Change", "Status", "Tree", "parse_status"]

SHARE_FILTERS: Final = 0.3
SHARE_STATUS: Final = 0.6
MAX_OUTPUT: Final = 2 * 1024 * 1024
MAX_PACKED_REFS: Final = 4 * 1024 * 1024
MAX_FILTERS: Final = 50

SAFE: Final = (
    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
    *("--no-optional-locks", "--no-pager"),
)
FILTERS: Final = ("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
STATUS: Final = (
    *("status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--no-renames"),
    *("--untracked-files=all", "--ignore-submodules=all"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A changed file: the letter that git gives it (`?` for a new one) and its path below the
    root."""

    status: str
    path: str


@dataclass(frozen=True, slots=True)
class Tree:
    """`branch` is None when none is checked out, `head` before the first commit. `changed` is None
    when it is not known, `more` that there are others."""

    branch: str | None
    head: str | None
    changed: tuple[Change, ...] | None = None
    more: bool = False


class Status:
    """`git status` on its way, until the end of the block. Without git there is still branch and
    head."""

    def __init__(self, project: Project, deadline: Deadline) -> None:
        self._project = project
        self._deadline = deadline
        self._output: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        program = _git_program(os.environ, project.root)
        if program is not None and project.tree is not None:
            with contextlib.suppress(OSError):
                self._process = self._started(program)

    def _started(self, program: str) -> subprocess.Popen[bytes] | None:
        listing = self._git(program, *FILTERS, output=subprocess.PIPE)
        try:
            names, _ = listing.communicate(timeout=self._deadline.left(SHARE_FILTERS))
        except subprocess.TimeoutExpired:
            listing.kill()
            listing.communicate()
            return None
        off = _without_filters(names)
        if off is None:
            return None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        return self._git(program, *off, *STATUS, output=self._output)

    def _git(self, program: str, *words: str, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - an absolute program, fixed words
            [program, *SAFE, *words],
            cwd=self._project.root,
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._output is not None:
            self._output.close()

    def finish(self) -> Tree | None:
        """What is known of it in time; None outside of a repository."""
        if self._project.tree is None or self._project.git is None:
            return None
        if self._output is not None and self._process is not None and self._ended(self._process):
            self._output.seek(0)
            return parse_status(self._output.read(MAX_OUTPUT))
        return _from_files(self._project.tree, self._project.git)

    def _ended(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            return process.wait(self._deadline.left(SHARE_STATUS)) == 0
        except subprocess.TimeoutExpired:
            return False


def parse_status(output: bytes) -> Tree:
    """From `git status --porcelain=v2 -z --branch`, of which the end may be missing."""
    whole = not output or output.endswith(b"\0")
    branch = head = None
    changed: list[Change] = []
    for entry in output.split(b"\0")[:-1]:
        kind, _, rest = os.fsdecode(entry).partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid" and value != "(initial)":
                head = value
            elif name == "branch.head" and value != "(detached)":
                branch = value
        elif kind in ("?", "1", "u"):
            change = _change(kind, rest)
            if change is not None:
                changed.append(change)
    return Tree(branch, head, tuple(changed), more=not whole)


def _change(kind: str, rest: str) -> Change | None:
    if kind == "?":
        return Change("?", rest)
    fields = rest.split(" ", 9 if kind == "u" else 7)
    if len(fields) != (10 if kind == "u" else 8):
        return None
    staged, unstaged = fields[0][:1], fields[0][1:2]
    return Change("U" if kind == "u" else staged if unstaged == "." else unstaged, fields[-1])


def _from_files(tree: Path, git: Path) -> Tree:
    """Branch and head as they lie in `.git`."""
    head = (read_regular(tree / "HEAD", 4096) or "").strip()
    if not head.startswith("ref: "):
        return Tree(None, head if re.fullmatch(r"[0-9a-f]{40,64}", head) else None)
    name = head.removeprefix("ref: ")
    at = None
    if re.fullmatch(r"refs/[^\0]*", name) and ".." not in name:
        at = (read_regular(git / name, 4096) or "").strip() or _packed(git, name)
    return Tree(name.removeprefix("refs/heads/"), at)


def _packed(git: Path, name: str) -> str | None:
    for line in (read_regular(git / "packed-refs", MAX_PACKED_REFS) or "").splitlines():
        if line.endswith(f" {name}"):
            return line.partition(" ")[0]
    return None


def _without_filters(names: bytes) -> list[str] | None:
    """Options that switch off every filter that is configured; None if there are too many."""
    found = {os.fsdecode(name) for name in names.split(b"\0") if name}
    commands = [name for name in found if name.endswith((".clean", ".process", ".smudge"))]
    required = {f"{name.rpartition('.')[0]}.required=false" for name in commands}
    if len(commands) > MAX_FILTERS or any("=" in name for name in commands):
        return None
    return [word for name in commands for word in ("-c", f"{name}=")] + [
        word for setting in sorted(required) for word in ("-c", setting)
    ]


def _environment(environ: os._Environ[str]) -> dict[str, str]:
    """Without what would lead git elsewhere; configuration by environment is the operator's."""
    kept = {k: v for k, v in environ.items() if not k.startswith("GIT_") or "CONFIG" in k}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def _git_program(environ: os._Environ[str], root: Path) -> str | None:
    """From PATH alone: never one that lies in the project, as Windows would find it first."""
    name = "git.exe" if os.name == "nt" else "git"
    for folder in environ.get("PATH", "").split(os.pathsep):
        program = Path(folder, name)
        if program.is_absolute() and root not in program.parents and os.access(program, os.X_OK):
            return str(program)
    return None

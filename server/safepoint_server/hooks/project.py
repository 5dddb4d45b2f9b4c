"""Which project a folder belongs to: its repository, and what it is known by everywhere.

The files of a checkout come from anybody; its `.git` is trusted as far as git itself trusts it.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from safepoint_server.hooks.regular import read_regular

__all__ = ["Project", "find_project"]

MAX_CONFIG: Final = 256 * 1024
MAX_POINTER: Final = 4096
SECTION: Final = re.compile(r'\s*\[\s*([^\]"\s]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
URL: Final = re.compile(r'\s*url\s*=\s*"?([^"]*?)"?\s*')
SCP: Final = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]{2,}):(?!/)(.+)")
"""`git@host:path`. One letter before the colon is a drive of Windows."""


@dataclass(frozen=True, slots=True)
class Project:
    """`folder` is where the session works, `root` the top of its working tree or that folder.

    `git` is the `.git` folder that all working trees of a repository share, and `tree` the one of
    this working tree; None outside of a repository. `origin` is host and path of its remote.
    """

    folder: Path
    root: Path
    git: Path | None = None
    tree: Path | None = None
    origin: str = ""

    @property
    def name(self) -> str:
        """A word for people."""
        if self.origin:
            return self.origin.rpartition("/")[2]
        return (self.git.parent if self.git and self.git.name == ".git" else self.root).name

    @property
    def identity(self) -> str:
        """The same for every clone of a remote and for every working tree of a repository; without
        a remote, for this folder of this machine. Hex of 64 digits."""
        known = f"git:{self.origin}"
        if not self.origin:
            known = f"folder:{socket.gethostname()}:{self.git or self.root}"
        return hashlib.sha256(known.encode(errors="surrogateescape")).hexdigest()


def find_project(folder: Path, home: Path | None) -> Project:
    """The project of `folder`. A session that strays into another repository below its `home`
    keeps the project of its home."""
    here = _project_at(folder)
    if home is None or not _within(here.folder, there := _project_at(home)):
        return here
    if here.git is None and there.git is None:
        return there
    return here if here.git == there.git else there


def _within(folder: Path, home: Project) -> bool:
    return folder == home.folder or home.folder in folder.parents


def _project_at(folder: Path) -> Project:
    folder = Path(os.path.realpath(folder))
    for root in (folder, *folder.parents):
        tree = _tree_of(root / ".git")
        if tree is not None:
            git = _common(tree)
            return Project(folder, root, git, tree, _origin(git))
    return Project(folder, folder)


def _tree_of(entry: Path) -> Path | None:
    """What `.git` is: the repository's folder, or a file that points to it."""
    if os.path.isdir(entry):
        return entry if os.path.exists(entry / "HEAD") else None
    text = read_regular(entry, MAX_POINTER) or ""
    if not text.startswith("gitdir:") or "\0" in text:
        return None
    tree = Path(os.path.realpath(entry.parent / text.removeprefix("gitdir:").strip()))
    return tree if os.path.exists(tree / "HEAD") else None


def _common(tree: Path) -> Path:
    text = (read_regular(tree / "commondir", MAX_POINTER) or "").strip()
    return Path(os.path.realpath(tree / text)) if text and "\0" not in text else tree


def _origin(git: Path) -> str:
    """Host and path of the remote `origin`, without user, password and `.git`; else empty."""
    section, url = ("", ""), ""
    for line in (read_regular(git / "config", MAX_CONFIG) or "").splitlines():
        if match := SECTION.match(line):
            section = (match[1].lower(), match[2] or "")
        elif section == ("remote", "origin") and (match := URL.fullmatch(line)):
            url = match[1]
    return _host_and_path(url)


def _host_and_path(url: str) -> str:
    if match := SCP.fullmatch(url):
        host, path = match[1], match[2]
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return ""
    path = path.strip("/").removesuffix(".git").rstrip("/")
    return f"{host}/{path}".lower() if host and path else ""

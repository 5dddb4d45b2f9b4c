"""What git says of a tree, within its time, and without starting what the repository names."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from tests.hooks.client import git, repository

from safepoint_server.hooks.deadline import Deadline
from safepoint_server.hooks.files import described, edited_below
from safepoint_server.hooks.git import Change, Status, Tree, parse_status
from safepoint_server.hooks.project import find_project


def deadline(seconds: float = 60) -> Deadline:
    return Deadline(time.monotonic(), seconds)


def tree_of(folder: Path, seconds: float = 60) -> Tree | None:
    with Status(find_project(folder, None), deadline(seconds)) as status:
        return status.finish()


def test_every_kind_of_change_is_listed_and_ignored_files_are_not(tmp_path: Path) -> None:
    folder = repository(tmp_path / "widgets")
    for name in ("staged", "gone", "both", "moved"):
        (folder / name).write_text(f"{name}\n" * 9)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=more")
    (folder / "src" / "a.py").write_text("a = 2\n")
    (folder / "staged").write_text("other\n")
    git(folder, "add", "staged")
    (folder / "gone").unlink()
    git(folder, "mv", "moved", "moved here")
    (folder / "new").mkdir()
    (folder / "new" / "ü\n1 .M").write_text("")
    (folder / ".env").write_text("SECRET=1\n")
    (folder / "x.log").write_text("")
    tree = tree_of(folder / "src")
    assert tree is not None
    assert (tree.branch, tree.head) == ("main", git(folder, "rev-parse", "HEAD"))
    assert set(tree.changed or ()) == {
        Change("M", "src/a.py"), Change("M", "staged"), Change("D", "gone"), Change("D", "moved"),
        Change("A", "moved here"), Change("?", "new/ü\n1 .M"),
    }  # fmt: skip


def test_a_conflict_is_listed(tmp_path: Path) -> None:
    folder = repository(tmp_path / "widgets")
    git(folder, "checkout", "--quiet", "-b", "side")
    for branch in ("side", "main"):
        git(folder, "checkout", "--quiet", branch)
        (folder / "src" / "a.py").write_text(f"{branch}\n")
        git(folder, "commit", "--quiet", "--all", "--message=other")
    with pytest.raises(Exception, match="returned non-zero"):
        git(folder, "merge", "side")
    tree = tree_of(folder)
    assert tree is not None
    assert tree.changed == (Change("U", "src/a.py"),)


def test_before_the_first_commit_and_without_a_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=start")
    assert tree_of(tmp_path) == Tree("start", None, ())
    folder = repository(tmp_path / "widgets")
    git(folder, "checkout", "--quiet", "--detach")
    tree = tree_of(folder)
    assert tree is not None
    assert (tree.branch, tree.head) == (None, git(folder, "rev-parse", "HEAD"))


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_no_program_that_the_repository_names_is_started(tmp_path: Path) -> None:
    folder = repository(tmp_path / "widgets")
    (folder / ".gitattributes").write_text("*.py filter=evil\n")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\necho run >> {tmp_path}/sprung\ncat\n")
    trap.chmod(0o700)
    (folder / "git").write_text(trap.read_text())
    (folder / "git").chmod(0o700)
    for name in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
    ):
        git(folder, "config", name, str(trap))
    (folder / "src" / "a.py").write_text("a = 3\n")
    (tmp_path / "sprung").unlink(missing_ok=True)
    tree = tree_of(folder)
    assert tree is not None
    assert Change("M", "src/a.py") in (tree.changed or ())
    assert not (tmp_path / "sprung").exists()


def test_the_environment_leads_git_nowhere_else(tmp_path: Path, monkeypatch) -> None:
    folder, other = repository(tmp_path / "widgets"), repository(tmp_path / "other")
    git(other, "checkout", "--quiet", "-b", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    tree = tree_of(folder)
    assert tree is not None
    assert tree.branch == "main"


@pytest.mark.parametrize("packed", [False, True])
def test_without_git_branch_and_head_are_read_from_files(
    tmp_path: Path, monkeypatch, packed: bool
) -> None:
    folder = repository(tmp_path / "widgets")
    git(folder, "worktree", "add", "--quiet", str(tmp_path / "side"), "-b", "feature/x")
    head = git(folder, "rev-parse", "HEAD")
    if packed:
        git(folder, "pack-refs", "--all")
    monkeypatch.setenv("PATH", os.pathsep.join(["", "relative", str(tmp_path)]))
    assert tree_of(tmp_path / "side") == Tree("feature/x", head, None)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/../../config\n")
    assert tree_of(folder) == Tree("../../config", None, None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("stuck", ["config", "status"])
def test_a_git_that_hangs_is_ended_in_time(tmp_path: Path, monkeypatch, stuck: str) -> None:
    folder = repository(tmp_path / "widgets")
    head = git(folder, "rev-parse", "HEAD")
    os.mkfifo(tmp_path / "never")
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *" {stuck} "*) exec cat {tmp_path}/never;; esac\n')
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    assert tree_of(folder, seconds=0.2) == Tree("main", head, None)


def test_a_folder_without_a_repository_has_no_tree(tmp_path: Path) -> None:
    assert tree_of(tmp_path) is None


def test_a_listing_that_was_cut_off_says_so() -> None:
    whole = b"# branch.oid (initial)\0# branch.head main\0? a\0? b\0"
    assert parse_status(whole) == Tree("main", None, (Change("?", "a"), Change("?", "b")))
    cut = parse_status(whole[:-2])
    assert (cut.changed, cut.more) == ((Change("?", "a"),), True)
    assert parse_status(b"") == Tree(None, None, ())
    assert parse_status(b"1 broken\0u x\0! y\0").changed == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_plain_files_in_the_tree_are_digested(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "plain").write_text("text")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "fifo")
    with (root / "huge").open("wb") as file:
        file.truncate(1 << 40)
    names = (
        "plain",
        "link",
        "loop",
        "fifo",
        "huge",
        "missing",
        "../outside",
        str(tmp_path / "outside"),
    )
    found = described(root, [Change("?", name) for name in names], (), deadline())
    assert [one["path"] for one in found] == list(names)
    plain, *others = found
    assert plain["sha256"] == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    assert plain["bytes"] == 4
    assert not any("sha256" in one for one in others)
    assert stat.S_ISFIFO((root / "fifo").stat().st_mode)


def test_a_hundred_files_are_described_and_those_of_the_session_come_first(tmp_path: Path) -> None:
    changes = [Change("M", f"f{number}") for number in range(300)]
    found = described(tmp_path, changes, ("f299", "f7"), deadline())
    assert [one["path"] for one in found[:3]] == ["f7", "f299", "f0"]
    assert len(found) == 100


def test_when_the_time_is_over_files_are_only_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    found = described(tmp_path, [Change("M", "a")], (), Deadline(time.monotonic(), 0))
    assert found == [{"path": "a", "status": "M"}]


def test_edited_files_count_below_the_root_only(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    named = [str(tmp_path / "alias" / "a.py"), "b.py", "/etc/passwd", "../c.py"]
    assert edited_below(tmp_path / "real", tmp_path / "real", named) == ("a.py", "b.py")

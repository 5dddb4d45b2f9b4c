"""A project is known by its remote, or by where it lies; working trees and clones share it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.hooks.client import git, repository

from safepoint_server.hooks.project import find_project
from safepoint_server.hooks.regular import read_regular


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Acme/Widgets.git",
        "https://bob:secret-token@github.com/acme/widgets",
        "git@github.com:acme/widgets.git",
        "ssh://git@github.com:22/acme/widgets.git/",
    ],
)
def test_every_way_to_one_remote_is_one_project(tmp_path: Path, url: str) -> None:
    project = find_project(repository(tmp_path / "clone", url), None)
    assert project.origin == "github.com/acme/widgets"
    assert project.name == "widgets"
    same = find_project(repository(tmp_path / "other", "git@github.com:acme/widgets"), None)
    assert project.identity == same.identity


@pytest.mark.parametrize("url", [None, "/srv/git/widgets.git", "../widgets", "C:\\git\\widgets"])
def test_without_a_remote_host_the_folder_counts(tmp_path: Path, url: str | None) -> None:
    one, two = (find_project(repository(tmp_path / name, url), None) for name in ("one", "two"))
    assert (one.origin, one.name) == ("", "one")
    assert one.identity != two.identity


@pytest.mark.parametrize("origin", [None, "git@example.org:acme/widgets"])
def test_working_trees_of_a_repository_are_one_project(tmp_path: Path, origin: str | None) -> None:
    main = repository(tmp_path / "main", origin)
    git(main, "worktree", "add", "--quiet", str(tmp_path / "side"))
    here, there = find_project(main / "src", None), find_project(tmp_path / "side" / "src", None)
    assert here.identity == there.identity
    assert (here.root, there.root) == (main, tmp_path / "side")
    assert here.name == there.name


def test_a_session_that_strays_keeps_its_project(tmp_path: Path) -> None:
    home = repository(tmp_path / "home", "git@example.org:acme/home")
    vendor = repository(home / "vendor", "git@example.org:acme/vendor")
    outside = repository(tmp_path / "outside", "git@example.org:acme/outside")
    git(home, "worktree", "add", "--quiet", str(home / "trees"))
    assert find_project(vendor, home).root == home
    assert find_project(home / "trees", home).root == home / "trees"
    assert find_project(outside, home).root == outside


def test_without_a_repository_the_folder_where_the_session_began_is_the_project(
    tmp_path: Path,
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert find_project(tmp_path / "deep" / "er", tmp_path / "deep").root == tmp_path / "deep"
    assert find_project(tmp_path / "deep" / "er", None).root == tmp_path / "deep" / "er"


def test_only_the_section_of_origin_names_it(tmp_path: Path) -> None:
    folder = repository(tmp_path / "widgets")
    (folder / ".git" / "config").write_text(
        '[remote "other"]\n\turl = git@example.org:a/b\n[core]\n\turl = git@example.org:c/d\n'
        '[remote "origin"] # ours\n\tURL = x\n\turl = "git@example.org:acme/widgets"\n'
    )
    assert find_project(folder, None).origin == "example.org/acme/widgets"


@pytest.mark.parametrize("text", ["gitdir: ../nowhere\n", "nonsense", "gitdir: \0", "", "x" * 9999])
def test_a_broken_pointer_is_no_repository(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text)
    assert find_project(tmp_path, None).tree is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_small_plain_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert read_regular(tmp_path / "file", 4) == "text"
    for name in ("fifo", "link", "loop", "missing", "."):
        assert read_regular(tmp_path / name, 4) is None
    assert read_regular(tmp_path / "file", 3) is None

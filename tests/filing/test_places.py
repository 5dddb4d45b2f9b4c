"""Files below a folder: no link leads out of it, and nothing appears by halves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from safepoint.filing.places import Folder, open_plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder, and outside it a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def folder(root: Path) -> Iterator[Folder]:
    opened = Folder.open(root)
    yield opened
    opened.close()


def written(folder: Folder, name: str, data: bytes, **how: bool) -> None:
    new = folder.new(name)
    try:
        new.write(data)
        new.finish(**how)
    finally:
        new.discard()


def test_a_file_appears_whole_with_the_folders_above_it(folder: Folder, root: Path) -> None:
    new = folder.new("a/b/c")
    new.write(b"one ")
    assert not (root / "a/b/c").exists()
    new.write(b"two")
    new.finish(executable=True)
    new.discard()
    assert (root / "a/b/c").read_bytes() == b"one two"
    assert (root / "a/b/c").stat().st_mode & 0o100
    assert [path.name for path in (root / "a/b").iterdir()] == ["c"]


def test_what_is_discarded_leaves_nothing(folder: Folder, root: Path) -> None:
    new = folder.new("x")
    new.write(b"half")
    new.discard()
    assert list(root.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_on_purpose(folder: Folder, root: Path) -> None:
    (root / "x").write_text("old")
    with pytest.raises(Conflict) as caught:
        written(folder, "x", b"new")
    assert caught.value.code == "file_exists"
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("x", "old")]
    written(folder, "x", b"new", replace=True)
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("x", "new")]


def test_a_link_at_the_end_is_neither_read_nor_written_through(folder: Folder, root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside" / "secret")
    with pytest.raises(InvalidInput) as caught:
        folder.read("link")
    assert caught.value.code == "bad_path"
    for replace in (False, True):
        with pytest.raises(Conflict):
            written(folder, "link", b"new", replace=replace)
    assert (root.parent / "outside" / "secret").read_text() == "secret"


def test_a_link_on_the_way_is_not_followed(folder: Folder, root: Path) -> None:
    (root / "way").symlink_to(root.parent / "outside")
    with pytest.raises(InvalidInput):
        folder.read("way/secret")
    with pytest.raises(InvalidInput):
        folder.new("way/new")
    with pytest.raises(InvalidInput):
        folder.below("way")
    assert sorted(os.listdir(root.parent / "outside")) == ["secret"]


def test_a_folder_that_is_swapped_for_a_link_meanwhile_leads_nowhere(
    folder: Folder, root: Path
) -> None:
    (root / "d").mkdir()
    new = folder.new("d/x")
    new.write(b"data")
    (root / "d").rename(root / "moved")
    (root / "d").symlink_to(root.parent / "outside")
    with pytest.raises(InvalidInput):
        new.finish()
    new.discard()
    assert sorted(os.listdir(root.parent / "outside")) == ["secret"]


@pytest.mark.parametrize("name", ["../outside/secret", "a/../../outside/secret", "..", "./x", ""])
def test_no_name_leads_out_of_the_folder(folder: Folder, root: Path, name: str) -> None:
    (root / "a").mkdir()
    with pytest.raises((InvalidInput, NotFound)):
        folder.read(name)
    with pytest.raises((InvalidInput, NotFound)):
        folder.new(name)


def test_the_folder_stays_the_same_when_its_name_is_taken_by_another(
    folder: Folder, root: Path
) -> None:
    (root / "x").write_text("mine")
    root.rename(root.parent / "away")
    (root.parent / "root").symlink_to(root.parent / "outside")
    with folder.read("x") as file:
        assert file.read() == b"mine"


def test_pipes_and_folders_are_no_files(folder: Folder, root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "d").mkdir()
    for name in ("pipe", "d"):
        with pytest.raises(InvalidInput) as caught:
            folder.read(name)
        assert caught.value.code == "not_a_file"
        with pytest.raises(InvalidInput):
            open_plain(root / name)
    assert [folder.kind(name) for name in ("pipe", "d", "none")] == ["other", "folder", None]


def test_a_scan_finds_plain_files_and_names_the_rest(folder: Folder, root: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/run.sh").write_text("#!")
    (root / "d/e/run.sh").chmod(0o755)
    (root / "a").write_text("12345")
    (root / "link").symlink_to(root / "a")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "d/pipe")
    found = folder.scan(10)
    assert found.files == (("a", 5, False), ("d/e/run.sh", 2, True))
    assert found.skipped == (
        ("d/pipe", "no plain file"),
        ("link", "a symbolic link"),
        ("loop", "a symbolic link"),
    )
    with pytest.raises(LimitExceeded):
        folder.scan(1)


def test_what_is_not_there_is_said_so(folder: Folder, root: Path) -> None:
    with pytest.raises(NotFound) as caught:
        folder.read("none/at all")
    assert caught.value.code == "file_not_found"
    with pytest.raises(NotFound):
        Folder.open(root / "none")
    with pytest.raises(InvalidInput):
        Folder.open(root.parent / "outside" / "secret")
    assert folder.holds("none", size=0, sha256="", executable=False) is None

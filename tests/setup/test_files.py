"""Files of other programs are replaced whole or not at all, where they really are."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from safepoint_server.setup.errors import ChangedMeanwhile, NotEditable
from safepoint_server.setup.files import ConfigFile

unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes, links or signals")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is there."""
    path = tmp_path / "settings.json"
    path.write_bytes(b"old")
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_old_contents_are_kept_beside_the_new(path: Path) -> None:
    first = ConfigFile.read(path).replace(b"new")
    second = ConfigFile.read(path).replace(b"newer")
    assert path.read_bytes() == b"newer"
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (b"old", b"new")
    assert names(path.parent) == {path.name, first.name, second.name}
    assert ConfigFile.read(path).backups == [first, second]


@unix
def test_mode_and_links_stay(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    link = tmp_path / "home" / "settings.json"
    link.parent.mkdir()
    link.symlink_to(Path("..") / path.name)
    kept = ConfigFile.read(link).replace(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert kept is not None
    assert (kept.parent, stat.S_IMODE(kept.stat().st_mode)) == (tmp_path, 0o640)


@unix
def test_a_link_that_leads_nowhere_is_followed_too(tmp_path: Path) -> None:
    link = tmp_path / "settings.json"
    link.symlink_to(tmp_path / "dotfiles" / "settings.json")
    assert ConfigFile.read(link).replace(b"new") is None
    assert (tmp_path / "dotfiles" / "settings.json").read_bytes() == b"new"
    assert link.is_symlink()


@unix
def test_a_new_file_is_private_unless_it_belongs_to_a_project(tmp_path: Path) -> None:
    ConfigFile.read(tmp_path / "a" / "mine").replace(b"{}")
    ConfigFile.read(tmp_path / "b" / "ours", inside=tmp_path).replace(b"{}")
    assert stat.S_IMODE((tmp_path / "a" / "mine").stat().st_mode) == 0o600
    umask = os.umask(0o022)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "b" / "ours").stat().st_mode) == 0o666 & ~umask


def test_a_file_that_was_changed_meanwhile_is_left_alone(path: Path) -> None:
    read = ConfigFile.read(path)
    path.write_bytes(b"theirs")
    with pytest.raises(ChangedMeanwhile):
        read.replace(b"new")
    assert path.read_bytes() == b"theirs"
    assert names(path.parent) == {path.name}


def test_a_file_that_came_or_went_meanwhile_is_left_alone(path: Path, tmp_path: Path) -> None:
    gone, come = ConfigFile.read(path), ConfigFile.read(tmp_path / "other")
    path.unlink()
    (tmp_path / "other").write_bytes(b"theirs")
    for read in (gone, come):
        with pytest.raises(ChangedMeanwhile):
            read.replace(b"new")
    assert names(tmp_path) == {"other"}


def test_a_change_that_comes_while_the_new_file_is_written_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = os.fsync

    def fsync(descriptor: int) -> None:
        synced(descriptor)
        path.write_bytes(b"theirs")

    read = ConfigFile.read(path)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ChangedMeanwhile):
        read.replace(b"new")
    assert path.read_bytes() == b"theirs"
    assert names(path.parent) == {path.name}


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_write_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    read = ConfigFile.read(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(NotEditable, match="No space left"):
            read.replace(b"new")
    assert path.read_bytes() == b"old"
    assert names(path.parent) == {path.name}


KILLED = """
import os, signal, sys
from pathlib import Path
from safepoint_server.setup.files import ConfigFile

def killed(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

read = ConfigFile.read(Path(sys.argv[1]))
setattr(os, sys.argv[2], killed)
read.replace(b"new")
"""


@unix
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_process_that_is_killed_leaves_the_old_file_and_the_next_one_goes_on(
    path: Path, step: str
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), step], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    ConfigFile.read(path).replace(b"new")
    assert path.read_bytes() == b"new"


@unix
def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("fifo", "folder", "loop", "device"):
        with pytest.raises(NotEditable):
            ConfigFile.read(tmp_path / name)


def test_what_is_not_utf8_or_absurdly_large_is_refused(path: Path) -> None:
    path.write_bytes("{}".encode("utf-16"))
    with pytest.raises(NotEditable, match="byte 0"):
        _ = ConfigFile.read(path).text
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(NotEditable, match="larger than 64 MiB"):
        ConfigFile.read(path)


@unix
@pytest.mark.parametrize("link", [".mcp.json", ".vscode"])
def test_a_project_cannot_lead_setup_to_another_place(tmp_path: Path, link: str) -> None:
    """A checkout may hold a link to anywhere."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "mcp.json").write_text("{}")
    (project / ".mcp.json").symlink_to(outside / "mcp.json")
    (project / ".vscode").symlink_to(outside)
    path = project / link if link.endswith("json") else project / link / "mcp.json"
    with pytest.raises(NotEditable, match="outside of the project"):
        ConfigFile.read(path, inside=project)

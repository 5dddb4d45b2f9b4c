"""Once a minute for each session, told by files that go after a day."""

from __future__ import annotations

from pathlib import Path

from safepoint_server.hooks.seldom import is_due

DAY = 24 * 3600.0


def test_a_session_is_due_once_a_minute(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    assert is_due("one", folder)
    began = next(folder.iterdir()).stat().st_mtime
    assert not is_due("one", folder, began + 59)
    assert is_due("two", folder, began + 1)
    assert is_due("one", folder, began + 60)


def test_a_clock_that_was_put_back_keeps_nobody_waiting(tmp_path: Path) -> None:
    assert is_due("one", tmp_path)
    assert is_due("one", tmp_path, next(tmp_path.iterdir()).stat().st_mtime - 10)


def test_where_nothing_can_be_remembered_nothing_is_due(tmp_path: Path) -> None:
    (tmp_path / "hooks").write_text("no folder")
    assert not is_due("one", tmp_path / "hooks")


def test_old_marks_go_when_another_session_comes(tmp_path: Path) -> None:
    assert is_due("one", tmp_path)
    (old,) = tmp_path.iterdir()
    assert is_due("two", tmp_path, old.stat().st_mtime + DAY + 1)
    assert old not in set(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 1

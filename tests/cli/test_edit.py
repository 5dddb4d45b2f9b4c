"""edit, with editors that are real programs, and the command as a process where it matters."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Editor = Callable[[str], Path]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the editors here are scripts")


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """Sets $EDITOR to a program of these lines: `path` is the file, `text` what is in it."""

    def make(body: str) -> Path:
        script = tmp_path / "editor of mine.py"
        script.write_text(
            "import os, pathlib, sys\n"
            "path = pathlib.Path(sys.argv[-1])\n"
            "text = path.read_text('utf-8')\n"
            f"{body}\n"
        )
        monkeypatch.setenv("EDITOR", f'"{sys.executable}" "{script}"')
        monkeypatch.delenv("VISUAL", raising=False)
        return script

    return make


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, so that what is left of them shows."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def shown(cli: Cli, place: Any) -> dict[str, Any]:
    return cli("show", "billing", *place.options, "--json").json


def test_a_correction_is_a_checkpoint_of_the_person(
    cli: Cli, place: Any, editor: Editor, temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    editor("path.write_text(text.replace('9', '10'))")
    ran = cli("edit", "billing", "--summary", "one more page", *place.options)
    assert (ran.code, ran.out) == (0, "Saved as version 5 of billing.\n")
    now = shown(cli, place)
    assert (now["version"], now["state"]) == (5, {"page": 10, "seen": ["a", "ä"]})
    assert now["brief"]["summary"] == "edited by ann: one more page"
    assert now["brief"]["saved_by"]["name"] == "ann"
    assert list(temp.iterdir()) == []


def test_without_a_terminal_no_editor_is_taken_for_granted(
    cli: Cli, place: Any, temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    ran = cli("edit", "billing", *place.options)
    assert (ran.code, "no terminal for an editor" in ran.err) == (3, True)
    assert list(temp.iterdir()) == []


def test_left_as_it_is_or_only_laid_out_anew_nothing_is_saved(
    cli: Cli, place: Any, editor: Editor, temp: Path
) -> None:
    editor("import json; path.write_text(json.dumps(json.loads(text)))")
    assert cli("edit", "billing", *place.options).out.startswith("Nothing was edited")
    editor("pass")
    assert cli("edit", "billing", *place.options, "--json").json == {"saved": None}
    assert shown(cli, place)["version"] == 4
    assert list(temp.iterdir()) == []


def test_big_integers_and_the_order_of_keys_survive(
    cli: Cli, place: Any, editor: Editor, tmp_path: Path
) -> None:
    text = '{"z":12345678901234567890123,"a":[1.0,1e100],"\\u202e":null,"m":"ä"}'
    (tmp_path / "new.json").write_text(text)
    editor("pass")
    cli("edit", "billing", "--from", str(tmp_path / "new.json"), *place.options)
    before = shown(cli, place)["sha256"]
    editor("path.write_text(text.replace('\"m\"', '\"n\"'))")
    assert cli("edit", "billing", *place.options).code == 0
    state = cli("show", "billing", "--state", *place.options).out
    assert list(json.loads(state)) == ["z", "a", "\u202e", "n"]
    assert "12345678901234567890123" in state
    editor("path.write_text(text.replace('\"n\"', '\"m\"'))")
    cli("edit", "billing", *place.options)
    assert shown(cli, place)["sha256"] == before


def test_the_text_is_the_persons_alone(
    cli: Cli, place: Any, editor: Editor, tmp_path: Path
) -> None:
    editor(
        "modes = [oct(p.stat().st_mode & 0o777) for p in (path, path.parent)]\n"
        f"pathlib.Path({str(tmp_path / 'modes')!r}).write_text(' '.join(modes))"
    )
    before = os.umask(0)
    try:
        assert cli("edit", "billing", *place.options).code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "modes").read_text() == "0o600 0o700"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n  "page": 9,\n}', "line 3, column 1"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1e999}', "NaN or infinite"),
        ("", "line 1, column 1"),
    ],
)
def test_what_is_no_json_is_told_with_its_place_and_kept(
    cli: Cli, place: Any, editor: Editor, text: str, told: str
) -> None:
    editor(f"path.write_text({text!r})")
    ran = cli("edit", "billing", *place.options)
    assert ran.code == 2
    assert told in ran.err
    kept = re.search(r"kept in (\S+)", ran.err)
    assert kept is not None
    assert Path(kept[1]).read_text() == text
    assert Path(kept[1]).stat().st_mode & 0o777 == 0o600
    assert shown(cli, place)["version"] == 4


def test_a_kept_text_can_be_gone_on_with(cli: Cli, place: Any, editor: Editor) -> None:
    editor("path.write_text('{\"page\": 11')")
    kept = re.search(r"kept in (\S+)", cli("edit", "billing", *place.options).err)
    assert kept is not None
    editor("path.write_text(text + '}')")
    assert cli("edit", "billing", "--from", kept[1], *place.options).code == 0
    assert shown(cli, place)["state"] == {"page": 11}


def test_a_workspace_that_changed_meanwhile_is_not_overwritten(
    cli: Cli, place: Any, editor: Editor
) -> None:
    editor(
        "import subprocess\n"
        f"subprocess.run([sys.executable, '-m', 'safepoint_server.cli', 'new-run', 'billing', "
        f"*{place.options!r}], check=True, capture_output=True)\n"
        "path.write_text('{\"page\": 12}')"
    )
    ran = cli("edit", "billing", *place.options)
    assert ran.code == 4
    assert "Since then: 5 new_run" in ran.err
    kept = re.search(r"kept in (\S+)", ran.err)
    assert kept is not None
    assert json.loads(Path(kept[1]).read_text()) == {"page": 12}
    assert shown(cli, place)["state"]["page"] == 9


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("/no/such/editor", 3, "cannot be started"),
        ("false", 2, "ended with 1"),
        ("'unclosed", 2, "not a command"),
    ],
)
def test_an_editor_that_does_not_work_leaves_nothing_behind(
    cli: Cli, place: Any, monkeypatch: Any, temp: Path, command: str, code: int, told: str
) -> None:
    monkeypatch.setenv("VISUAL", command)
    ran = cli("edit", "billing", *place.options)
    assert (ran.code, told in ran.err) == (code, True)
    assert list(temp.iterdir()) == []
    assert shown(cli, place)["version"] == 4


def test_at_a_terminal_it_offers_to_edit_again(
    cli: Cli, place: Any, editor: Editor, temp: Path
) -> None:
    editor("path.write_text('{\"page\": 13}' if 'oops' in text else 'oops')")
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "safepoint_server.cli", "edit", "billing", *place.options],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"y\n")
        while b"Saved as version 5" not in seen:
            seen += os.read(terminal, 4096)
        assert process.wait(60) == 0
    os.close(terminal)
    assert b"line 1, column 1" in seen
    assert shown(cli, place)["state"] == {"page": 13}
    assert list(temp.iterdir()) == []

"""`safepoint artifacts`, as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def art(cli: Cli, place: Any) -> Cli:
    """`safepoint artifacts ACTION billing …` on the store of the test."""
    return lambda action, *rest: cli("artifacts", action, "billing", *rest, *place.options)


def test_a_file_goes_in_and_comes_out(art: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("all is well")
    saved = art("put", "reports/a.txt", str(path), "--summary", "first", "--json").json["saved"]
    assert (saved["name"], saved["revision"], saved["size"]) == ("reports/a.txt", 1, 11)
    assert (saved["media_type"], saved["saved_by"]["name"]) == ("text/plain", "safepoint-cli")
    assert "was there already" in art("put", "reports/a.txt", str(path)).out
    out = tmp_path / "out.txt"
    assert art("get", "reports/a.txt", str(out)).code == 0
    assert out.read_text() == "all is well"
    listed = art("list", "reports/", "--json").json
    assert [one["summary"] for one in listed["artifacts"]] == ["first"]
    assert "reports/a.txt" in art("list").out


def test_a_pipe_goes_in_and_out(place: Any) -> None:
    def piped(*words: str, data: bytes = b"") -> bytes:
        command = [sys.executable, "-m", "safepoint_server", "artifacts", *words, *place.options]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    data = bytes(range(256)) * 9000
    piped("put", "billing", "raw", "-", data=data)
    assert piped("get", "billing", "raw", "-") == data


def test_a_folder_goes_in_and_comes_out(art: Cli, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/run").write_text("#!")
    (source / "sub/run").chmod(0o755)
    (source / "link").symlink_to("/etc")
    put = art("put", "code", str(source))
    assert "1 saved, 0 unchanged, 0 removed" in put.out
    assert "skipped link: a symbolic link" in put.out
    got = art("get", "code", str(tmp_path / "back"))
    assert "1 files written" in got.out
    assert os.access(tmp_path / "back/sub/run", os.X_OK)
    assert "0 files written, 1 were there" in art("get", "code", str(tmp_path / "back")).out


def test_another_file_is_replaced_only_by_force(art: Cli, tmp_path: Path) -> None:
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_text("new")
    out.write_text("mine")
    art("put", "a", str(path))
    refused = art("get", "a", str(out))
    assert (refused.code, out.read_text()) == (4, "mine")
    assert art("get", "a", str(out), "--force").code == 0
    assert out.read_text() == "new"


def test_revisions_and_versions_are_reached(art: Cli, tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "in").write_text(text)
        art("put", "a", str(tmp_path / "in"))
    assert art("remove", "a", "--json").json["removed"]["repeated"] is False
    assert "had been removed before" in art("remove", "a").out
    found = art("list", "--revisions", "a", "--json").json["artifacts"]
    assert [one["revision"] for one in found] == [2, 1]
    art("get", "a", str(tmp_path / "first"), "--revision", "1")
    art("get", "a", str(tmp_path / "second"), "--version", str(found[0]["version"]))
    assert [(tmp_path / n).read_text() for n in ("first", "second")] == ["one", "two"]
    assert art("get", "a", str(tmp_path / "now")).code == 3


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (("get", "none", "out"), 3),
        (("put", "../up", "in"), 2),
        (("put", "a", "none"), 3),
        (("remove", "none"), 3),
        (("get", "a", "-", "--json"), 2),
    ],
)
def test_what_cannot_be_ends_with_its_code(
    art: Cli, tmp_path: Path, rest: tuple[str, ...], code: int
) -> None:
    (tmp_path / "in").write_text("x")
    words = [str(tmp_path / word) if word in ("in", "out") else word for word in rest]
    done = art(*words)
    assert done.code == code
    assert done.err.startswith("error: ")


def test_hostile_names_do_not_reach_the_terminal(cli: Cli, place: Any, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    shown = cli("artifacts", "put", "billing", "a\u202eb", str(tmp_path / "in"), *place.options)
    assert "\u202e" not in shown.out
    assert "\u202e" not in cli("artifacts", "list", "billing", *place.options).out

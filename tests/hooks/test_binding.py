"""Which workspace a project gets, and what a file of the project may not decide."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.hooks.client import repository

from safepoint import InvalidInput
from safepoint_server.hooks.binding import MAX_NAME, bind
from safepoint_server.hooks.project import Project, find_project

STORE = "/srv/store"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return find_project(
        repository(tmp_path / "widgets", "git@example.org:acme/Widgets") / "src", None
    )


def test_a_derived_name_is_readable_and_stable(project: Project) -> None:
    short, long = bind(project, None, STORE).names
    assert short.startswith("widgets-")
    assert long.startswith(short)
    assert bind(project, None, STORE).names == (short, long)


@pytest.mark.parametrize(
    ("folder", "slug"),
    [("My Project!", "my-project"), ("...", "project"), ("日本", "project"), ("x" * 99, "x" * 40)],
)
def test_any_folder_makes_a_name_that_may_be_used(tmp_path: Path, folder: str, slug: str) -> None:
    (tmp_path / folder).mkdir()
    name = bind(find_project(tmp_path / folder, None), None, STORE).names[0]
    assert name.rpartition("-")[0] == slug
    bind(find_project(tmp_path, None), name, STORE)  # refuses a name that agents could not use


@pytest.mark.parametrize("where", [".", "src"])
def test_the_file_of_a_project_names_its_workspace(project: Project, where: str) -> None:
    derived = bind(project, None, STORE).names
    (project.root / where / ".safepoint.json").write_text('{"workspace": "parser-rewrite"}')
    binding = bind(project, None, STORE)
    assert binding.names == ("parser-rewrite", *derived)
    assert (binding.trusted, binding.remark) == (False, "")


def test_the_nearest_file_counts_and_none_above_the_root(project: Project) -> None:
    (project.root.parent / ".safepoint.json").write_text('{"workspace": "above"}')
    assert "above" not in bind(project, None, STORE).names
    (project.root / ".safepoint.json").write_text('{"workspace": "root"}')
    (project.root / "src" / ".safepoint.json").write_text('{"workspace": "src"}')
    assert bind(project, None, STORE).names[0] == "src"


def test_without_a_repository_nothing_above_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / ".safepoint.json").write_text('{"workspace": "planted"}')
    assert "planted" not in bind(find_project(tmp_path / "inner", None), None, STORE).names


def test_the_command_line_decides(project: Project) -> None:
    (project.root / ".safepoint.json").write_text('{"workspace": "from-file"}')
    binding = bind(project, "from-operator", STORE)
    assert (binding.names, binding.trusted) == (("from-operator",), True)
    with pytest.raises(InvalidInput, match="cannot be used"):
        bind(project, "../escape", STORE)


def test_the_file_may_name_the_store_that_is_in_use(project: Project) -> None:
    for store in (STORE, "s3://bucket/agents"):
        text = json.dumps({"workspace": "mine", "store": store})
        (project.root / ".safepoint.json").write_text(text)
        assert bind(project, None, store).names[0] == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "null", "[" * 4000, '{"workspace": 1}', '{"store": "/srv/store"}',
        '{"workspace": "gadgets-0123456789ab.sessions"}',
        '{"workspace": "w", "command": "x"}', '{"workspace": "../w"}', '{"workspace": ""}',
        '{"workspace": "a\\u202eb"}', '{"workspace": "\\ud800"}',
        '{"workspace": "w", "store": "/tmp/other"}', '{"workspace": "w", "store": null}',
        '{"workspace": "w", "store": "s3://evil/bucket?endpoint=https://evil.example"}',
        '{"workspace": "' + "w" * (MAX_NAME + 1) + '"}', '{"workspace": "w"}' + " " * 5000,
    ],
)  # fmt: skip
def test_a_file_that_asks_for_more_is_not_used_at_all(project: Project, text: str) -> None:
    derived = bind(project, None, STORE).names
    (project.root / ".safepoint.json").write_text(text)
    binding = bind(project, None, STORE)
    assert binding.names == derived
    assert binding.remark


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["link", "loop", "fifo", "folder"])
def test_only_a_plain_file_is_read(project: Project, kind: str) -> None:
    path = project.root / ".safepoint.json"
    elsewhere = project.root.parent / "elsewhere.json"
    elsewhere.write_text('{"workspace": "elsewhere"}')
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(elsewhere if kind == "link" else path)
    binding = bind(project, None, STORE)
    assert "elsewhere" not in binding.names
    assert binding.remark

"""Rules of the project that a machine can hold."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.conftest import LONGEST, TESTS

from safepoint import __version__

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for root in ("server", "storage") for path in (ROOT / root).rglob("*.py"))
PROGRAMS = SOURCES + sorted(
    path for root in ("tests", "examples", "bench") for path in (ROOT / root).rglob("*.py")
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found: dict[str, str] = {}
    for line in lines:
        if not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+==\d[\w.]*( ; [^#@]+)?", line), line
            name, version = line.split(" ; ")[0].split("==")
            assert canonicalize_name(name) not in found, f"{name} is pinned twice"
            found[canonicalize_name(name)] = version
    return found


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", PROGRAMS, ids=relative)
def test_a_file_says_what_it_owns(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or len(tree.body) <= 1


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_function_is_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is longer than 60 lines"


@pytest.mark.parametrize("path", PROGRAMS, ids=relative)
def test_nothing_is_left_to_be_done_in_the_code(path: Path) -> None:
    words = "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"])
    assert not re.search(rf"#.*\b({words})\b", path.read_text("utf-8"))


def test_only_the_packages_lie_in_the_source_roots() -> None:
    for root, package in (("server", "safepoint_server"), ("storage", "safepoint")):
        assert [path.name for path in (ROOT / root).iterdir()] == [package]
        assert (ROOT / root / package / "py.typed").exists()


def test_the_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## [{__version__}] - " in text
    assert "\n## [Unreleased]\n" in text


def test_everything_that_the_project_needs_is_pinned_to_what_is_tested() -> None:
    pinned = pins()
    todo = [Requirement("safepoint[dev,testing]"), Requirement("hatchling")]
    seen = {(requirement.name, "") for requirement in todo}
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        installed = metadata.distribution(requirement.name)
        if name != "safepoint":
            assert pinned.get(name) == installed.version, f"{name} {installed.version}"
        for extra in requirement.extras | {""}:
            for line in installed.requires or ():
                needed = Requirement(line)
                key = (canonicalize_name(needed.name), extra)
                if key not in seen and (
                    needed.marker is None or needed.marker.evaluate({"extra": extra})
                ):
                    seen.add(key)
                    todo.append(needed)


def test_make_and_ci_run_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    ci = ROOT / ".ci" / "run"
    for target in re.findall(r"^run make (\S+)", ci.read_text("utf-8"), re.MULTILINE):
        assert f"\n{target}:" in makefile
    assert ci.stat().st_mode & 0o111


@pytest.mark.parametrize("name", LONGEST)
def test_what_is_to_run_first_is_there(name: str) -> None:
    assert (TESTS / name).is_file()

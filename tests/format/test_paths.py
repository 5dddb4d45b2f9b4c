"""Names of artifacts: relative paths, which become files only where that can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.errors import Conflict, InvalidInput, LimitExceeded
from safepoint.format.paths import check_artifact_name, check_restorable, folder_prefix


@pytest.mark.parametrize(
    "name", ["a", "a/b", ".env", "a b/c d", "Größe/😀.svg", "con", "a.", "x" * 255, "...", "a/..b"]
)
def test_a_relative_path_is_a_name(name: str) -> None:
    check_artifact_name(name, max_chars=1000)


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", ".", "..", "a/./b", "a/../b", "a\0", "a\tb", "a\\b", "\x85",
     "a\u2028b", "\udc80", "x" * 256, "ä" * 128],
)  # fmt: skip
def test_what_leads_elsewhere_or_is_no_line_of_text_is_none(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_artifact_name(name, max_chars=1000)
    assert caught.value.code == "bad_name"


def test_a_name_is_as_long_as_the_limit_allows() -> None:
    check_artifact_name("a/" * 499 + "ab", max_chars=1000)
    with pytest.raises(LimitExceeded):
        check_artifact_name("a/" * 500 + "a", max_chars=1000)


@given(st.text(max_size=20))
def test_no_accepted_name_leaves_its_folder(name: str) -> None:
    try:
        check_artifact_name(name, max_chars=1000)
    except InvalidInput:
        return
    assert not name.startswith("/")
    assert not {"", ".", ".."} & set(name.split("/"))


def test_a_folder_is_named_with_and_without_its_slash() -> None:
    assert folder_prefix("code") == folder_prefix("code/") == "code/"


def refused(*names: str, windows: bool = False, folds_case: bool = False) -> str:
    with pytest.raises(Conflict) as caught:
        check_restorable(names, windows=windows, folds_case=folds_case)
    assert caught.value.code == "cannot_restore"
    return str(caught.value)


def test_names_that_are_apart_here_may_be_together_here() -> None:
    names = ["A", "a", "con", "a:b", "ä", "a\u0308", "D/x", "d/y"]
    check_restorable(names, windows=False, folds_case=False)


def test_a_file_cannot_be_a_folder_too() -> None:
    assert "'a' is a file, and a folder" in refused("a/b", "a")


@pytest.mark.parametrize("names", [("A", "a"), ("\xe4", "a\u0308"), ("x/A/b", "x/a/b")])
def test_names_that_a_file_system_folds_into_one_are_refused(names: tuple[str, str]) -> None:
    assert "same file" in refused(*names, folds_case=True)


def test_folders_that_a_file_system_folds_into_one_are_refused() -> None:
    assert "same folder" in refused("D/x", "d/y", folds_case=True)


@pytest.mark.parametrize(
    "name", ["con", "CON.txt", "a/nul", "com1.log", "a:b", "a?", "a.", "a ", "x /b", 'a"b']
)
def test_names_that_windows_takes_for_something_else_are_refused_there(name: str) -> None:
    assert "Windows" in refused(name, windows=True)

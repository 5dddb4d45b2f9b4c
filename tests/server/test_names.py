"""Names that a model may give: clear rules, and a corrected name that keeps them."""

from __future__ import annotations

import re

import pytest

from safepoint import InvalidInput
from safepoint_server.names import check_step_name, check_workspace_name, show_name

GOOD = ["a", "Refactor the parser", "release-1.2", "Prüfung", "訳文", "a" * 200, "console", "nul-1"]
BAD_ANYWHERE = ["", "a" * 201, " a", "a ", "a\nb", "a\0b", "a\x7f", "\ud800", "a\u202eb", "\t"]
BAD_FOR_WORKSPACES = [
    "..", ".", "../x", "/etc/passwd", "a/b", "a\\b", ".hidden", "con", "NUL", "com1", "LPT9.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_names_are_taken(name: str) -> None:
    check_workspace_name(name)
    check_step_name(name)


@pytest.mark.parametrize("name", BAD_ANYWHERE + BAD_FOR_WORKSPACES)
def test_a_bad_workspace_name_is_refused_with_a_good_one(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_workspace_name(name)
    assert refused.value.code == "invalid_name"
    suggested = re.search(r"such as '(.*)'\.$", refused.value.hint)
    assert suggested is not None
    check_workspace_name(suggested[1].replace("…", ""))


@pytest.mark.parametrize("name", BAD_ANYWHERE)
def test_a_bad_step_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_step_name(name)


@pytest.mark.parametrize("name", BAD_FOR_WORKSPACES)
def test_steps_are_never_paths_so_path_words_are_theirs(name: str) -> None:
    check_step_name(name)


def test_a_shown_name_is_one_short_printable_line() -> None:
    shown = show_name("a\n\0\ud800" + "b" * 300)
    assert shown.isprintable()
    assert len(shown) < 120
    assert shown.startswith("'a\\n\\x00\\ud800bbb")

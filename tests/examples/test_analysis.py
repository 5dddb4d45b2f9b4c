"""What the agent finds in a text, and which texts it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from safepoint import InvalidInput
from safepoint_server.demo.analysis import findings_of
from safepoint_server.demo.sources import of_folder, of_this_machine

LONG = "This paragraph is written twice, and long enough to be noticed by whoever reads it."


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("fine\nParis in the the spring\n", "doubled words", 2),
        ("fine\n" + "x" * 101 + "\n", "long lines", 2),
        ("good \nfine\n", "trailing spaces", 1),
        (f"{LONG}\n\nother\n\n{LONG}\n", "repeated paragraphs", 5),
        ("fine\n[see](missing.md#part)\n", "broken links", 2),
        ("at\n\nhttp://example.org\n", "unencrypted links", 3),
        ("this part is unfinished\n", "open ends", 1),
    ],
)
def test_each_kind_of_finding_is_found_where_it_is(
    tmp_path: Path, text: str, kind: str, line: int
) -> None:
    assert [(found.kind, found.line) for found in findings_of(text, tmp_path)] == [(kind, line)]


def test_a_fine_text_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("here")
    text = "A fine text, see [there](there.md) and [web](https://example.org).\n"
    assert findings_of(text, tmp_path) == []


def test_a_folder_gives_its_visible_text_files(notes: Path) -> None:
    assert [s.name for s in of_folder(notes, 10)] == ["deep/clean notes.txt", "draft.md"]
    assert len(of_folder(notes, 1)) == 1


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no text files"):
        of_folder(tmp_path, 10)
    with pytest.raises(InvalidInput, match="not a folder"):
        of_folder(tmp_path / "missing", 10)


def test_this_machine_has_enough_to_read() -> None:
    found = of_this_machine(14)
    assert len(found) == len({source.name for source in found}) == 14
    assert all(Path(source.path).is_file() for source in found)

"""What there is to find in a text file. Pure: text in, facts and findings out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["STAGES", "Finding", "Seen", "analyse", "findings_of"]

_LONG_LINE: Final = 100
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_DOUBLED = re.compile(r"\b([a-z]{2,})\s+\1\b(?![-'.])", re.IGNORECASE)
_MARKER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X{3}|TBD|unfinished|deprecated|obsolete)\b", re.I)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#|<)([\w./-]+)(?:#[\w-]*)?\)")
_INSECURE = re.compile(r"\bhttp://[\w./-]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth a ticket: of what kind, where first, and in words."""

    kind: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one stage saw in one file."""

    facts: dict[str, int | str]
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def analyse(stage: str, text: str, folder: Path) -> Seen:
    """Run one of `STAGES` over a file's text; `folder` is where the file lies."""
    return STAGES[stage](text, folder)


def findings_of(text: str, folder: Path) -> list[Finding]:
    """The findings of all stages, in order."""
    return [found for stage in STAGES for found in analyse(stage, text, folder).findings]


def _words(text: str, _folder: Path) -> Seen:
    words = [word.lower() for word in _WORD.findall(text)]
    counted = Counter(word for word in words if len(word) > 4)
    common = ", ".join(word for word, _ in counted.most_common(3))
    seen = Seen({"words": len(words), "distinct": len(set(words)), "common": common})
    doubled = list(_DOUBLED.finditer(text))
    if doubled:
        said = f"{_count(len(doubled), 'doubled word')}, first {doubled[0][1].lower()!r}"
        seen.findings.append(Finding("doubled words", _line(text, doubled[0].start()), said))
    return seen


def _lines(text: str, _folder: Path) -> Seen:
    lines = text.splitlines()
    longest = max(map(len, lines), default=0)
    seen = Seen({"lines": len(lines), "longest_line": longest})
    long = [number for number, line in enumerate(lines, 1) if len(line) > _LONG_LINE]
    if long:
        said = f"{_count(len(long), 'line')} above {_LONG_LINE} characters, longest {longest}"
        seen.findings.append(Finding("long lines", long[0], said))
    trailing = [number for number, line in enumerate(lines, 1) if line != line.rstrip()]
    if trailing:
        said = f"{_count(len(trailing), 'line')} with spaces at the end"
        seen.findings.append(Finding("trailing spaces", trailing[0], said))
    return seen


def _paragraphs(text: str, _folder: Path) -> Seen:
    at: dict[str, int] = {}
    repeated: list[tuple[int, int]] = []
    start = count = 0
    for part in text.split("\n\n"):
        words = " ".join(part.split())
        if len(words) > 60:
            count += 1
            line = _line(text, start)
            if words in at:
                repeated.append((line, at[words]))
            at.setdefault(words, line)
        start += len(part) + 2
    seen = Seen({"paragraphs": count})
    if repeated:
        said = (
            f"{_count(len(repeated), 'paragraph')} said twice, first that of line {repeated[0][1]}"
        )
        seen.findings.append(Finding("repeated paragraphs", repeated[0][0], said))
    return seen


def _references(text: str, folder: Path) -> Seen:
    links = list(_LINK.finditer(text))
    broken = [link for link in links if not (folder / link[1]).exists()]
    insecure = list(_INSECURE.finditer(text))
    markers = list(_MARKER.finditer(text))
    seen = Seen({"local_links": len(links), "plain_http": len(insecure)})
    for kind, found, noun in (
        ("broken links", broken, "link to a file that is not there"),
        ("unencrypted links", insecure, "address with http"),
        ("open ends", markers, "open end"),
    ):
        if found:
            said = f"{_count(len(found), noun)}, first {found[0][0][:60]!r}"
            seen.findings.append(Finding(kind, _line(text, found[0].start()), said))
    return seen


STAGES: Final[dict[str, Callable[[str, Path], Seen]]] = {
    "words": _words,
    "lines": _lines,
    "paragraphs": _paragraphs,
    "references": _references,
}


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    head, _, rest = noun.partition(" ")
    plural = "addresses" if head == "address" else f"{head}s"
    if head in ("doubled", "open"):
        return f"{number} {noun}s"
    return f"{number} {plural} {rest}".rstrip()

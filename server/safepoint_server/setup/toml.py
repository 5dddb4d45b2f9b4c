"""A table of a TOML file, edited in place: every other line stays as it was. Pure text to text.

What the lines mean is asked of `tomllib` before and after: an edit that would change anything else
is refused.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from safepoint_server.setup.errors import NotEditable

__all__ = ["TomlText"]

_KEY = r"""[ \t]*(?:"{0}"|'{0}'|{0})[ \t]*"""


class TomlText:
    """The text of one document. Edits return a new one; a table is named by two keys, the outer one
    being a table of such tables.

    Raises:
        NotEditable: the text is not TOML; or the table is written in a form that cannot be edited
            line by line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.value: dict[str, Any] = tomllib.loads(text.removeprefix("\ufeff"))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise NotEditable(f"it is not TOML: {error}") from None

    def get(self, place: Sequence[str]) -> Any:
        """What is at `place`, or None."""
        value: Any = self.value
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def put(self, place: Sequence[str], members: dict[str, Any]) -> TomlText:
        """With a table at `place` that holds `members` and nothing else."""
        there = self.get(place)
        if there == members:
            return self
        if there is None:
            block = [f"[{'.'.join(place)}]", *(_line(key, members[key]) for key in members)]
            lines = self._lines()
            while lines and not lines[-1].strip():
                lines.pop()
            made = [*lines, *([""] if lines else []), *block]
        else:
            made = self._members_put(place, there, members)
        return self._checked(made, place, members)

    def remove(self, place: Sequence[str]) -> TomlText:
        """Without the table at `place` and those below it."""
        if self.get(place) is None:
            return self
        lines = self._lines()
        while (found := self._block(lines, place, below=True)) is not None:
            first, end = found
            while first > 0 and not lines[first - 1].strip():
                first -= 1
            if first == 0 and end < len(lines):
                end += not lines[end].strip()
            del lines[first:end]
        return self._checked(lines, place, None)

    def _members_put(
        self, place: Sequence[str], there: dict[str, Any], members: dict[str, Any]
    ) -> list[str]:
        lines = self._lines()
        found = self._block(lines, place, below=False)
        if found is None:
            raise _form(place, members)
        first, end = found
        for key in [*there, *(key for key in members if key not in there)]:
            if there.get(key) == members.get(key):
                continue
            new = [_line(key, members[key])] if key in members else []
            at, length = _assignment(lines, first + 1, end, key) if key in there else (end, 0)
            lines[at : at + length] = new
            end += len(new) - length
        return lines

    def _block(
        self, lines: list[str], place: Sequence[str], *, below: bool
    ) -> tuple[int, int] | None:
        """The lines of the table, without blank ones and comments before the next header."""
        path = r"\.".join(_KEY.format(re.escape(key)) for key in place)
        deeper = r"(?:\..*)?" if below else ""
        header = re.compile(rf"[ \t]*\[{path}{deeper}\][ \t]*(#.*)?")
        first = next((i for i, line in enumerate(lines) if header.fullmatch(line)), None)
        if first is None:
            return None
        rest = range(first + 1, len(lines))
        end = next((i for i in rest if lines[i].lstrip().startswith("[")), len(lines))
        while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
            end -= 1
        return first, end

    def _lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").split("\n")[
            : -1 if self.text.endswith("\n") else None
        ]

    def _checked(
        self, lines: list[str], place: Sequence[str], members: dict[str, Any] | None
    ) -> TomlText:
        """The document of these lines, if it means what it should: all as before but this table."""
        newline = "\r\n" if "\r\n" in self.text else "\n"
        try:
            made = TomlText("".join(line + newline for line in lines))
        except NotEditable:
            raise _form(place, members) from None
        expected = TomlText(self.text).value
        holder = expected
        for key in place[:-1]:
            holder = holder.setdefault(key, {})
        if members is not None:
            holder[place[-1]] = members
        else:
            del holder[place[-1]]
            if not holder and made.get(place[:-1]) is None:
                del expected[place[0]]
        if made.value != expected:
            raise _form(place, members)
        return made


def _assignment(lines: list[str], first: int, end: int, key: str) -> tuple[int, int]:
    """Where `key` is assigned, and in how many lines."""
    begins = re.compile(_KEY.format(re.escape(key)) + "=")
    for at in range(first, end):
        if begins.match(lines[at]):
            for length in range(1, end - at + 1):
                try:
                    tomllib.loads("\n".join(lines[at : at + length]))
                except tomllib.TOMLDecodeError:
                    continue
                return at, length
    return first, 0  # as a table of its own, say: the check afterwards refuses


def _line(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(_line(name, value[name]) for name in value)
        return f"{key} = {{ {inner} }}"
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _form(place: Sequence[str], members: dict[str, Any] | None) -> NotEditable:
    name = ".".join(place)
    if members is None:
        return NotEditable(f"{name} is not a table of its own", "Remove it with an editor.")
    lines = "; ".join(_line(key, members[key]) for key in members)
    return NotEditable(
        f"{name} cannot be put in line by line, because of the form of what is there",
        f"Make it a table [{name}] of its own with an editor. It holds: {lines}",
    )

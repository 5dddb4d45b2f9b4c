"""JSON with comments and trailing commas, edited in place: what an edit does not name stays byte
for byte as it was. Pure text to text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from safepoint_server.setup.errors import NotEditable
from safepoint_server.setup.jsonread import SPACE, Node, Part, read

__all__ = ["JsonText", "Place"]

Place = Sequence[str | int]
"""Keys and indexes from the root."""


class JsonText:
    """The text of one document. Edits return a new one; places are named by keys and indexes.

    Raises:
        NotEditable: the text is not JSON, with line and column; or an edit does not fit what is
            there, and nothing was changed.
    """

    def __init__(self, text: str) -> None:
        root = read(text)
        if root is None:
            text += "{}\n" if text.endswith("\n") or not text else "\n{}\n"
            root = read(text)
            assert root is not None  # noqa: S101 - there are braces now
        self.text = text
        self._root = root

    @property
    def value(self) -> Any:
        """What a reader of it gets; of two members with one key the last."""
        return self._root.value

    def set(self, place: Place, value: Any) -> JsonText:
        """With `value` at `place`; objects on the way are made. Nothing changes if it is there."""
        holder, part, rest = self._find(place)
        if part is not None and not rest:
            if _same(part.node.value, value):
                return self
            shown = self._dump(value, self._line_indent(part.start), flat=self._is_flat(part.node))
            return self._edited([(part.node.start, part.node.end, shown)])
        for key in reversed(rest[1:]):
            value = {key: value}
        if not isinstance(holder.value, dict):
            raise NotEditable(f"{_named(place[: len(place) - len(rest)])} is not an object")
        return self._insert(holder, str(rest[0]), value)

    def append(self, place: Place, value: Any) -> JsonText:
        """With `value` at the end of the array at `place`, which is made if it is not there."""
        _, part, rest = self._find(place)
        if part is None or rest:
            return self.set(place, [value])
        if not isinstance(part.node.value, list):
            raise NotEditable(f"{_named(place)} is not an array")
        return self._insert(part.node, None, value)

    def put(self, place: Place, members: dict[str, Any]) -> JsonText:
        """With an object at `place` that holds `members` and nothing else. Members that are there
        already are not touched."""
        there = self.get(place)
        if not isinstance(there, dict):
            return self.set(place, members)
        made = self
        for key in there:
            if key not in members:
                made = made.remove([*place, key])
        for key, value in members.items():
            inner = isinstance(value, dict) and isinstance(there.get(key), dict)
            made = made.put([*place, key], value) if inner else made.set([*place, key], value)
        return made

    def get(self, place: Place) -> Any:
        """What is at `place`, or None."""
        _, part, rest = self._find(place)
        return None if rest else self.value if part is None else part.node.value

    def remove(self, place: Place) -> JsonText:
        """Without what is at `place`, and without the holders that are empty then. Nothing changes
        if nothing is there."""
        holder, part, rest = self._find(place)
        if part is None or rest:
            return self
        made = self._edited(self._cuts(holder, holder.parts.index(part)))
        if len(place) > 1 and made._is_bare(place[:-1]):
            return made.remove(place[:-1])
        return made

    def _is_bare(self, place: Place) -> bool:
        part = self._find(place)[1]
        return part is not None and self.text[part.node.start : part.node.end] in ("{}", "[]")

    def _find(self, place: Place) -> tuple[Node, Part | None, list[str | int]]:
        """The innermost holder on the way, the last part that is there, and what is missing."""
        holder, part = self._root, None
        for depth, key in enumerate(place):
            inside = holder if part is None else part.node
            found = [one for one in inside.parts if one.key == key]
            if len(found) > 1:
                raise NotEditable(f"{_named(place[: depth + 1])} is there twice", "Remove one.")
            if not found or type(inside.value) is not (dict if isinstance(key, str) else list):
                return inside, None, list(place[depth:])
            holder, part = inside, found[0]
        return holder, part, []

    def _insert(self, holder: Node, key: str | None, value: Any) -> JsonText:
        flat = self._is_flat(holder)
        indent = self._indent_inside(holder)
        shown = self._dump(value, indent, flat=flat)
        if key is not None:
            shown = f"{json.dumps(key, ensure_ascii=False)}{self._colon}{shown}"
        last = holder.parts[-1] if holder.parts else None
        between = "" if flat else self._newline + indent
        if last is None:
            close = holder.end - 1
            gap = self.text[holder.tail : close]
            if not flat and "\n" not in gap:
                gap = self._newline + self._line_indent(holder.start)
            return self._edited([(holder.tail, close, between + shown + gap)])
        if last.comma is not None:
            return self._edited([(holder.tail, holder.tail, f"{between or ' '}{shown},")])
        if flat:
            between = "" if self._compact else " "
        return self._edited(
            [(last.node.end, last.node.end, ","), (holder.tail, holder.tail, between + shown)]
        )

    def _cuts(self, holder: Node, at: int) -> list[tuple[int, int, str]]:
        """What to cut so that one part is gone, with one comma and the white space on one side."""
        part, text = holder.parts[at], self.text
        start, end = part.start, part.node.end
        before = len(text[:start].rstrip(SPACE))
        if len(holder.parts) == 1:
            inner = text[holder.start + 1 : start] + text[end : holder.end - 1]
            if not inner.strip(SPACE + ","):
                return [(holder.start + 1, holder.end - 1, "")]
        comma = part.comma
        if comma is None:
            behind = text[end:]
            other = holder.parts[at - 1].comma if at else None
            cuts = [] if other is None else [(other, other + 1, "")]
            return [*cuts, (self._from(part, before, behind), end, "")]
        if at + 1 < len(holder.parts):
            follows = holder.parts[at + 1].start
            if not text[comma + 1 : follows].strip(SPACE):
                return [(start, end, ""), (comma, follows, "")]
        behind = text[end:comma] + text[comma + 1 :]
        return [(self._from(part, before, behind), end, ""), (comma, comma + 1, "")]

    def _from(self, part: Part, before: int, behind: str) -> int:
        """Where to begin to cut: a comment that ends with its line must not go on over `behind`."""
        ends_its_line = behind.lstrip(" \t\r").startswith("\n")
        return before if ends_its_line or not part.below_comment else part.start

    def _edited(self, edits: list[tuple[int, int, str]]) -> JsonText:
        text = self.text
        for start, end, new in reversed(edits):
            text = text[:start] + new + text[end:]
        return JsonText(text)

    def _dump(self, value: Any, indent: str, *, flat: bool) -> str:
        if flat:
            separators = (",", ":") if self._compact else (", ", ": ")
            return json.dumps(value, ensure_ascii=False, separators=separators)
        shown = json.dumps(value, ensure_ascii=False, indent=self._unit)
        return shown.replace("\n", self._newline + indent)

    def _is_flat(self, node: Node) -> bool:
        """Whether it is written on one line, and so is what it is in."""
        if "\n" in self.text[node.start : node.end]:
            return False
        return bool(node.parts) or ("\n" not in self.text.strip() and bool(self._root.parts))

    def _indent_inside(self, holder: Node) -> str:
        for part in holder.parts:
            if self._begins_its_line(part.start):
                return self._line_indent(part.start)
        return self._line_indent(holder.start) + self._unit

    def _begins_its_line(self, at: int) -> bool:
        line = self.text.rfind("\n", 0, at) + 1
        return not self.text[line:at].strip(SPACE) and line > 0

    def _line_indent(self, at: int) -> str:
        line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return line[: len(line) - len(line.lstrip(" \t"))]

    @property
    def _unit(self) -> str:
        first = next(iter(self._root.parts), None)
        if first is not None and self._begins_its_line(first.start):
            return self._line_indent(first.start) or "  "
        return "  "

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def _compact(self) -> bool:
        return '":' in self.text and '": ' not in self.text

    @property
    def _colon(self) -> str:
        return ":" if self._compact and "\n" not in self.text.strip() else ": "


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values, and the order of keys means nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _named(place: Place) -> str:
    return ".".join(str(key) for key in place) or "the document"

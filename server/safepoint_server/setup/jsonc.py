"""JSON with comments and trailing commas, edited in place: what an edit does not name stays byte
for byte as it was. Pure text to text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from safepoint_server.setup.errors import NotEditable

__all__ = ["JsonText", "Place"]

Place = Sequence[str | int]
"""Keys and indexes from the root."""

_TOKEN: Final = re.compile(
    r"""
    [ \t\r\n\ufeff]*
    (?: (?P<comment> //[^\r\n]* | /\*.*?\*/ )
      | (?P<string>  "(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*" )
      | (?P<mark>    [{}\[\],:] )
      | (?P<plain>   [^\s{}\[\],:"/]+ )
      | (?P<end>     \Z ) )
    """,
    re.VERBOSE | re.DOTALL,
)
_MAX_DEPTH: Final = 200
_SPACE: Final = " \t\r\n"
_BLANK: Final = _SPACE + "\ufeff"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


class _Node(NamedTuple):
    """A value and where it stands; `parts` are what an object or array holds."""

    start: int
    end: int
    value: Any
    parts: tuple[_Part, ...] = ()
    tail: int = 0
    """Behind the last thing before the closing bracket that is not white space."""


class _Part(NamedTuple):
    """A member of an object, or an item of an array (whose key is its place)."""

    key: str | int
    start: int
    node: _Node
    comma: int | None
    """Where the comma behind it stands."""
    below_comment: bool
    """Whether a comment that ends with its line stands right before it."""


class _Token(NamedTuple):
    kind: str
    start: int
    end: int


class JsonText:
    """The text of one document. Edits return a new one; places are named by keys and indexes.

    Raises:
        NotEditable: the text is not JSON, with line and column; or an edit does not fit what is
            there, and nothing was changed.
    """

    def __init__(self, text: str) -> None:
        tokens = list(_tokens(text))
        if not any(token.kind != "comment" for token in tokens):
            text += "{}\n" if text.endswith("\n") or not text else "\n{}\n"
            tokens = list(_tokens(text))
        self.text = text
        self._root = _Parser(text, tokens).document()

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

    def _find(self, place: Place) -> tuple[_Node, _Part | None, list[str | int]]:
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

    def _insert(self, holder: _Node, key: str | None, value: Any) -> JsonText:
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

    def _cuts(self, holder: _Node, at: int) -> list[tuple[int, int, str]]:
        """What to cut so that one part is gone, with one comma and the white space on one side."""
        part, text = holder.parts[at], self.text
        start, end = part.start, part.node.end
        before = len(text[:start].rstrip(_SPACE))
        if len(holder.parts) == 1:
            inner = text[holder.start + 1 : start] + text[end : holder.end - 1]
            if not inner.strip(_SPACE + ","):
                return [(holder.start + 1, holder.end - 1, "")]
        comma = part.comma
        if comma is None:
            behind = text[end:]
            other = holder.parts[at - 1].comma if at else None
            cuts = [] if other is None else [(other, other + 1, "")]
            return [*cuts, (self._from(part, before, behind), end, "")]
        if at + 1 < len(holder.parts):
            follows = holder.parts[at + 1].start
            if not text[comma + 1 : follows].strip(_SPACE):
                return [(start, end, ""), (comma, follows, "")]
        behind = text[end:comma] + text[comma + 1 :]
        return [(self._from(part, before, behind), end, ""), (comma, comma + 1, "")]

    def _from(self, part: _Part, before: int, behind: str) -> int:
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

    def _is_flat(self, node: _Node) -> bool:
        """Whether it is written on one line, and so is what it is in."""
        if "\n" in self.text[node.start : node.end]:
            return False
        return bool(node.parts) or ("\n" not in self.text.strip() and bool(self._root.parts))

    def _indent_inside(self, holder: _Node) -> str:
        for part in holder.parts:
            if self._begins_its_line(part.start):
                return self._line_indent(part.start)
        return self._line_indent(holder.start) + self._unit

    def _begins_its_line(self, at: int) -> bool:
        line = self.text.rfind("\n", 0, at) + 1
        return not self.text[line:at].strip(_SPACE) and line > 0

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


class _Parser:
    """One pass over the tokens."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    def document(self) -> _Node:
        self._skip_comments()
        root = self._node(0)
        self._skip_comments()
        if self._at < len(self._tokens):
            _fail(self._text, self._tokens[self._at].start, "something stands behind the end")
        return root

    def _node(self, depth: int) -> _Node:
        token = self._take("a value")
        word = self._text[token.start : token.end]
        if token.kind == "mark" and word in "{[":
            if depth >= _MAX_DEPTH:
                _fail(self._text, token.start, f"it is nested deeper than {_MAX_DEPTH}")
            return self._holder(token, "}" if word == "{" else "]", depth)
        if token.kind == "mark":
            _fail(self._text, token.start, f"{word!r} stands where a value belongs")
        return _Node(token.start, token.end, self._scalar(token, word))

    def _scalar(self, token: _Token, word: str) -> Any:
        try:
            return _DECODER.decode(word)
        except (ValueError, RecursionError):
            _fail(self._text, token.start, f"{word[:40]!r} is not JSON")

    def _holder(self, opening: _Token, closing: str, depth: int) -> _Node:
        parts: list[_Part] = []
        while True:
            tail, below = self._skip_comments()
            mark = self._mark()
            if mark is not None and self._text[mark.start] == closing:
                break
            if parts and parts[-1].comma is None:
                at = self._tokens[self._at].start if self._at < len(self._tokens) else None
                _fail(self._text, at, f"a comma or {closing!r} is missing")
            parts.append(self._part(closing, len(parts), depth, below=below))
        self._at += 1
        value: Any = [part.node.value for part in parts]
        if closing == "}":
            value = {part.key: part.node.value for part in parts}
        return _Node(opening.start, mark.end, value, tuple(parts), max(tail, opening.end))

    def _part(self, closing: str, index: int, depth: int, *, below: bool) -> _Part:
        start = self._tokens[self._at].start if self._at < len(self._tokens) else 0
        key: str | int = index
        if closing == "}":
            token = self._take("a key")
            if token.kind != "string":
                _fail(self._text, token.start, "a key in double quotes is missing")
            key = self._scalar(token, self._text[token.start : token.end])
            self._skip_comments()
            colon = self._take("a colon")
            if self._text[colon.start : colon.end] != ":":
                _fail(self._text, colon.start, "a colon is missing")
            self._skip_comments()
        node = self._node(depth + 1)
        self._skip_comments()
        mark = self._mark()
        comma = None
        if mark is not None and self._text[mark.start] == ",":
            comma = mark.start
            self._at += 1
        return _Part(key, start, node, comma, below)

    def _mark(self) -> _Token | None:
        """The bracket, comma or colon that comes next, if one does."""
        if self._at < len(self._tokens) and self._tokens[self._at].kind == "mark":
            return self._tokens[self._at]
        return None

    def _take(self, what: str) -> _Token:
        if self._at >= len(self._tokens):
            _fail(self._text, None, f"{what} is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip_comments(self) -> tuple[int, bool]:
        """Where the last thing ends, and whether that is a comment which ends with its line."""
        while self._at < len(self._tokens) and self._tokens[self._at].kind == "comment":
            self._at += 1
        if not self._at:
            return 0, False
        last = self._tokens[self._at - 1]
        return last.end, self._text.startswith("//", last.start) and last.kind == "comment"


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            _fail(text, len(text) - len(text[at:].lstrip(_BLANK)), "this is not JSON")
        kind = str(match.lastgroup)
        if kind == "end":
            return
        start, at = match.span(kind)
        yield _Token(kind, start, at)


def _fail(text: str, at: int | None, why: str) -> NoReturn:
    at = len(text) if at is None else at
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    raise NotEditable(f"line {line}, column {column}: {why}")


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values, and the order of keys means nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _named(place: Place) -> str:
    return ".".join(str(key) for key in place) or "the document"

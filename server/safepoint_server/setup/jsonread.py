"""JSON with comments and trailing commas, read so that the place of every value is known. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from safepoint_server.setup.errors import NotEditable

__all__ = ["SPACE", "Node", "Part", "read"]

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
SPACE: Final = " \t\r\n"
_BLANK: Final = SPACE + "\ufeff"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


class Node(NamedTuple):
    """A value and where it stands; `parts` are what an object or array holds."""

    start: int
    end: int
    value: Any
    parts: tuple[Part, ...] = ()
    tail: int = 0
    """Behind the last thing before the closing bracket that is not white space."""


class Part(NamedTuple):
    """A member of an object, or an item of an array (whose key is its place)."""

    key: str | int
    start: int
    node: Node
    comma: int | None
    """Where the comma behind it stands."""
    below_comment: bool
    """Whether a comment that ends with its line stands right before it."""


class _Token(NamedTuple):
    kind: str
    start: int
    end: int


def read(text: str) -> Node | None:
    """The value that the text holds; None if it holds nothing, or only comments.

    Raises:
        NotEditable: it is not JSON, with line and column.
    """
    tokens = list(_tokens(text))
    if all(token.kind == "comment" for token in tokens):
        return None
    return _Parser(text, tokens).document()


class _Parser:
    """One pass over the tokens."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    def document(self) -> Node:
        self._skip_comments()
        root = self._node(0)
        self._skip_comments()
        if self._at < len(self._tokens):
            _fail(self._text, self._tokens[self._at].start, "something stands behind the end")
        return root

    def _node(self, depth: int) -> Node:
        token = self._take("a value")
        word = self._text[token.start : token.end]
        if token.kind == "mark" and word in "{[":
            if depth >= _MAX_DEPTH:
                _fail(self._text, token.start, f"it is nested deeper than {_MAX_DEPTH}")
            return self._holder(token, "}" if word == "{" else "]", depth)
        if token.kind == "mark":
            _fail(self._text, token.start, f"{word!r} stands where a value belongs")
        return Node(token.start, token.end, self._scalar(token, word))

    def _scalar(self, token: _Token, word: str) -> Any:
        try:
            return _DECODER.decode(word)
        except (ValueError, RecursionError):
            _fail(self._text, token.start, f"{word[:40]!r} is not JSON")

    def _holder(self, opening: _Token, closing: str, depth: int) -> Node:
        parts: list[Part] = []
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
        return Node(opening.start, mark.end, value, tuple(parts), max(tail, opening.end))

    def _part(self, closing: str, index: int, depth: int, *, below: bool) -> Part:
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
        return Part(key, start, node, comma, below)

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

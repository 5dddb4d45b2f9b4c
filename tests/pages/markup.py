"""A strict reader of the pages: what is open gets closed, and nothing is there but known tags."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "rect", "path", "circle", "line"}


class Markup(HTMLParser):
    """`tags` in order, `links`, and the visible `text`. Fails at once where tags do not match."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.urls: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        self.urls += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "head"} & set(self._open):
            self.text += data
            if {"td", "th"} & set(self._open):
                self.rows[-1][-1] += data

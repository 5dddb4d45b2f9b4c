"""Text and whole documents in HTML: everything escaped, nothing loaded, nothing run."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape
from urllib.parse import quote

from safepoint._version import __version__
from safepoint.pages.style import STYLE

__all__ = [
    "document",
    "duration",
    "href",
    "moment",
    "plain",
    "size",
    "text",
]

_HIDDEN = re.compile(r"[^\S ]|[^\w\s!-~]")
_HARMLESS = {"\u200c", "\u200d"}  # joiners, which several scripts and emoji need
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_CSP = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' rx='8' fill='%230f766e'/%3E%3Cpath d='M9 16.5l5 5 9-11' "
    "fill='none' stroke='white' stroke-width='3.4' stroke-linecap='round' "
    "stroke-linejoin='round'/%3E%3C/svg%3E"
)


def text(value: str, *, limit: int = 0) -> str:
    """`value` as HTML text, in a direction of its own. Characters that cannot be seen, or that
    turn text round, are shown by their number. At most `limit` characters, if one is given."""
    return f"<bdi>{plain(value, limit=limit)}</bdi>"


def plain(value: str, *, limit: int = 0) -> str:
    """The same without an element round it, for attributes and SVG."""
    if limit and len(value) > limit:
        value = value[: limit - 1].rstrip() + "…"
    return escape(_HIDDEN.sub(_visible, value))


def _visible(found: re.Match[str]) -> str:
    character = found[0]
    if character not in _HARMLESS and unicodedata.category(character) in _UNSEEN:
        return f"\u2039U+{ord(character):04X}\u203a"
    return character


def href(*segments: str) -> str:
    """A relative link to a key below this page's folder; `%` in a key is not an escape yet."""
    return escape("/".join(quote(segment, safe="~") for segment in segments))


def moment(at: datetime) -> str:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f'<time datetime="{stamp}">{at:%Y-%m-%d} <span class="clock">{at:%H:%M:%S}</span></time>'


def size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    value, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if value >= 999.5:
            value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def duration(span: timedelta) -> str:
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours < 1:
        return f"{minutes} min {int(seconds) % 60} s"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def document(title: str, body: Iterable[str], *, written: datetime, note: str = "") -> bytes:
    """A whole page of these lines. Its policy lets a browser load nothing and run nothing."""
    head = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_CSP)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="{_ICON}">
<style>{STYLE}</style>
</head>
<body>"""
    foot = f"""<footer>
<p>{note}Written by Safepoint {__version__} on {moment(written)} UTC. The page follows the work by
a few seconds and reloads nothing by itself. All times are UTC.</p>
</footer>
</body>
</html>
"""
    return "\n".join([head, *body, foot]).encode("utf-8", "replace")

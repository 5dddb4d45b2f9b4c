"""Untrusted text made safe to print: nothing stored can move the cursor or hide a word."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from safepoint.model import JSON, Actor

__all__ = [
    "ago",
    "ascii_json",
    "compact",
    "json_text",
    "moment",
    "one_line",
    "paragraph",
    "size",
    "who",
]

# Control characters, the invisible ones that reorder text, line separators, lone surrogates.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_ONE_LINE = re.compile(f"[{_UNSAFE}]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_BUT_LINES = re.compile(f"(?!\n)[{_UNSAFE}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    named = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}.get(code)
    return named or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def _escape_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def one_line(text: str) -> str:
    """`text` with every character that a terminal would obey written as an escape."""
    return _ONE_LINE.sub(_escape, text)


def paragraph(text: str) -> str:
    """As `one_line`, but line ends stay."""
    return _BUT_LINES.sub(_escape, text)


def json_text(text: str) -> str:
    """JSON text with the same characters escaped, so that it stays the same JSON value."""
    return _BUT_LINES.sub(_escape_json, text)


def ascii_json(text: str) -> str:
    """JSON text in ASCII, without control characters: the same JSON value in any encoding."""
    return _BUT_LINES.sub(_escape_json, _BEYOND_ASCII.sub(_escape_json, text))


def compact(detail: dict[str, JSON]) -> str:
    """An event's detail on one line: `step=build attempt=2`."""
    words = []
    for name, value in detail.items():
        if value is None or value == "" or value == []:
            continue
        if isinstance(value, list | tuple):
            value = ",".join(str(item) for item in value[:5]) + (",…" if len(value) > 5 else "")
        words.append(f"{name}={value}")
    return one_line(" ".join(words))


def who(actor: Actor | None) -> str:
    """Name and version of who made a change, and the machine."""
    if actor is None:
        return ""
    name = f"{actor.name} {actor.version}".strip()
    return one_line(f"{name} @ {actor.host}" if actor.host else name)


def size(count: int) -> str:
    """Bytes for people: 512 B, 1.5 KB, 3.2 MB."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("KB", "MB", "GB"):
        value /= 1000
        if value < 999.95 or unit == "GB":
            break
    return f"{value:.1f} {unit}"


def moment(at: datetime | None) -> str:
    """A time in UTC to the second."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def ago(at: datetime, now: datetime) -> str:
    """How long before `now`, in one unit; a time ahead of the clock is given in full."""
    past = now - at
    if past < -timedelta(seconds=5):
        return moment(at)
    seconds = max(0, int(past.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"

"""Which media types are text, and parts of UTF-8 text that end where a character does. Pure."""

from __future__ import annotations

import re
from typing import Final

from safepoint.values import dataclass

__all__ = ["TextPart", "is_text", "text_part"]

_TEXTS: Final = re.compile(
    r"text/.*|.*\+(json|xml|yaml)|"
    r"application/(json|jsonl|x-ndjson|xml|yaml|toml|javascript|x-sh|sql|x-tex)"
)


@dataclass(frozen=True, slots=True)
class TextPart:
    """Whole characters, from byte `start` of the file up to before byte `end`."""

    text: str
    start: int
    end: int


def is_text(media_type: str) -> bool:
    return _TEXTS.fullmatch(media_type.partition(";")[0].strip().lower()) is not None


def text_part(data: bytes, start: int, *, final: bool) -> TextPart | None:
    """The whole characters of a part that begins at byte `start`; None if it is not UTF-8.

    A character that was cut at either end is left out, unless the part is the `final` one.
    """
    first = 0
    if start:
        while first < min(3, len(data)) and data[first] & 0xC0 == 0x80:
            first += 1
    last = len(data)
    if not final:
        for back in range(1, min(4, last - first) + 1):
            lead = data[last - back]
            if lead & 0xC0 != 0x80:
                length = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
                last -= back if length > back else 0
                break
    try:
        text = data[first:last].decode()
    except UnicodeDecodeError:
        return None
    if last == first and data and not final:
        return None  # shorter than one character: there would be no way forward
    return TextPart(text, start + first, start + last)

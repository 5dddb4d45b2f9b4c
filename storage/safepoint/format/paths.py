"""Names of artifacts: relative paths of Unicode text, and where they may become files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from safepoint.errors import Conflict, InvalidInput, LimitExceeded

__all__ = ["check_artifact_name", "check_restorable", "folder_prefix"]

SEGMENT_BYTES_MAX: Final = 255
"""What file systems take."""

_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])\s*(\.|\Z)"
)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ]\Z')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_artifact_name(name: str, *, max_chars: int) -> None:
    """Raises InvalidInput (`bad_name`) or LimitExceeded unless `name` is a relative path with `/`
    between its parts, which leads nowhere else and is text on one line."""
    if len(name) > max_chars:
        raise LimitExceeded(
            f"an artifact's name has at most {max_chars:,} characters, not {len(name):,}",
            hint="Use a shorter name.",
        )
    broken = _broken_rule(name)
    if broken is not None:
        raise InvalidInput(
            f"the artifact name {name[:100]!r} cannot be used: {broken}",
            hint="Use a relative path such as 'report.pdf' or 'charts/growth.svg'.",
            code="bad_name",
        )


def folder_prefix(prefix: str) -> str:
    """`prefix` as the names of a folder's files begin: ending in `/`."""
    return prefix.removesuffix("/") + "/"


def check_restorable(names: Iterable[str], *, windows: bool, folds_case: bool) -> None:
    """Raises Conflict (`cannot_restore`) unless all of these may lie in one folder, as files.

    `folds_case`: names that differ only in case or in the composition of letters are one.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        if windows:
            for part in name.split("/"):
                if _DEVICE.match(part.casefold()) or _NOT_ON_WINDOWS.search(part):
                    raise _not_restorable(f"{name!r} cannot be the name of a file on Windows")
        folded = _folded(name) if folds_case else name
        if folded in files:
            raise _not_restorable(f"{files[folded]!r} and {name!r} would be the same file here")
        files[folded] = name
        parts = name.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            known = folders.setdefault(_folded(above) if folds_case else above, above)
            if known != above:
                raise _not_restorable(f"{known!r} and {above!r} would be the same folder here")
    for folded, name in files.items():
        if folded in folders:
            raise _not_restorable(f"{name!r} is a file, and a folder of other files too")


def _broken_rule(name: str) -> str | None:
    if not name:
        return "it is empty"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair, which is not a character"
    if _CONTROL.search(name):
        return "it holds a control character or a line break"
    if "\\" in name:
        return "it holds a backslash; folders are separated by /"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "it is not a plain relative path (a part of it is empty, '.' or '..')"
        if len(part.encode()) > SEGMENT_BYTES_MAX:
            return f"a part of it is longer than {SEGMENT_BYTES_MAX} bytes"
    return None


def _folded(name: str) -> str:
    import unicodedata  # only where file systems fold names

    return unicodedata.normalize("NFC", name.casefold())


def _not_restorable(why: str) -> Conflict:
    return Conflict(
        f"the files cannot be written: {why}; nothing was",
        hint="Load them one by one, under other names.",
        code="cannot_restore",
    )

"""Reads one environment variable or option at a time, and says what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from safepoint import InvalidInput, Unsupported
from safepoint.outside.s3 import S3Look

__all__ = ["Reader", "refuse"]

S = TypeVar("S", bound=str)
T = TypeVar("T")

UNFILLED: Final = re.compile(r"\$\{[^{}]*\}|\$SAFEPOINT_\w+")
UNITS: Final = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


class Reader:
    """See the methods: each returns a checked value, or raises InvalidInput naming the variable,
    the value and what is accepted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        """The value as it is. `${…}` is none: a client that was to put in a value had none, and a
        store would be opened, or made, with these characters as its passphrase."""
        value = self._environ.get(name) or None
        if value is not None and UNFILLED.fullmatch(value):
            refuse(name, value, "whoever starts this was to put the value in; set it there")
        return value

    def one_of(self, name: str, allowed: tuple[S, ...], default: S, option: str | None) -> S:
        value = (option or self.text(name) or default).strip().lower()
        if value not in allowed:
            refuse(name, value, f"it is one of {', '.join(allowed)}")
        return allowed[allowed.index(value)]

    def names(
        self, name: str, allowed: tuple[str, ...], default: str, option: str | None
    ) -> tuple[str, ...]:
        value = option or self.text(name) or default
        chosen = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for part in chosen:
            if part not in allowed:
                refuse(name, part, f"it names toolsets, and these exist: {', '.join(allowed)}")
        if not chosen:
            refuse(name, value, f"it names at least one toolset of {', '.join(allowed)}")
        return chosen

    def s3_addresses(self, name: str) -> tuple[str, ...]:
        addresses = tuple((self.text(name) or "").split())
        for address in addresses:
            try:
                S3Look([address])
            except (InvalidInput, Unsupported) as error:
                refuse(name, address, f"it holds addresses like s3://bucket/prefix: {error}")
        return addresses

    def folders(self, name: str, options: Sequence[str] | None) -> tuple[Path, ...]:
        given = options or (self.text(name) or "").split(os.pathsep)
        paths = tuple(Path(part).expanduser() for part in given if part.strip())
        for path in paths:
            if not path.is_absolute():
                refuse(name, str(path), "it holds absolute paths of folders")
        return paths

    def words(self, name: str) -> tuple[str, ...]:
        return tuple((self.text(name) or "").split())

    def path(self, name: str, option: str | None) -> str:
        value = option or self.text(name) or "/mcp"
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            refuse(name, value, "it is a path such as /mcp")
        return value

    def url(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
            refuse(name, value, "it is a URL such as https://safepoint.example.com/mcp")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        return self._ranged(name, default, low, high, int, "a whole number")

    def size(self, name: str, default: int, low: int, high: int) -> int:
        return self._ranged(name, default, low, high, _bytes, "a size such as 65536 or 16MiB")

    def _ranged(
        self, name: str, default: int, low: int, high: int, parse: Callable[[str], int], what: str
    ) -> int:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = parse(text)
        except ValueError:
            refuse(name, text, f"it is {what}")
        if not low <= value <= high:
            refuse(name, text, f"it is {what} from {low} to {high}")
        return value


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text.strip(), re.ASCII)
    if match is None or match[2].lower() not in UNITS:
        raise ValueError(text)
    return int(match[1]) * UNITS[match[2].lower()]


def refuse(name: str, value: str, rule: str) -> NoReturn:
    option = f"--{name.removeprefix('SAFEPOINT_').lower().replace('_', '-')}"
    raise InvalidInput(
        f"{name} is {value[:100]!r}, but {rule}",
        hint=f"correct {name} (or the option {option}, where there is one), or leave it out",
        code="invalid_setting",
    )

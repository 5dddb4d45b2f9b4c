"""What commands print: JSON for programs, rich text for people, errors and hints on stderr."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from safepoint_server.cli.plain import ascii_json, one_line, paragraph

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["console", "print_error", "print_json", "show", "table"]

_PIPE_WIDTH = 4000
"""Columns of a line that no terminal wraps: nothing is cut off in a pipe or a file."""


def print_json(value: object, file: IO[str] | None = None) -> None:
    """One JSON document and a line end. Dataclasses become objects, times ISO 8601, paths texts.

    ASCII only and without control characters, whatever the stored text holds.
    """
    from safepoint.format.jsontext import encode_json

    text = encode_json(_jsonable(value)).decode()
    (file or sys.stdout).write(ascii_json(text) + "\n")


def _jsonable(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _jsonable(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.repr
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_jsonable(item) for item in value]
    return value


def print_error(message: str, hint: str = "") -> None:
    """`error:` and, when there is something to do about it, `hint:` on stderr."""
    sys.stderr.write(f"error: {paragraph(message)}\n")
    if hint:
        sys.stderr.write(f"hint: {paragraph(hint)}\n")


def console(file: IO[str] | None = None) -> Console:
    """A console on `file` (standard output): colours only on a terminal, and never with NO_COLOR.

    It takes no markup, so that stored text cannot style itself.
    """
    from rich.console import Console

    file = file or sys.stdout
    width = None if file.isatty() else _PIPE_WIDTH
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, terminal: bool) -> Table:
    """A table of stored text, every cell made safe to print.

    A column whose title starts with `>` is aligned to the right.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        header_style="bold",
        padding=(0, 1) if terminal else (0, 2, 0, 0),
    )
    for title in columns:
        right = title.startswith(">")
        made.add_column(
            title.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right
        )
    for row in rows:
        made.add_row(*(Text(one_line(cell), style=_STYLES.get(cell, "")) for cell in row))
    return made


_STYLES = {
    "done": "green",
    "ok": "green",
    "active": "cyan",
    "running": "cyan",
    "pending": "dim",
    "approved": "green",
    "answered": "green",
    "denied": "red",
    "expired": "yellow",
    "withdrawn": "dim",
    "skipped": "dim",
    "interrupted": "yellow",
    "warning": "yellow",
    "failed": "red",
    "made": "green",
    "changed": "green",
    "removed": "green",
    "unchanged": "dim",
    "FAILED": "bold red",
}


def show(made: Table, file: IO[str] | None = None) -> None:
    """Print a table; in a pipe without the padding at the ends of lines."""
    to = console(file)
    if to.is_terminal:
        to.print(made)
        return
    with to.capture() as captured:
        to.print(made)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    (file or sys.stdout).write(text + "\n")

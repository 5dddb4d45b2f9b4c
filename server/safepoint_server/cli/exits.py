"""The exit codes of `safepoint`: one table, for the program and for its help."""

from __future__ import annotations

from enum import IntEnum

from safepoint.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    SafepointError,
    Unavailable,
    Unsupported,
    WrongKey,
)

__all__ = ["EXIT_MEANINGS", "Exit", "exit_code", "exit_table"]


class Exit(IntEnum):
    """What a process of `safepoint` ends with; only ever added to."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    WRONG_KEY = 6
    DAMAGED = 7
    UNSUPPORTED = 8
    INTERRUPTED = 130


EXIT_MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "a check of doctor or demo, or a client of setup, failed",
    Exit.USAGE: "the command line or an argument is wrong",
    Exit.NOT_FOUND: "no such workspace, version, label, slot, store or client",
    Exit.CONFLICT: "refused because of what is stored",
    Exit.UNAVAILABLE: "the store cannot be reached, read or written now",
    Exit.WRONG_KEY: "the key given does not open this store",
    Exit.DAMAGED: "something stored is not what was written",
    Exit.UNSUPPORTED: "this version cannot use this store",
    Exit.INTERRUPTED: "interrupted from the keyboard",
}

_BY_ERROR: tuple[tuple[type[SafepointError], Exit], ...] = (
    (InvalidInput, Exit.USAGE),
    (NotFound, Exit.NOT_FOUND),
    (Conflict, Exit.CONFLICT),
    (Unavailable, Exit.UNAVAILABLE),
    (WrongKey, Exit.WRONG_KEY),
    (Damaged, Exit.DAMAGED),
    (Unsupported, Exit.UNSUPPORTED),
)


def exit_code(error: SafepointError) -> Exit:
    """The code for an error of the library; every class of its tree has one."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)


def exit_table() -> str:
    """The table as lines for `--help`."""
    lines = (f"  {code.value:>3}  {meaning}" for code, meaning in EXIT_MEANINGS.items())
    return "exit codes:\n" + "\n".join(lines)

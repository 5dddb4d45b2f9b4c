"""Every error the library raises, grouped by what the caller does about it.

SafepointError
├── InvalidInput (ValueError)      the call is wrong: correct it
│   └── LimitExceeded              … it is larger than a limit allows
├── NotFound (LookupError)         certainly not there
├── Conflict                       an earlier change, yours or another's, stands against it
├── Unavailable (OSError)          the store cannot be reached, read or written now
│   └── OutcomeUnknown             … and a write may or may not have happened
├── WrongKey                       the data is there, this key does not open it
├── Damaged                        the data is there and is not what was written
└── Unsupported                    this store or format cannot be used by this program

`code` is stable and only ever added to. `str(error)` says what happened and why, `hint` what to do.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "Conflict",
    "Damaged",
    "InvalidInput",
    "LimitExceeded",
    "NotFound",
    "OutcomeUnknown",
    "SafepointError",
    "Unavailable",
    "Unsupported",
    "WrongKey",
]


class SafepointError(Exception):
    """Base of all errors of this library.

    `code` is a stable word for programs, `message` and `hint` are for people and models.
    """

    default_code = "error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.code))


class InvalidInput(SafepointError, ValueError):
    default_code = "invalid_input"


class LimitExceeded(InvalidInput):
    default_code = "limit_exceeded"


class NotFound(SafepointError, LookupError):
    default_code = "not_found"


class Conflict(SafepointError):
    default_code = "conflict"


class Unavailable(SafepointError, OSError):
    default_code = "unavailable"


class OutcomeUnknown(Unavailable):
    default_code = "outcome_unknown"


class WrongKey(SafepointError):
    default_code = "wrong_key"


class Damaged(SafepointError):
    default_code = "damaged"


class Unsupported(SafepointError):
    default_code = "unsupported"


def _rebuild(kind: type[SafepointError], message: str, hint: str, code: str) -> SafepointError:
    return kind(message, hint=hint, code=code)

"""What can be wrong with a client's configuration file, said so that a person can put it right."""

from __future__ import annotations

__all__ = ["ChangedMeanwhile", "NotEditable"]


class NotEditable(Exception):
    """The file was left as it is. The message says what and why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ChangedMeanwhile(NotEditable):
    """Somebody else wrote the file after it was read; reading it again may help."""

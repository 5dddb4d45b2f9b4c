"""Asking the person at the terminal before something that cannot be taken back."""

from __future__ import annotations

import sys

from safepoint.errors import InvalidInput

__all__ = ["confirm", "confirm_by_typing"]


def confirm(question: str, *, otherwise: str) -> bool:
    """Whether the person says yes; no by default. `otherwise` is what to do without a terminal.

    Raises InvalidInput (`not_confirmed`) when nobody can be asked.
    """
    return _ask(f"{question} [y/N] ", otherwise).lower() in ("y", "yes")


def confirm_by_typing(word: str, question: str, *, otherwise: str) -> bool:
    """Whether the person types exactly `word`. Raises as `confirm` does."""
    return _ask(f"{question}\nType {word} to confirm: ", otherwise) == word


def _ask(prompt: str, otherwise: str) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput(
            "this must be confirmed, and there is no terminal to ask at; nothing was done",
            hint=otherwise,
            code="not_confirmed",
        )
    print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201 - the answer's own line
    return sys.stdin.readline().strip()

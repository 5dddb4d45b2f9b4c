"""What is saved: states that change a little from checkpoint to checkpoint, the same every time."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["CHAT", "Change", "Kind", "WIDE", "changes"]

MESSAGE_BYTES = 1000
NOTES, NOTE_BYTES = 500, 200
VOCABULARY = 4000


@dataclass(frozen=True, slots=True)
class Change:
    """One checkpoint: the whole state, and the part of it that is new. `channel` and `written` are
    the same for frameworks that are told what a step wrote."""

    state: dict[str, Any]
    delta: dict[str, Any]
    channel: str
    written: Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of state; `label` names it in tables."""

    name: str
    label: str


CHAT = Kind("chat", "chat, 1 KB more each time")
WIDE = Kind("wide", "100 KB, 200 bytes changed")


def changes(kind: Kind, count: int, seed: int = 1) -> Iterator[Change]:
    """The first `count` checkpoints. A state is the caller's only until the next one."""
    words = _Words(seed)
    return _chat(words, count) if kind is CHAT else _wide(words, count)


def _chat(words: _Words, count: int) -> Iterator[Change]:
    messages: list[dict[str, str]] = []
    for number in range(count):
        message = {"role": ("user", "assistant")[number % 2], "content": words.text(MESSAGE_BYTES)}
        messages.append(message)
        yield Change({"messages": messages}, message, "messages", [message])


def _wide(words: _Words, count: int) -> Iterator[Change]:
    notes = {f"note {number}": words.text(NOTE_BYTES) for number in range(NOTES)}
    for number in range(count):
        name = f"note {number * 7 % NOTES}"
        notes[name] = words.text(NOTE_BYTES)
        yield Change({"notes": notes}, {name: notes[name]}, "notes", {name: notes[name]})


class _Words:
    """Random words of a vocabulary of 4,000: about as hard to compress as what people write."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = ["".join(self._letters()) for _ in range(VOCABULARY)]

    def _letters(self) -> list[str]:
        return self._random.choices(string.ascii_lowercase, k=self._random.randint(2, 9))

    def text(self, size: int) -> str:
        words = self._random.choices(self._words, k=size // 3)
        return " ".join(words)[:size]

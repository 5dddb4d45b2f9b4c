"""A desk: one document, commands applied to it in turn, a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from safepoint.format.document import EMPTY, Document
from safepoint.log.transitions import Command, Context
from safepoint.log.transitions.base import when
from safepoint.model import Actor, Limits

R = TypeVar("R")


@dataclass
class Desk:
    """Calling it applies a command as a commit would, without a log. `changed` is of the last."""

    document: Document = EMPTY
    now_ms: int = 1_767_225_600_000
    actor: Actor = field(default_factory=lambda: Actor("ann"))
    limits: Limits = field(default_factory=Limits)
    changed: bool = False
    event: dict[str, Any] | None = None

    def __call__(self, command: Command[R]) -> R:
        version = self.document.version + 1
        context = Context("work", version, self.now_ms, self.actor, self.limits)
        outcome = command(self.document, context)
        self.changed = outcome.document is not None
        self.event = outcome.event
        self.document = outcome.document or self.document
        return outcome.reply

    @property
    def now(self) -> datetime:
        return when(self.now_ms)

    def turn_clock(self, **by: float) -> None:
        self.now_ms += timedelta(**by) // timedelta(milliseconds=1)

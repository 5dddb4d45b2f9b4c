"""What has been found so far: counts, and a bounded list of each kind of finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from safepoint.model import Problem, VerifyReport

__all__ = ["LISTED", "OnProgress", "Tally"]

LISTED = 100
OnProgress = Callable[[int, int], None]
"""Is told how many of how many objects are done; the second number grows while more are found."""


@dataclass(slots=True)
class Tally:
    """Of one workspace, or of all of a store. `add` counts."""

    on_progress: OnProgress | None = None
    report: VerifyReport = field(default_factory=VerifyReport)
    _done: int = 0
    _total: int = 0

    def expect(self, objects: int) -> None:
        self._total += objects

    def done(self, objects: int = 1) -> None:
        self._done += objects
        self._total = max(self._total, self._done)
        if self.on_progress is not None:
            self.on_progress(self._done, self._total)

    def add(self, **counts: int) -> None:
        given = {name: getattr(self.report, name) + more for name, more in counts.items()}
        self.report = replace(self.report, **given)

    def note(self, text: str) -> None:
        if len(self.report.notes) < LISTED:
            self.report = replace(self.report, notes=(*self.report.notes, text))

    def problem(self, problem: Problem) -> None:
        listed = self.report.problems
        if len(listed) < LISTED:
            listed = (*listed, problem)
        count = self.report.problem_count + 1
        self.report = replace(self.report, problems=listed, problem_count=count)

    def unread(self, problem: Problem) -> None:
        listed = self.report.unread
        if len(listed) < LISTED:
            listed = (*listed, problem)
        count = self.report.unread_count + 1
        self.report = replace(self.report, unread=listed, unread_count=count)

"""What the director knows of each life of the agent, put together from its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Life"]


@dataclass
class Life:
    """From a start of the agent to its end. `resumed` is the version it found, None at first."""

    number: int
    connected: bool = False
    resumed: int | None = None
    inside: str | None = None
    tickets: set[str] = field(default_factory=set)
    repeats_recognised: int = 0
    finished: bool = False
    killed: bool = False
    seconds: float = 0.0
    steps: list[str] = field(default_factory=list)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)

    def follow(self, event: dict[str, Any]) -> None:
        """Take in one line of its journal."""
        kind = event["event"]
        if kind == "acknowledged":
            self.acknowledged.append(event)
        elif kind == "resumed":
            self.connected, self.resumed = True, event["version"]
        elif kind == "begin":
            self.inside = event["step"]
        elif kind == "end":
            self.inside = None
            self.steps.append(event["step"])
        elif kind == "filed":
            self.tickets.add(event["ticket"])
            self.repeats_recognised += event["repeated"]
        elif kind == "finished":
            self.finished = True

    @property
    def end(self) -> str:
        """Where it ended, in words."""
        if not self.killed:
            return "finished the job"
        if not self.connected:
            return "killed while it started"
        return f"killed inside “{self.inside}”" if self.inside else "killed between steps"

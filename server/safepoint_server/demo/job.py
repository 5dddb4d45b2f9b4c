"""What an agent is told: one JSON file that every agent of a demonstration reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safepoint_server.demo.sources import Source

__all__ = ["ANALYSE", "FILE", "REPORT", "SCAN", "Job", "step_names"]

SCAN = "scan the files"
REPORT = "write the report"
ANALYSE = "analyse"
FILE = "file tickets for"


@dataclass(frozen=True, slots=True)
class Job:
    """The work, where it is kept, and the outside world. `pause` is in seconds, after each unit of
    work; `lease_seconds` is how long an agent that vanished keeps a step from others; `servers` is
    how many MCP servers each agent starts, and calls in turn."""

    workspace: str
    store: str
    key_file: str | None
    sources: tuple[Source, ...]
    tickets: str
    report: str
    folder: str
    pause: float
    lease_seconds: int
    servers: int = 1

    def source_of(self, step: str) -> Source | None:
        """The file that a step works on; None for the first and the last step."""
        verbs = (ANALYSE, FILE)
        return next((s for s in self.sources for v in verbs if step == f"{v} {s.name}"), None)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        fields = json.loads(path.read_text("utf-8"))
        fields["sources"] = tuple(Source(**source) for source in fields["sources"])
        return cls(**fields)


def step_names(sources: tuple[Source, ...]) -> list[str]:
    """Every step of the job, in order."""
    each = (f"{verb} {source.name}" for source in sources for verb in (ANALYSE, FILE))
    return [SCAN, *each, REPORT]

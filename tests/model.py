"""A plain model of a workspace, to hold the real one against: no log, no seals, no processes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelStep:
    status: str = "pending"
    after: tuple[str, ...] = ()
    attempts: int = 0
    token: int | None = None
    lease_until: float = 0.0
    result: Any = None
    retryable: bool = True


@dataclass
class ModelWorkspace:
    """Applies what was acknowledged; `version` counts commits."""

    version: int = 0
    state: Any = None
    has_state: bool = False
    checkpoints: list[tuple[int, str | None, Any]] = field(default_factory=list)
    steps: dict[str, ModelStep] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    revisions: dict[str, list[bytes]] = field(default_factory=dict)

    def copy(self) -> ModelWorkspace:
        return copy.deepcopy(self)

    def save(self, state: Any, label: str | None = None, request: str | None = None) -> None:
        self.version += 1
        self.state, self.has_state = state, True
        self.checkpoints.append((self.version, label, state))
        if request is not None:
            self.requests[request] = self.version

    def put_file(self, name: str, data: bytes) -> None:
        if self.files.get(name) != data:
            self.version += 1
            self.files[name] = data
            self.revisions.setdefault(name, []).append(data)

    def remove_file(self, name: str) -> None:
        if self.files.pop(name, None) is not None:
            self.version += 1

    def plan(self, steps: list[tuple[str, tuple[str, ...]]]) -> None:
        before = copy.deepcopy(self.steps)
        for name, after in steps:
            self.steps.setdefault(name, ModelStep()).after = after
        if self.version == 0 or before != self.steps:
            self.version += 1

    def decision(self, name: str, now: float) -> str:
        step = self.steps.get(name, ModelStep())
        if step.status in ("done", "skipped"):
            return "skip"
        if step.status == "running" and step.lease_until > now:
            return "wait"
        if any(self.steps[n].status not in ("done", "skipped") for n in step.after):
            return "blocked"
        if step.status == "failed" and not step.retryable:
            return "blocked"
        return "run"

    def start(self, name: str, until: float) -> None:
        self.version += 1
        step = self.steps.setdefault(name, ModelStep())
        step.status, step.attempts = "running", step.attempts + 1
        step.token, step.lease_until = self.version, until

    def mark(self, name: str, status: str, result: Any, *, retryable: bool = True) -> None:
        self.version += 1
        step = self.steps[name]
        step.status, step.result, step.retryable = status, result, retryable

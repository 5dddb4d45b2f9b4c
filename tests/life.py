"""A plain model of a workspace's whole life: what each version was, and what people decided."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

NOT_RUN = ("pending", 0)


@dataclass
class Step:
    """`until` is when its lease ends; `marked` is the version that finished it."""

    status: str = "pending"
    attempts: int = 0
    needs: tuple[str, ...] = ()
    until: float = 0.0
    marked: int | None = None
    doubt: bool = False


@dataclass
class Question:
    status: str = "pending"
    text: str = ""
    used_by: str | None = None


@dataclass
class World:
    """A workspace, and what it was at each version since it began. Pruning may have taken the
    `loose` ones."""

    version: int = 0
    exists: bool = False
    run: int = 1
    began: int = 1
    state: Any = None
    steps: dict[str, Step] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    past: dict[int, World] = field(default_factory=dict)
    checkpoints: list[int] = field(default_factory=list)
    loose: set[int] = field(default_factory=set)

    def copy(self) -> World:
        past, self.past = self.past, {}
        twin = copy.deepcopy(self)
        self.past = past
        twin.past = dict(past)
        return twin

    def commit(self, *, checkpoint: bool = False) -> None:
        """What was changed is a new version."""
        self.version += 1
        self.exists = True
        if checkpoint:
            self.checkpoints.append(self.version)
        self.past[self.version] = replace(self.copy(), past={}, checkpoints=[], loose=set())

    def firm(self) -> list[int]:
        """Versions that must be there."""
        return sorted(self.past.keys() - self.loose)

    def prune(self, keep_last: int, forked: set[int]) -> None:
        kept = {self.version, *self.checkpoints[-keep_last:], *forked}
        self.loose |= self.past.keys() - kept
        self.commit()

    def seen(self) -> Any:
        """What a fresh process sees of it."""
        if not self.exists:
            return None
        steps = {name: (step.status, step.attempts) for name, step in self.steps.items()}
        questions = {name: (q.status, q.used_by) for name, q in self.questions.items()}
        return (self.version, self.run, self.state, steps, questions, self.files)

    def save(self, state: Any) -> None:
        self.state = state
        self.commit(checkpoint=True)

    def plan(self, name: str, needs: tuple[str, ...]) -> None:
        """What a step needs is only ever added to."""
        known = self.steps.get(name)
        step = self.steps.setdefault(name, Step())
        more = tuple(need for need in needs if need not in step.needs)
        step.needs += more
        if known is None or more:
            self.commit()

    def decision(self, name: str, now: float) -> str:
        step = self.steps.get(name, Step())
        if step.status in ("done", "skipped"):
            return "skip"
        if step.status == "running" and step.until > now:
            return "wait"
        return "run" if all(self.allows(need, name) for need in step.needs) else "blocked"

    def allows(self, question: str, step: str) -> bool:
        asked = self.questions.get(question, Question())
        return asked.status == "approved" and asked.used_by in (None, step)

    def start(self, name: str, until: float) -> None:
        step = self.steps.setdefault(name, Step())
        step.doubt = step.doubt or step.status == "running"
        step.status, step.attempts, step.until = "running", step.attempts + 1, until
        for need in step.needs:
            self.questions[need].used_by = name
        self.commit()

    def mark(self, name: str, status: str) -> None:
        step = self.steps[name]
        step.status, step.marked = status, self.version + 1
        self.commit()

    def ask(self, name: str, text: str) -> None:
        asked = self.questions.get(name)
        if asked is None or asked.status == "withdrawn" or asked.text != text:
            self.questions[name] = Question(text=text)
            self.commit()

    def decide(self, name: str, status: str) -> None:
        self.questions[name].status = status
        self.commit()

    def file(self, name: str, data: bytes | None) -> None:
        if data is None:
            del self.files[name]
        else:
            self.files[name] = data
        self.commit()

    def rewind(self, to: int) -> None:
        """Steps go back, but how often they were tried does not; what people said stays."""
        old = self.past[to].copy()
        now, self.steps = self.steps, {}
        planned = old.steps if old.run == self.run else {}
        for name, then in planned.items():
            self.steps[name] = _gone_back(then, now.get(name, then))
        for name, step in now.items():
            if name not in planned and _ran(Step(), step):
                self.steps[name] = _gone_back(Step(needs=step.needs), step)
        self.state, self.files = old.state, old.files
        self.commit(checkpoint=True)

    def begin_run(self) -> None:
        """A run in which nothing has happened yet is not ended."""
        if self.run == 1 or self.version > self.began:
            self.run, self.began = self.run + 1, self.version + 1
            self.steps, self.questions = {}, {}
            self.commit(checkpoint=True)

    def delete(self) -> None:
        gone = World(version=self.version + 1, run=self.run + 1, began=self.version + 2)
        self.__dict__.update(gone.__dict__)


def _ran(then: Step, now: Step) -> bool:
    if now.attempts > then.attempts or (now.doubt and not then.doubt):
        return True
    return now.status in ("done", "failed") and now.marked != then.marked


def _gone_back(then: Step, now: Step) -> Step:
    return replace(
        then,
        attempts=max(then.attempts, now.attempts),
        doubt=then.doubt or _ran(then, now),
        until=0.0,
    )

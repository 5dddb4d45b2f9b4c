"""plan_steps: declare steps in order, with what each depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from safepoint.errors import InvalidInput, LimitExceeded
from safepoint.format.document import Document
from safepoint.format.entries import StepEntry
from safepoint.log.moments import millis
from safepoint.log.transitions.approval import check_approval_name
from safepoint.log.transitions.base import Context, Outcome, advance, check_text, closest
from safepoint.model import Limits, PlannedStep
from safepoint.values import dataclass

__all__ = ["PlanSteps", "check_step_name"]

_MAX_NEEDS = 20


@dataclass(frozen=True, slots=True)
class PlanSteps:
    """New steps join at the end, known ones keep their place, status and history; none is removed.

    Approvals that a step needs are only ever added: a plan cannot take back what people were to
    be asked. The reply is the names added and the names known before. Planning the same again
    changes nothing.
    """

    steps: tuple[PlannedStep, ...]
    goal: str | None = None

    def __call__(
        self, document: Document, context: Context
    ) -> Outcome[tuple[tuple[str, ...], tuple[str, ...]]]:
        self._check(context.limits)
        steps = dict(document.steps)
        for planned in self.steps:
            entry = steps.get(planned.name, StepEntry())
            title = entry.title if planned.title is None else planned.title
            steps[planned.name] = replace(
                entry,
                title=title,
                after=planned.after,
                needs=tuple(dict.fromkeys((*entry.needs, *planned.needs_approval))),
                wake_ms=_wake_ms(planned) or entry.wake_ms,
            )
        if len(steps) > context.limits.steps:
            raise LimitExceeded(
                f"the run would have {len(steps):,} steps; the limit is {context.limits.steps:,}",
                hint="Plan coarser steps, or split the work over several workspaces.",
            )
        _check_order(steps, {planned.name for planned in self.steps})
        added = tuple(p.name for p in self.steps if p.name not in document.steps)
        kept = tuple(p.name for p in self.steps if p.name in document.steps)
        goal = document.goal if self.goal is None else self.goal or None
        if document.exists and steps == document.steps and goal == document.goal:
            return Outcome((added, kept))
        new = advance(document, context, steps=steps, goal=goal)
        event = {"kind": "plan", "added": len(added), "steps": len(steps)}
        return Outcome((added, kept), new, event)

    def _check(self, limits: Limits) -> None:
        check_text(self.goal, "goal", limit=limits.summary_bytes)
        if not self.steps and self.goal is None:
            raise InvalidInput(
                "there is nothing to plan: steps is empty and no goal is given",
                hint='Give steps such as [{"name": "fetch"}, {"name": "report", '
                '"after": ["fetch"]}].',
            )
        seen: set[str] = set()
        for planned in self.steps:
            check_step_name(planned.name, limits)
            check_text(planned.title, "step title", limit=limits.summary_bytes)
            _check_needs(planned, limits)
            if planned.name in seen:
                raise InvalidInput(
                    f"step {planned.name!r} is planned twice", hint="Give each step one name."
                )
            seen.add(planned.name)


def check_step_name(name: str, limits: Limits) -> None:
    """Raises InvalidInput for a name that is empty, too long or not printable text."""
    check_text(name, "step name", limit=limits.step_chars, unit="characters")
    if not name or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            "a step name must be printable text without spaces at its ends, and not empty",
            hint="Use a short name such as 'fetch-pages'.",
            code="bad_name",
        )


def _check_needs(planned: PlannedStep, limits: Limits) -> None:
    for approval in planned.needs_approval:
        check_approval_name(approval, limit=limits.step_chars)
    if len(planned.needs_approval) > _MAX_NEEDS:
        raise LimitExceeded(
            f"step {planned.name!r} would need {len(planned.needs_approval)} approvals; the limit "
            f"is {_MAX_NEEDS}",
            hint="Ask one question about several things.",
        )


def _wake_ms(planned: PlannedStep) -> int | None:
    return None if planned.wake_at is None else millis(planned.wake_at, "wake_at")


def _check_order(steps: Mapping[str, StepEntry], planned: set[str]) -> None:
    """Raises InvalidInput for a dependency on nothing or on itself, directly or in a circle."""
    for name in planned:
        for needed in steps[name].after:
            if needed not in steps:
                raise InvalidInput(
                    f"step {name!r} comes after {needed!r}, which is not a step",
                    hint=f"{closest(needed, steps)}Plan both in one call, or name existing steps.",
                    code="unknown_step",
                )
    settled: set[str] = set()
    for first in planned:
        trail: dict[str, None] = {}
        stack = [(first, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                trail.pop(name)
                settled.add(name)
            elif name in trail:
                circle = [*list(trail)[list(trail).index(name) :], name]
                raise InvalidInput(
                    f"these steps wait for each other: {' after '.join(map(repr, circle[:10]))}",
                    hint="Remove one of the dependencies.",
                    code="circular_plan",
                )
            elif name not in settled:
                trail[name] = None
                stack.append((name, True))
                stack.extend((needed, False) for needed in steps[name].after)

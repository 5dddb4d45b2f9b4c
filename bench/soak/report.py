"""What a soak came to, as text."""

from __future__ import annotations

from collections import Counter

from bench.report import table
from bench.soak.memory import RULE, Held, held
from bench.soak.run import Outcome

__all__ = ["report"]

_MEBI = 2**20
_SHOWN = 50


def report(outcome: Outcome) -> str:
    tally = outcome.tally
    workspaces = {save.workspace for save in tally.saves}
    facts = [
        ("minutes", f"{outcome.plan.seconds / 60:g}"),
        ("calls", f"{tally.total:,}: {_counts(tally.calls)}"),
        ("connections", _counts(tally.connections)),
        ("replicas killed", f"{outcome.kills}, {_counts(tally.cuts)} at clients"),
        ("saves acknowledged", f"{len(tally.saves):,} in {len(workspaces)} workspaces"),
        ("saves repeated", f"{tally.repeats:,}"),
        ("steps finished", f"{len(tally.finished):,} in {tally.attempts:,} attempts"),
        ("approvals", f"{sum(tally.approved.values()):,}"),
        ("records verified", f"{outcome.records:,}"),
    ]
    heads = ("replica", "looks", "calls", "memory", "rise", "a call", "files", "threads", "tasks")
    lines = [table(heads, [_row(one) for one in held(outcome.samples)]), RULE]
    wrong = outcome.wrong
    more = [f"- ... and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    found = [f"- {line}" for line in wrong[:_SHOWN]] + more
    verdict = "\n".join(["WRONG:", *found] if wrong else ["Nothing lost, nothing doubled, flat."])
    return "\n\n".join([table(("soak", ""), facts), *lines, verdict]) + "\n"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"


def _row(one: Held) -> tuple[str, ...]:
    def change(what: str) -> str:
        return f"{getattr(one.first, what)} -> {getattr(one.last, what)}"

    memory = f"{one.first.resident / _MEBI:.1f} -> {one.last.resident / _MEBI:.1f} MiB"
    rise = f"{one.rise / _MEBI:+.2f} MiB"
    each = f"{one.rise / max(1, one.calls):+.0f} B"
    counts = (change("files"), change("threads"), change("tasks"))
    return (one.life, str(one.looks), f"{one.calls:,}", memory, rise, each, *counts)

"""Comparisons and past effects as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from safepoint import Change, ChangeKind, Changes, Comparison, PastEffect
from safepoint_server.cli.output import console, show, table
from safepoint_server.cli.plain import one_line, who

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_comparison", "print_effects"]

_MARKS: Final = {
    ChangeKind.ADDED: ("+", "green"),
    ChangeKind.REMOVED: ("-", "red"),
    ChangeKind.CHANGED: ("~", "yellow"),
    ChangeKind.MOVED: (">", "cyan"),
}


def print_comparison(found: Comparison) -> None:
    """Every change on a line or two, by kind of thing; `nothing differs` when there is none."""
    to = console()
    title = f"{one_line(found.workspace)}: version {found.from_version} → {found.to_version}"
    to.print(title, style="bold", soft_wrap=True)
    if found.same:
        to.print("Nothing differs.", style="dim")
    for name, changes in (
        ("Goal and texts", found.fields),
        ("Steps", found.steps),
        ("Approvals", found.approvals),
        ("Artifacts", found.artifacts),
        ("State", found.state),
    ):
        if changes.total:
            _print_changes(to, name, changes)


def _print_changes(to: Console, name: str, changes: Changes) -> None:
    counts = ", ".join(
        f"{count} {kind.value}" for kind in ChangeKind if (count := getattr(changes, kind.value))
    )
    to.print(f"\n{name}: {counts}", style="bold")
    for change in changes.items:
        _print_change(to, change)
    if changes.omitted:
        to.print(f"… and {changes.omitted} more: --limit", style="dim")
    if changes.incomplete:
        to.print("Some parts were too large to be looked into.", style="yellow")


def _print_change(to: Console, change: Change) -> None:
    mark, style = _MARKS[change.kind]
    origin = f"  (was {one_line(change.from_path)})" if change.from_path is not None else ""
    path = one_line(change.path) or "(all of it)"
    to.print(f"{mark} {path}{origin}", style=style, soft_wrap=True)
    if change.old is not None:
        to.print(f"    was {one_line(change.old)}", soft_wrap=True)
    if change.new is not None:
        to.print(f"    now {one_line(change.new)}", soft_wrap=True)


def print_effects(effects: Sequence[PastEffect], title: str) -> None:
    """What steps may have done outside, which no version takes back."""
    if not effects:
        return
    to = console()
    to.print(f"\n{title}", style="yellow", soft_wrap=True)
    columns = ("step", "was", "now", ">attempts", "idempotency key", "held by", "result")
    rows = [
        (
            effect.step,
            effect.was.value,
            effect.now.value if effect.now else "not planned",
            str(effect.attempts),
            effect.idempotency_key,
            who(effect.held_by),
            effect.result or "",
        )
        for effect in effects
    ]
    show(table(columns, rows, terminal=to.is_terminal))

"""The end of a demonstration: tables for people, one document for programs."""

from __future__ import annotations

import shlex
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safepoint_server.cli.output import show
from safepoint_server.cli.plain import one_line, size
from safepoint_server.demo.director import Outcome, Wishes
from safepoint_server.demo.lives import Life

__all__ = ["as_document", "print_introduction", "print_summary"]


def print_introduction(to: Console, wishes: Wishes, files: str) -> None:
    """What is going to happen, in a few lines; `files` says which are read."""
    kills = wishes.kills
    times = "once" if kills == 1 else f"{kills} times" if kills else "not even once"
    servers = "server" if wishes.servers == 1 else f"servers ({wishes.servers}, called in turn)"
    to.print()
    to.print(Text("An agent that survives", style="bold"))
    to.print(
        f"An agent reads {len(wishes.sources)} text files ({one_line(files)}), analyses each,\n"
        "files a ticket for every finding with a ticket service, and writes a report.\n"
        f"It and its MCP {servers} are killed {times}, without warning (SIGKILL). Each time\n"
        "a new agent, which knows nothing, opens the workspace and carries on.\n"
    )


def print_summary(to: Console, outcome: Outcome) -> None:
    """Lives, steps, promises, and where to look."""
    to.print()
    for made in (_lives_table, _steps_table, _checks_table):
        show(made(to, outcome), to.file)
    verdict = outcome.verdict
    to.print(
        f"\n{verdict.versions} versions, {verdict.checkpoints} of them checkpoints, holding "
        f"{size(verdict.state_bytes)} of state in {size(verdict.stored_bytes)} of encrypted "
        f"records.\nReplies of the ticket service lost on purpose: {verdict.replies_lost}. "
        f"Repeated requests recognised by their idempotency key: {verdict.repeats_refused}."
    )
    to.print("\nLook for yourself:", style="bold")
    for line in look(outcome):
        to.print(f"  {one_line(line)}", soft_wrap=True)
    to.print()
    words = f"in {outcome.seconds:.0f} seconds (seed {outcome.wishes.seed})"
    if verdict.ok:
        to.print(f"All {len(verdict.checks)} promises kept, {words}.", style="bold green")
    else:
        failed = sum(not check.ok for check in verdict.checks)
        to.print(f"{failed} of {len(verdict.checks)} promises broken, {words}.", style="bold red")


def look(outcome: Outcome) -> list[str]:
    """Commands and files that show what is there now."""
    place = outcome.place
    given = ["--store", place.store]
    if place.key_file is not None:
        given += ["--key-file", str(place.key_file)]
    return [
        shlex.join(["safepoint", *given, "show", place.workspace]),
        shlex.join(["safepoint", *given, "history", place.workspace, "--limit", "200"]),
        f"report   {outcome.job.report}",
        f"journals {place.folder}",
    ]


def as_document(outcome: Outcome) -> dict[str, Any]:
    """Everything of the summary as one JSON value."""
    verdict, place = outcome.verdict, outcome.place
    return {
        "ok": verdict.ok,
        "seconds": round(outcome.seconds, 1),
        "seed": outcome.wishes.seed,
        "servers": outcome.wishes.servers,
        "checks": [
            {"name": check.name, "ok": check.ok, "detail": check.detail} for check in verdict.checks
        ],
        "lives": [
            {
                "agent": life.number,
                "resumed_from": life.resumed,
                "steps": life.steps,
                "tickets": sorted(life.tickets),
                "repeats_recognised": life.repeats_recognised,
                "killed": life.killed,
                "end": life.end,
                "seconds": round(life.seconds, 2),
            }
            for life in outcome.lives
        ],
        "steps": [
            {"name": step.name, "status": step.status, "attempts": step.attempts}
            for step in verdict.steps
        ],
        "tickets_wanted": verdict.tickets_wanted,
        "tickets_filed": verdict.tickets_filed,
        "repeats_refused": verdict.repeats_refused,
        "replies_lost": verdict.replies_lost,
        "versions": verdict.versions,
        "checkpoints": verdict.checkpoints,
        "stored_bytes": verdict.stored_bytes,
        "state_bytes": verdict.state_bytes,
        "store": place.store,
        "key_file": None if place.key_file is None else str(place.key_file),
        "workspace": place.workspace,
        "report": outcome.job.report,
    }


def _table(to: Console, title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if to.is_terminal else box.ASCII2,
        pad_edge=False,
        show_edge=False,
    )


def _lives_table(to: Console, outcome: Outcome) -> Table:
    table = _table(to, "The lives of the agent")
    table.add_column("agent", justify="right")
    table.add_column("resumed from")
    table.add_column("steps done", justify="right")
    table.add_column("tickets filed", justify="right")
    table.add_column("recognised", justify="right")
    table.add_column("end", overflow="fold")
    seen: set[str] = set()
    for life in outcome.lives:
        table.add_row(
            str(life.number),
            _origin(life),
            str(len(life.steps)),
            str(len(life.tickets - seen)),
            str(life.repeats_recognised),
            Text(one_line(life.end), style="red" if life.killed else "green"),
        )
        seen |= life.tickets
    return table


def _origin(life: Life) -> str:
    if life.resumed is not None:
        return f"version {life.resumed}"
    return "nothing" if life.connected else ""


def _steps_table(to: Console, outcome: Outcome) -> Table:
    """Steps that one attempt was enough for share a line."""
    done_by = {step: life.number for life in outcome.lives for step in life.steps}
    table = _table(to, "\nThe steps")
    table.add_column("step", overflow="fold")
    table.add_column("attempts", justify="right")
    table.add_column("completed by")
    once = [step for step in outcome.verdict.steps if step.attempts == 1]
    for step in outcome.verdict.steps:
        if step.attempts != 1:
            agent = done_by.get(step.name)
            by = (
                f"agent {agent}, once"
                if agent
                else f"{step.status}, by an agent killed right after"
            )
            table.add_row(Text(one_line(step.name)), str(step.attempts), by)
    if once:
        table.add_row(f"{len(once)} steps", "1", "the agent that began them")
    return table


def _checks_table(to: Console, outcome: Outcome) -> Table:
    table = _table(to, "\nThe promises, checked from outside")
    table.add_column("")
    table.add_column("promise")
    table.add_column("found")
    for check in outcome.verdict.checks:
        mark = Text("kept", style="green") if check.ok else Text("BROKEN", style="bold red")
        table.add_row(mark, check.name, check.detail)
    return table

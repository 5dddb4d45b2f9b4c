"""What one sees while it runs: a line for each event, and bars where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from safepoint_server.cli.plain import one_line
from safepoint_server.demo.lives import Life

__all__ = ["Screen"]


class Screen:
    """Prints to one console; the bars stay below the lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:>8}"),
            BarColumn(bar_width=44),
            MofNCompleteColumn(),
            TextColumn("{task.fields[doing]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._total = 0

    @contextmanager
    def running(self, steps: int, tickets: int, kills: int) -> Iterator[None]:
        """Bars for the length of the block."""
        self._total = steps
        for name, total in (("steps", steps), ("tickets", tickets), ("kills", kills)):
            self._bars[name] = self._progress.add_task(name, total=total, doing="")
        with self._progress:
            yield

    def started(self, life: Life) -> None:
        self._doing(f"agent {life.number} starts, with its MCP server")

    def follow(self, life: Life, lives: list[Life], event: dict[str, Any]) -> None:
        """Show one line of an agent's journal."""
        kind = event["event"]
        done = len({step for other in lives for step in other.steps})
        if kind == "resumed":
            self._resumed(life, done)
        elif kind == "begin":
            self._doing(one_line(event["step"]))
        elif kind == "wait":
            self._doing(f"waits for the lease on {one_line(event['step'])}")
        elif kind == "end":
            self._at("steps", done)
        elif kind == "filed":
            self._at("tickets", len(set[str]().union(*(other.tickets for other in lives))))
        elif kind == "finished":
            self._doing("")
            self._line(f"agent {life.number}", "finished the job", "bold green")

    def killed(self, life: Life) -> None:
        self._progress.advance(self._bars["kills"])
        self._doing("")
        self._line(f"agent {life.number}", one_line(life.end), "red")

    def _resumed(self, life: Life, done: int) -> None:
        if life.resumed is None:
            told = "finds nothing and begins"
        else:
            told = f"resumes from version {life.resumed}: {done} of {self._total} steps done"
        self._line(f"agent {life.number}", told, "cyan")

    def _line(self, who: str, told: str, style: str) -> None:
        self._progress.console.print(Text.assemble(f"  {who:>9}  ", (told, style)))

    def _doing(self, told: str) -> None:
        self._progress.update(self._bars["steps"], doing=told)

    def _at(self, bar: str, completed: int) -> None:
        self._progress.update(self._bars[bar], completed=completed)

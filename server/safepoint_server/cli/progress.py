"""A progress bar on standard error, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from safepoint_server.cli.output import console

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(
    what: str, *, shown: bool = True, of_bytes: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """Gives what is to be told how much is done of how much; on no terminal nothing shows."""
    to = console(sys.stderr)
    if not (shown and to.is_terminal):
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    count = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, Remaining())
    with Progress(*columns, console=to, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

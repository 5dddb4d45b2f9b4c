"""Pages to render: everything that can be shown is in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from safepoint.model import Progress
from safepoint.pages import CheckpointRow, RootPage, RootRow, StepRow, WorkspacePage

START = datetime(2026, 1, 1, 8, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></h1><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "&lt;b&gt; &amp; &#x202e;",
    "\u202egnp.exe\u2066\x00\x1b[31m\n\t",
    "]]> --> {{7*7}} %s %25 \\",
    "👩\u200d🚀 مرحبا 日本語 e\u0301",
]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def root_page(names: list[str], *, more: bool = False, unread: int = 0) -> RootPage:
    progress = Progress(total=10, done=4, skipped=1, failed=1, running=1, interrupted=1, pending=2)
    rows = tuple(
        RootRow(name, "%3cfolder%3e", "active", progress, 7, at(60), 12345) for name in names
    )
    return RootPage(rows, at(90), more, unread)


def workspace_page(name: str, *, names: bool = True) -> WorkspacePage:
    shown = name if names else None
    steps = (
        StepRow(1, "done", 1, at(0), at(10), at(300), shown, shown, shown),
        StepRow(2, "failed", 2, at(20), at(21), None, shown, None, shown),
        StepRow(3, "running", 1, at(22), None, at(300), shown),
        StepRow(4, "pending", 0, None, None, None, shown),
    )
    checkpoints = (
        CheckpointRow(9, at(30), True, 4096, shown, shown, shown),
        CheckpointRow(5, at(15), False, 2048, None, shown, shown),
    )
    return WorkspacePage(
        name=name,
        status="active",
        run=2,
        version=11,
        created=START,
        updated=at(40),
        progress=Progress(total=4, done=1, failed=1, running=1, pending=1),
        state_bytes=4096,
        steps=steps,
        checkpoints=checkpoints,
        more_checkpoints=True,
        names=names,
        written=at(45),
    )

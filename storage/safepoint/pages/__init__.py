"""Pages for people, as pure functions from values to bytes: no script, no outside resource."""

from safepoint.pages.root import MAX_ROWS, render_root
from safepoint.pages.values import CheckpointRow, RootPage, RootRow, StepRow, WorkspacePage
from safepoint.pages.workspace import render_workspace

__all__ = [
    "MAX_ROWS",
    "CheckpointRow",
    "RootPage",
    "RootRow",
    "StepRow",
    "WorkspacePage",
    "render_root",
    "render_workspace",
]

"""The frozen values that the library takes and returns. Times are aware `datetime`s in UTC."""

from safepoint.model.base import JSON, UNSET, Actor, Limits, Page, Unset
from safepoint.model.steps import (
    Blocker,
    Decision,
    InFlight,
    Marked,
    Plan,
    PlannedStep,
    Progress,
    Started,
    Step,
    StepStatus,
)
from safepoint.model.workspaces import (
    Brief,
    Checkpoint,
    CheckpointInfo,
    CheckpointKind,
    Deleted,
    Event,
    Saved,
    WorkspaceInfo,
    WorkspaceStatus,
)

__all__ = [
    "JSON",
    "UNSET",
    "Actor",
    "Blocker",
    "Brief",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointKind",
    "Decision",
    "Deleted",
    "Event",
    "InFlight",
    "Limits",
    "Marked",
    "Page",
    "Plan",
    "PlannedStep",
    "Progress",
    "Saved",
    "Started",
    "Step",
    "StepStatus",
    "Unset",
    "WorkspaceInfo",
    "WorkspaceStatus",
]

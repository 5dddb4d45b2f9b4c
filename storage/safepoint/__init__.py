"""Safepoint: persistent, encrypted checkpoint workspaces for AI agents.

from safepoint import Store

async with Store.open("~/safepoint") as store:
    work = store.workspace("release-notes")
    await work.save({"page": 3}, summary="three pages fetched")
"""

from safepoint._version import __version__
from safepoint.behind.following import PagesPolicy
from safepoint.behind.schedule import Pace
from safepoint.crypto.keyring import KeySlot
from safepoint.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OutcomeUnknown,
    SafepointError,
    Unavailable,
    Unsupported,
    WrongKey,
)
from safepoint.keyfile import default_key_file, default_seen_folder, default_store_path
from safepoint.log.commit import Patience
from safepoint.model import (
    JSON,
    UNSET,
    Actor,
    Approval,
    ApprovalNeed,
    ApprovalStatus,
    Blocker,
    Brief,
    Change,
    ChangeKind,
    Changes,
    Checkpoint,
    CheckpointInfo,
    CheckpointKind,
    Comparison,
    Decided,
    Decision,
    Deleted,
    Due,
    Event,
    Forked,
    InFlight,
    Limits,
    Marked,
    NewRun,
    Page,
    PastEffect,
    Plan,
    PlannedStep,
    Progress,
    Requested,
    Rewound,
    Run,
    Saved,
    Started,
    Step,
    StepStatus,
    Unset,
    Verdict,
    WorkspaceInfo,
    WorkspaceStatus,
)
from safepoint.objects.base import ObjectStore
from safepoint.store import Store
from safepoint.workspace import Workspace

__all__ = [
    "Store",
    "Workspace",
    # values
    "JSON",
    "UNSET",
    "Actor",
    "Approval",
    "ApprovalNeed",
    "ApprovalStatus",
    "Blocker",
    "Brief",
    "Change",
    "ChangeKind",
    "Changes",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointKind",
    "Comparison",
    "Decided",
    "Decision",
    "Deleted",
    "Due",
    "Event",
    "Forked",
    "InFlight",
    "KeySlot",
    "Limits",
    "Marked",
    "NewRun",
    "ObjectStore",
    "Pace",
    "Page",
    "PagesPolicy",
    "PastEffect",
    "Patience",
    "Plan",
    "PlannedStep",
    "Progress",
    "Requested",
    "Rewound",
    "Run",
    "Saved",
    "Started",
    "Step",
    "StepStatus",
    "Unset",
    "Verdict",
    "WorkspaceInfo",
    "WorkspaceStatus",
    # errors
    "Conflict",
    "Damaged",
    "InvalidInput",
    "LimitExceeded",
    "NotFound",
    "OutcomeUnknown",
    "SafepointError",
    "Unavailable",
    "Unsupported",
    "WrongKey",
    # places on this machine
    "__version__",
    "default_key_file",
    "default_seen_folder",
    "default_store_path",
]

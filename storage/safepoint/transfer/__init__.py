"""Copies between stores, and exports to and imports from readable files."""

from safepoint.transfer.copied import Copied, CopiedWorkspace
from safepoint.transfer.exports import Exported, export_store, export_workspace
from safepoint.transfer.imports import Imported, InDoubt, import_checkpoint, import_workspace
from safepoint.transfer.stores import copy_store
from safepoint.transfer.targets import open_target, store_id_at
from safepoint.transfer.workspaces import copy_workspaces

__all__ = [
    "Copied",
    "CopiedWorkspace",
    "Exported",
    "Imported",
    "InDoubt",
    "copy_store",
    "copy_workspaces",
    "export_store",
    "export_workspace",
    "import_checkpoint",
    "import_workspace",
    "open_target",
    "store_id_at",
]

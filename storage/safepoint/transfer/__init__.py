"""Copies between stores, and exports to and imports from readable files."""

from safepoint.transfer.copied import Copied, CopiedWorkspace
from safepoint.transfer.stores import copy_store
from safepoint.transfer.workspaces import copy_workspaces

__all__ = ["Copied", "CopiedWorkspace", "copy_store", "copy_workspaces"]

"""Verify: is everything in a store what was written? Repair: going on without what is not."""

from safepoint.verify.run import repair_workspace, verify_store, verify_workspace
from safepoint.verify.tally import OnProgress

__all__ = ["OnProgress", "repair_workspace", "verify_store", "verify_workspace"]

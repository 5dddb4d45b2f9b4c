"""Verify and repair as workspaces and stores offer them."""

from __future__ import annotations

from collections.abc import Iterable

from safepoint.handle import Handle
from safepoint.log.shared import Shared
from safepoint.model import RepairReport, VerifyReport
from safepoint.verify.check import check_store, check_workspace
from safepoint.verify.repair import Repair
from safepoint.verify.tally import OnProgress, Tally

__all__ = ["repair_workspace", "verify_store", "verify_workspace"]


async def verify_store(
    shared: Shared, names: Iterable[str], *, deep: bool, on_progress: OnProgress | None
) -> VerifyReport:
    """See Store.verify."""
    tally = Tally(on_progress)
    if not names:
        await check_store(shared, tally, deep=deep)
    for name in dict.fromkeys(names):
        await check_workspace(shared, name, tally, deep=deep)
    return tally.report


async def verify_workspace(
    handle: Handle, *, deep: bool, on_progress: OnProgress | None
) -> VerifyReport:
    """See Workspace.verify."""
    tally = Tally(on_progress)
    await check_workspace(handle.log.shared, handle.name, tally, deep=deep)
    return tally.report


async def repair_workspace(
    handle: Handle, *, dry_run: bool, on_progress: OnProgress | None
) -> RepairReport:
    """See Workspace.repair."""
    log = handle.log
    repair = Repair(
        log.shared, handle.name, handle.actor, handle.limits, handle.now_ms(), on_progress
    )
    if dry_run:
        return await repair.plan()
    report = await repair.run()
    log.forget()
    head = await log.head()  # the workspace opens, and a stump is gone
    if report.version is not None:
        log.shared.committed(log, head)
    return report

"""`safepoint verify`: is everything in the store what was written; and `--repair`."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import TYPE_CHECKING

from safepoint import (
    Damaged,
    InvalidInput,
    NotFound,
    Problem,
    RepairReport,
    SafepointError,
    Store,
    Unsupported,
    VerifyReport,
)
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_error, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line, paragraph, size
from safepoint_server.cli.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """\
examples:
  safepoint verify                        the whole store: every record, link, digest and key
  safepoint verify my-task --deep         one workspace, and all of its files to their ends
  safepoint verify --repair --dry-run     what a repair would do
  safepoint verify my-task --repair       asks, then sets aside what is damaged and goes on from
                                          the newest version that is intact
  safepoint verify --repair --yes --json  for scripts

A repair deletes nothing: damaged objects are kept below damaged/ in the store. It says which
versions are lost. If you have a copy of the store, restore the damaged objects from it instead.
It ends with 7 while something is damaged, with 5 when something could not be read.
"""

_FEW_NOTES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="workspaces; none: all there is")
    parser.add_argument("--deep", action="store_true", help="read artifacts to their ends, too")
    parser.add_argument("--repair", action="store_true", help="go on from what is intact")
    parser.add_argument("--dry-run", action="store_true", help="with --repair: only say what")
    parser.add_argument("--yes", action="store_true", help="with --repair: do not ask")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    if (args.yes or args.dry_run) and not args.repair:
        raise InvalidInput(
            "--dry-run and --yes belong to --repair",
            hint="`safepoint verify` alone changes nothing, and asks nothing.",
        )
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    async with existing_store(options.settings(args)) as store:
        with progress_bar("Verifying", shown=not args.json) as told:
            report = await store.verify(*args.names, deep=args.deep, on_progress=told)
        if not args.json:
            _print(report)
        repaired: list[RepairReport] = []
        refused: list[SafepointError] = []
        if args.repair:
            for name in await _damaged(store, report, args.names):
                try:
                    repaired += await _repair(args, store, name)
                except (Damaged, NotFound, Unsupported) as error:
                    refused.append(error)
    if args.json:
        document = {"ok": report.ok, **_fields(report)}
        if args.repair:
            document["repaired"] = repaired
            document["refused"] = [{"message": e.message, "hint": e.hint} for e in refused]
        print_json(document)
    for one in refused:
        print_error(one.message, one.hint)
    return _exit(report, repaired, refused)


def _exit(
    report: VerifyReport, repaired: list[RepairReport], refused: list[SafepointError]
) -> Exit:
    done = {one.workspace for one in repaired if not one.dry_run and not one.left}
    if refused or any(problem.workspace not in done for problem in report.problems):
        return Exit.DAMAGED
    return Exit.UNAVAILABLE if report.unread_count else Exit.OK


async def _damaged(store: Store, report: VerifyReport, names: list[str]) -> list[str]:
    """The workspaces to repair: of a long list of problems only the first are named."""
    found = dict.fromkeys(problem.workspace for problem in report.problems if problem.workspace)
    if report.problem_count > len(report.problems) or report.stumps:
        found |= dict.fromkeys(names or [name async for name in store.names()])
    return list(found)


async def _repair(args: argparse.Namespace, store: Store, name: str) -> list[RepairReport]:
    """What was, or would be done, after the person has seen it."""
    async with found_workspace(store, name) as workspace:
        planned = await workspace.repair(dry_run=True)
        if not args.json and planned.changed:
            _print_repair(planned)
        if args.dry_run:
            return [planned]
        if planned.changed and not args.yes:
            asked = confirm(
                f"Repair {one_line(name)} now?",
                otherwise="Give --yes, or look first with --dry-run.",
            )
            if not asked:
                return []
        with progress_bar(f"Repairing {one_line(name)}", shown=not args.json) as told:
            done = await workspace.repair(on_progress=told)
    if not args.json and done.changed:
        _print_done(done)
    return [done]


def _fields(report: VerifyReport) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__dataclass_fields__}


def _print(report: VerifyReport) -> None:
    to = console()
    counts = [
        (report.workspaces, "workspaces"),
        (report.tokens, "tokens"),
        (report.manifests, "manifests"),
        (report.records, "records"),
        (report.documents, "documents rebuilt"),
        (report.artifacts, "artifacts"),
        (report.artifacts_read, "artifacts read whole"),
        (report.pruned, "versions pruned"),
        (report.lost, "versions lost in earlier repairs"),
        (report.deleted, "deleted workspaces"),
        (report.stumps, "stumps of commits that were never acknowledged"),
        (report.waiting, "records waiting to be removed"),
        (report.orphans, "objects that nothing names"),
        (report.foreign, "objects that Safepoint did not write"),
        (report.aside, "damaged objects set aside"),
    ]
    told = ", ".join(f"{count} {_counted(what, count)}" for count, what in counts if count)
    to.print(f"{told}; {size(report.read_bytes)} read.", soft_wrap=True)
    for note in report.notes[:_FEW_NOTES]:
        to.print(f"note: {paragraph(note)}", style="dim", soft_wrap=True)
    _print_problems(to, "damaged", report.problems, report.problem_count)
    _print_problems(to, "not read", report.unread, report.unread_count)
    if report.ok:
        to.print("Everything is what was written.", style="green")


def _counted(what: str, count: int) -> str:
    return re.sub(r"^(\w+)s\b", r"\1", what) if count == 1 else what


def _print_problems(to: Console, word: str, problems: tuple[Problem, ...], count: int) -> None:
    for problem in problems:
        to.print(f"{word}: {paragraph(problem.detail)}", style="red", soft_wrap=True)
        to.print(f"  so {paragraph(problem.effect)}. {paragraph(problem.remedy)}", soft_wrap=True)
    if count > len(problems):
        to.print(f"… and {count - len(problems)} more", style="red")


def _print_repair(planned: RepairReport) -> None:
    to = console()
    lost = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in planned.lost) or "none"
    to.print(f"\n{one_line(planned.workspace)}: versions that are lost: {lost}", soft_wrap=True)
    for line in planned.known:
        to.print(f"  what is still known of {paragraph(line)}", soft_wrap=True)
    keys = ", ".join(paragraph(key) for key, _ in planned.aside[:_FEW_NOTES])
    more = len(planned.aside) - _FEW_NOTES
    told = f"{keys}, … and {more} more" if more > 0 else keys
    to.print(f"  to be set aside: {told or 'nothing'}", soft_wrap=True)
    if planned.restored is not None:
        to.print(f"  version {planned.restored} becomes the newest again, as {planned.version}")


def _print_done(done: RepairReport) -> None:
    to = console()
    for key, place in done.aside:
        kept = f"kept as {place}" if place is not None else "it was gone"
        to.print(f"set aside: {paragraph(key)}: {kept}", style="dim", soft_wrap=True)
    told = f"Repaired {one_line(done.workspace)}"
    if done.version is not None:
        told += f": its newest version is {done.version}, with the contents of {done.restored}"
    to.print(f"{told}.", style="green", soft_wrap=True)
    for problem in done.left:
        to.print(f"left: {paragraph(problem.detail)}", style="yellow", soft_wrap=True)
        to.print(f"  {paragraph(problem.remedy)}", soft_wrap=True)

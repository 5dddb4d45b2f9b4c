"""`safepoint prune`: take the versions that no policy keeps."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Pruned
from safepoint_server.cli import options
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_error, print_json
from safepoint_server.cli.parser import UsageError
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line
from safepoint_server.cli.progress import progress_bar
from safepoint_server.cli.spans import add_policy_options, policy_given

EXAMPLES = """\
examples:
  safepoint prune my-task --dry-run       what would go by the policy of the workspace or the store
  safepoint prune --all                   every workspace, each by its policy
  safepoint prune my-task --keep-last 20 --keep-within 30d
                                          by this policy, for this once

What either rule keeps is kept. Always kept are milestones, labelled and pinned checkpoints, the
newest checkpoint, what forks were made from, and where running steps and people's answers began.
A pruned version can never be loaded again. Its object goes when no kept version needs it, it is
more than a day old, and 512 versions have come since; the next prune takes what has to wait.
`safepoint retention` sets a policy; agents' servers then prune by themselves, now and then.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="workspaces")
    parser.add_argument("--all", action="store_true", help="all workspaces of the store")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    add_policy_options(parser)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    if bool(args.names) == args.all:
        raise UsageError(
            "name the workspaces to prune, or give --all", "`safepoint prune --help` says more."
        )
    pruned = asyncio.run(_prune(args))
    failed = [one for one in pruned if one.error is not None]
    if args.json:
        print_json({"dry_run": args.dry_run, "workspaces": pruned})
    else:
        to = console()
        for one in pruned:
            if one.error is None:
                to.print(_line(one), soft_wrap=True)
        if not pruned:
            to.print("This store has no workspaces.", style="dim")
    for one in failed:
        print_error(f"{one.workspace}: {one.error}", "`safepoint verify` says what is damaged.")
    return Exit.DAMAGED if failed else Exit.OK


async def _prune(args: argparse.Namespace) -> tuple[Pruned, ...]:
    policy = policy_given(args)
    async with existing_store(options.settings(args)) as store:
        with progress_bar("Pruning", shown=not args.json) as told:
            if len(args.names) == 1 and not args.dry_run:
                async with found_workspace(store, args.names[0]) as workspace:
                    return (await workspace.retention.prune(policy, on_progress=told),)
            for name in args.names:
                async with found_workspace(store, name) as workspace:
                    await workspace.retention.get()  # a wrong name is found before anything goes
            return await store.retention.prune(
                args.names or None, policy=policy, dry_run=args.dry_run, on_progress=told
            )


def _line(one: Pruned) -> str:
    would = one.dry_run
    told = [
        f"{one.versions:,} versions {'would go' if would else 'pruned'}",
        f"{one.removed:,} objects {'could be removed now' if would else 'removed'}",
    ]
    if one.waiting:
        told.append(f"{one.waiting:,} more later")
    if one.revisions:
        told.append(f"{one.revisions:,} revisions of artifacts with them")
    ranges = ""
    if would and one.ranges:
        shown = [str(a) if a == b else f"{a}-{b}" for a, b in one.ranges[:8]]
        ranges = f": {', '.join(shown)}{' …' if len(one.ranges) > 8 else ''}"
    return one_line(f"{one.workspace} ({one.policy}): {', '.join(told)}{ranges}")

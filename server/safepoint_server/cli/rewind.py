"""`safepoint rewind`: a workspace is again what it was at an earlier version."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from dataclasses import replace

from safepoint import ChangeKind, Changes, Rewound, Workspace
from safepoint_server.cli import options
from safepoint_server.cli.changes import print_comparison, print_effects
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

EXAMPLES = """\
examples:
  safepoint rewind my-task --version 12 --dry-run    what would change
  safepoint rewind my-task --version 12              shows it, asks, and does it
  safepoint rewind my-task --label draft --yes --reason 'wrong supplier'

Nothing is rewritten: it adds a version, and all those between can still be shown and rewound to.
What steps did outside is not taken back; agents are warned when they start such a step again.
"""

_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    options.add_target_options(parser, "to", required=True)
    parser.add_argument("--reason", metavar="TEXT", help="why, for the history")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    done = asyncio.run(_rewind(args))
    if args.json:
        print_json({"done": done is not None and not args.dry_run, "rewound": done})
    elif done is None:
        console().print("Nothing was changed.")
    elif not args.dry_run:
        told = "is already" if done.repeated else "is now"
        console().print(
            f"{one_line(done.workspace)} {told} as it was at version {done.to_version}: version "
            f"{done.version}.",
            style="green",
            soft_wrap=True,
        )
    return 0


async def _rewind(args: argparse.Namespace) -> Rewound | None:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name, options.person()) as workspace,
    ):
        head = (await workspace.load()).brief.head_version
        would = await _rehearsed(args, workspace)
        if not args.json:
            await _preview(workspace, head, would)
        if args.dry_run:
            return would
        if not args.yes and not would.repeated:
            otherwise = "Give --yes, or --dry-run to look only."
            if not confirm(f"Rewind {one_line(args.name)} now?", otherwise=otherwise):
                return None
        return await workspace.rewind(
            version=would.to_version, reason=args.reason, expected_version=head
        )


async def _rehearsed(args: argparse.Namespace, workspace: Workspace) -> Rewound:
    return await workspace.rewind(
        version=args.version, label=args.label, reason=args.reason, dry_run=True
    )


async def _preview(workspace: Workspace, head: int, would: Rewound) -> None:
    """What would come back. Approvals, label and run stay what they are."""
    found = await workspace.compare(head, would.to_version, limit=_LINES)
    shown = replace(found, approvals=Changes(), fields=_without(found.fields, "label", "run"))
    print_comparison(shown)
    if would.dropped:
        names = ", ".join(one_line(name) for name in would.dropped[:10])
        more = f" and {len(would.dropped) - 10} more" if len(would.dropped) > 10 else ""
        console().print(f"\nNo longer planned: {names}{more}", soft_wrap=True)
    if would.to_run != would.run:
        console().print(
            f"\nVersion {would.to_version} is of run {would.to_run}: its state, texts and files "
            "come back, its steps do not.",
            style="yellow",
            soft_wrap=True,
        )
    print_effects(would.effects, "These steps had run since. What they did outside stands:")


def _without(changes: Changes, *paths: str) -> Changes:
    items = tuple(change for change in changes.items if change.path not in paths)
    kinds = Counter(change.kind for change in items)
    return Changes(
        items,
        added=kinds[ChangeKind.ADDED],
        removed=kinds[ChangeKind.REMOVED],
        changed=kinds[ChangeKind.CHANGED],
    )

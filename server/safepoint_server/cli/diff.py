"""`safepoint diff`: what changed between two versions of a workspace."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Comparison
from safepoint_server.cli import options
from safepoint_server.cli.changes import print_comparison
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import print_json
from safepoint_server.cli.place import existing_store

EXAMPLES = """\
examples:
  safepoint diff my-task                     the newest version against the checkpoint before it
  safepoint diff my-task 12                  … against version 12
  safepoint diff my-task 12 first-draft      version 12 against the checkpoint of a label
  safepoint diff my-task 12 40 --full        with long values

Paths in the state are JSON Pointers: /files/3/name. A label of digits only is taken for a version.
"""

_CHARS = 200
_FULL_CHARS = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    parser.add_argument("old", nargs="?", metavar="A", help="version or label")
    parser.add_argument("new", nargs="?", metavar="B", help="version or label (default: newest)")
    parser.add_argument("--full", action="store_true", help="long values whole")
    options.add_limit_option(parser, 100)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(_compare(args))
    if args.json:
        print_json({"same": found.same, **_document(found)})
    else:
        print_comparison(found)
    return 0


def _document(found: Comparison) -> dict[str, object]:
    names = ("workspace", "from_version", "to_version")
    parts = ("state", "steps", "approvals", "artifacts", "fields")
    return {name: getattr(found, name) for name in (*names, *parts)}


async def _compare(args: argparse.Namespace) -> Comparison:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        return await workspace.compare(
            options.version_or_label(args.old),
            options.version_or_label(args.new),
            limit=args.limit,
            value_chars=_FULL_CHARS if args.full else _CHARS,
        )

"""`safepoint unpin`: leave a version to the policy again."""

from __future__ import annotations

import argparse
import asyncio

from safepoint_server.cli import pin
from safepoint_server.cli.output import console, print_json

EXAMPLES = """\
examples:
  safepoint unpin my-task 120     the next prune takes version 120, unless something else keeps it
"""

add_arguments = pin.add_arguments


def run(args: argparse.Namespace) -> int:
    changed, pins = asyncio.run(pin.change_pin(args, pin=False))
    if args.json:
        print_json({"workspace": args.name, "unpinned": args.version, "changed": changed,
                    "pins": pins})  # fmt: skip
    else:
        console().print(f"version {args.version} {'is no longer' if changed else 'was not'} pinned")
    return 0

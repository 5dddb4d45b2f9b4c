"""`safepoint keys list`: what opens the store."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from safepoint import KeySlot
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment

EXAMPLES = """\
examples:
  safepoint keys list
  safepoint keys list --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    slots = asyncio.run(_slots(args))
    if args.json:
        print_json({"slots": slots})
    else:
        print_slots(slots)
    return 0


async def _slots(args: argparse.Namespace) -> tuple[KeySlot, ...]:
    async with existing_store(options.settings(args)) as store:
        return await store.slots()


def print_slots(slots: Sequence[KeySlot]) -> None:
    """A table of key slots; it holds no secret."""
    rows = [(slot.id, slot.kind, slot.label, moment(slot.created_at)) for slot in slots]
    show(table(("slot", "kind", "label", "made"), rows, terminal=console().is_terminal))

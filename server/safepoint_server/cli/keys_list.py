"""`safepoint keys list`: what opens the store, and how many keys its workspaces have."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from safepoint import DataKeys, KeySlot
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment

EXAMPLES = """\
examples:
  safepoint keys list
  safepoint keys list --workspaces        and the data keys of every workspace
  safepoint keys list --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workspaces", action="store_true", help="read how many data keys each workspace has"
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(_keys(args))
    if args.json:
        print_json(found)
        return 0
    print_slots(found["slots"], found["opened_by"])  # type: ignore[arg-type]
    to = console()
    changed = int(str(found["store_keys"])) - 1
    times = "once" if changed == 1 else f"{changed} times"
    to.print("\nStore key: " + (f"replaced {times}." if changed else "never replaced."))
    if found["unfinished"]:
        to.print(
            "Its last change is not finished: run `safepoint keys rotate --store-key` again.",
            style="yellow",
        )
    if args.workspaces:
        to.print()
        _print_data_keys(found["workspaces"])  # type: ignore[arg-type]
    return 0


async def _keys(args: argparse.Namespace) -> dict[str, object]:
    async with existing_store(options.settings(args)) as store:
        found: dict[str, object] = {
            "slots": await store.slots(),
            "opened_by": store.keys.opened_slot,
            "store_keys": store.keys.store_keys,
            "unfinished": await store.keys.unfinished(),
        }
        if args.workspaces:
            found["workspaces"] = await store.keys.data_keys()
        return found


def print_slots(slots: Sequence[KeySlot], opened_by: str | None = None) -> None:
    """A table of key slots, with the one that opened the store marked; it holds no secret."""
    rows = [
        (
            slot.id,
            slot.kind,
            slot.label,
            moment(slot.created_at),
            "used now" if slot.id == opened_by else "",
        )
        for slot in slots
    ]
    show(table(("slot", "kind", "label", "made", ""), rows, terminal=console().is_terminal))


def _print_data_keys(workspaces: Sequence[DataKeys]) -> None:
    rows = [
        (one.name, str(one.data_keys), str(one.generation), one.problem or "") for one in workspaces
    ]
    columns = ("workspace", ">data keys", ">generation", "problem")
    show(table(columns, rows, terminal=console().is_terminal))

"""`safepoint artifacts put`: a file, a folder or standard input as an artifact."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from safepoint import ArtifactInfo, InvalidInput, SavedFolder
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.plain import one_line, size
from safepoint_server.cli.progress import progress_bar

EXAMPLES = """\
examples:
  safepoint artifacts put my-task report.pdf ~/report.pdf
  safepoint artifacts put my-task code ~/project        a folder: all its files, in one commit
  pg_dump db | safepoint artifacts put my-task db.sql -

A folder is saved as it is: artifacts below that name that are no longer in it are removed, and
their revisions stay. Links in it are skipped and named. Saving the same again changes nothing.
"""

_CHUNK = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", help="the workspace; it is begun if it does not exist")
    parser.add_argument("name", help="name of the artifact, such as charts/growth.svg")
    parser.add_argument("source", metavar="PATH", help="a file, a folder, or - for standard input")
    parser.add_argument("--type", metavar="TYPE", help="media type (default: by the name)")
    parser.add_argument("--summary", metavar="TEXT", help="what it is")
    parser.add_argument("--step", metavar="NAME", help="the step that it belongs to")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    saved = asyncio.run(_save(args))
    if args.json:
        print_json({"saved": saved})
    elif isinstance(saved, SavedFolder):
        _print_folder(saved)
    else:
        told = f"{one_line(saved.name)}: revision {saved.revision}, {size(saved.size)}, "
        told += "was there already" if saved.repeated else f"saved as version {saved.version}"
        console().print(f"{told}.", style="green", soft_wrap=True)
    return 0


async def _save(args: argparse.Namespace) -> ArtifactInfo | SavedFolder:
    path = None if args.source == "-" else options.user_path(args.source)
    about = {"step": args.step, "summary": args.summary}
    async with options.settings(args).open_store(options.actor()) as store:
        artifacts = store.workspace(args.workspace).artifacts
        with progress_bar("Saving", shown=not args.json, of_bytes=True) as told:
            if path is not None and await asyncio.to_thread(path.is_dir):
                if args.type is not None:
                    raise InvalidInput("--type is for a single file", hint="Leave it out.")
                return await artifacts.save_folder(args.name, path, progress=told, **about)
            source: Path | AsyncIterator[bytes] = path if path is not None else _standard_input()
            return await artifacts.save(
                args.name, source, media_type=args.type, progress=told, **about
            )


async def _standard_input() -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(sys.stdin.buffer.read, _CHUNK):
        yield chunk


def _print_folder(saved: SavedFolder) -> None:
    to = console()
    counts = f"{len(saved.saved)} saved, {saved.unchanged} unchanged, {len(saved.removed)} removed"
    told = f"{one_line(saved.prefix)}/: {counts}; {size(saved.size)}, version {saved.version}."
    to.print(told, style="green", soft_wrap=True)
    for name, why in saved.skipped:
        to.print(f"skipped {one_line(name)}: {why}", style="yellow", soft_wrap=True)

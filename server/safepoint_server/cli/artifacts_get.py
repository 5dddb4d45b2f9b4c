"""`safepoint artifacts get`: an artifact, or a folder of them, as files."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from safepoint import ArtifactInfo, InvalidInput, NotFound, RestoredFolder
from safepoint.artifacts import Artifacts
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line, size
from safepoint_server.cli.progress import progress_bar

EXAMPLES = """\
examples:
  safepoint artifacts get my-task report.pdf ~/report.pdf
  safepoint artifacts get my-task report.pdf - | less    to standard output
  safepoint artifacts get my-task code ~/restored        all files below code/, exactly as they were
  safepoint artifacts get my-task code ~/old --version 7

A file appears whole or not at all. What is there with the same contents stays; other files are
replaced only with --force. Nothing is written outside of PATH, whatever links are in it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", help="the workspace")
    parser.add_argument("name", help="name of the artifact, or of a folder of them")
    parser.add_argument(
        "target", metavar="PATH", help="a file, for a folder a folder, or - for standard output"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--revision", type=int, metavar="N", help="this revision of the artifact")
    which.add_argument("--version", type=int, metavar="N", help="as of this workspace version")
    parser.add_argument("--force", action="store_true", help="replace other files at PATH")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    if args.target == "-" and args.json:
        raise InvalidInput(
            "standard output cannot take the file and JSON", hint="Leave --json out."
        )
    done = asyncio.run(_get(args))
    if args.json:
        print_json({"written": done})
    elif isinstance(done, RestoredFolder):
        counts = f"{done.files - done.unchanged} files written, {done.unchanged} were there"
        told = f"{counts}; {size(done.size)} in {one_line(args.target)}."
        console().print(told, style="green", soft_wrap=True)
    elif args.target != "-":
        told = "was there already" if done.repeated else "written"
        told = f"{one_line(args.target)}: revision {done.revision}, {size(done.size)}, {told}."
        console().print(told, style="green", soft_wrap=True)
    return 0


async def _get(args: argparse.Namespace) -> ArtifactInfo | RestoredFolder:
    which = {"revision": args.revision, "version": args.version}
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.workspace) as workspace,
    ):
        artifacts = workspace.artifacts
        try:
            info = await artifacts.info(args.name, **which)
        except NotFound as error:
            known = error.code in ("artifact_not_found", "revision_not_found")
            if not known or args.revision is not None or args.target == "-":
                raise
            return await _restore(artifacts, args, error)
        if args.target == "-":
            await _print(artifacts, info)
            return info
        with progress_bar("Writing", shown=not args.json, of_bytes=True) as told:
            return await artifacts.write_to(
                args.name, _path(args), replace=args.force, progress=told, **which
            )


async def _restore(
    artifacts: Artifacts, args: argparse.Namespace, missing: NotFound
) -> RestoredFolder:
    under = f"{args.name.removesuffix('/')}/"
    if not (await artifacts.list(under, version=args.version, limit=1)).items:
        raise missing
    with progress_bar("Writing", shown=not args.json, of_bytes=True) as told:
        return await artifacts.restore_folder(
            under, _path(args), version=args.version, replace=args.force, progress=told
        )


async def _print(artifacts: Artifacts, info: ArtifactInfo) -> None:
    async with aclosing(artifacts.read(info.name, revision=info.revision)) as chunks:
        async for chunk in chunks:
            await asyncio.to_thread(sys.stdout.buffer.write, chunk)
    await asyncio.to_thread(sys.stdout.buffer.flush)


def _path(args: argparse.Namespace) -> Path:
    return options.user_path(args.target)

"""`safepoint edit`: a person corrects the state in an editor; that is a checkpoint of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from typing import Any

from safepoint import Checkpoint, InvalidInput, SafepointError, Saved
from safepoint.format.jsontext import encode_json
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.editor import EditedFile
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_error, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import json_text, one_line

EXAMPLES = """\
examples:
  safepoint edit my-task                        in $VISUAL or $EDITOR, else vi
  safepoint edit my-task --summary 'right supplier'
  safepoint edit my-task --from edited.json     begin with a text that was kept before

Left as it is, nothing is saved. If the workspace changed meanwhile nothing is saved either, and
your text is kept.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    parser.add_argument("--summary", metavar="TEXT", help="what you corrected, for its history")
    parser.add_argument("--label", metavar="L", help="label of the new checkpoint")
    parser.add_argument(
        "--from", dest="text", metavar="FILE", type=options.user_path, help="begin with this text"
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    now = asyncio.run(_load(args))
    text = _pretty(now) if args.text is None else _given(args)
    with EditedFile("state.json", text) as file:
        try:
            saved = _edited(args, now, file)
        except BaseException as error:  # whatever it is, a person's work is not thrown away
            if file.changed:
                _tell_kept(file, error)
            raise
    if args.json:
        print_json({"saved": saved})
    elif saved is None:
        console().print("Nothing was edited; nothing was saved.")
    else:
        told = f"Saved as version {saved.version} of {one_line(saved.workspace)}."
        console().print(told, style="green", soft_wrap=True)
    return 0


def _edited(args: argparse.Namespace, now: Checkpoint, file: EditedFile) -> Saved | None:
    """Edit until it is JSON, and save it; None when it is as it was."""
    while True:
        text = file.edit()
        try:
            state = _parsed(text)
            data = encode_json(state)
            break
        except InvalidInput as error:
            if not sys.stdin.isatty():
                raise
            print_error(error.message, error.hint)
            if not confirm("Edit it again?", otherwise=""):
                raise InvalidInput("nothing was saved", hint="", code="not_confirmed") from None
    if data == now.state_json or (not now.state_json and state == {}):
        return None
    return asyncio.run(_save(args, state, now.brief.head_version))


def _parsed(text: str) -> Any:
    """The state. Raises InvalidInput with line and column of what is wrong."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1 : error.lineno]
        shown = f": {line[0].strip()[:80]}" if line else ""
        raise InvalidInput(
            f"line {error.lineno}, column {error.colno}: {error.msg}{shown}",
            hint="Correct it there.",
            code="not_json",
        ) from None
    except RecursionError:
        raise InvalidInput("it is nested too deeply", code="too_deep") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InvalidInput(str(error), code="not_json") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name JSON keeps one, silently; a person is told."""
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise InvalidInput(
            f"an object has the key {twice[:100]!r} twice", hint="Remove one.", code="not_json"
        )
    return made


def _no_constant(name: str) -> float:
    raise InvalidInput(f"{name} is not JSON", hint="Use null, or a text.", code="not_finite")


def _pretty(now: Checkpoint) -> str:
    state = now.state if now.state_json else {}
    return json_text(json.dumps(state, ensure_ascii=False, indent=2)) + "\n"


def _given(args: argparse.Namespace) -> str:
    try:
        text: str = args.text.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{args.text} cannot be read as UTF-8 text: {error}") from None
    return text


def _tell_kept(file: EditedFile, error: BaseException) -> None:
    kept = file.keep()
    sys.stderr.write(f"Your text is kept in {kept}\n")
    if isinstance(error, SafepointError):
        error.hint = f"{error.hint} Go on with your text: `safepoint edit … --from {kept}`.".strip()


async def _load(args: argparse.Namespace) -> Checkpoint:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        return await workspace.load()


async def _save(args: argparse.Namespace, state: Any, version: int) -> Saved:
    person = options.person()
    told = f"edited by {person.name}"
    summary = f"{told}: {args.summary}" if args.summary else told
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name, person) as workspace,
    ):
        return await workspace.save(
            state, summary=summary, label=args.label, expected_version=version
        )

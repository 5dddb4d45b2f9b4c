"""The table of commands, and how a command line becomes a function and its arguments."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, Protocol, cast

__all__ = ["COMMANDS", "Command", "Parser", "UsageError", "never_fails", "parse"]

Run = Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """The command line is wrong; `hint` says where to read more."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class CommandModule(Protocol):
    """What the module of a command offers; it is imported only when its command is used."""

    EXAMPLES: str
    add_arguments: Callable[[Parser], None]
    run: Run


@dataclass(frozen=True)
class Command:
    """One line of the help, and the module (below `safepoint_server.cli`) that does it."""

    summary: str
    module: str
    never_fails: bool = False

    def load(self) -> CommandModule:
        return cast(CommandModule, import_module(f"safepoint_server.cli.{self.module}"))


COMMANDS: dict[str, Command] = {
    "serve": Command("the MCP server, over standard input and output, or HTTP", "serve"),
    "ls": Command("list workspaces", "ls"),
    "show": Command("one workspace: where it is, its steps, its state", "show"),
    "history": Command("every commit of a workspace, newest first", "history"),
    "inbox": Command("what people are asked, in all workspaces", "inbox"),
    "approve": Command("say yes to what an agent asks", "approve"),
    "deny": Command("say no to what an agent asks", "deny"),
    "answer": Command("pick an option or fill in the form that an agent asks for", "answer"),
    "due": Command("workspaces that are to be taken up now, and why", "due"),
    "diff": Command("what changed between two versions", "diff"),
    "edit": Command("correct the state in your editor, as a new checkpoint", "edit"),
    "fork": Command("a workspace of its own, from any version", "fork"),
    "rewind": Command("be again what it was at an earlier version", "rewind"),
    "new-run": Command("begin a fresh run with the state that matters", "new_run"),
    "runs": Command("the runs of a workspace, newest first", "runs"),
    "delete": Command("a workspace for good: its keys are destroyed first", "delete"),
    "artifacts list": Command("the files of a workspace", "artifacts_list"),
    "artifacts put": Command("save a file or folder in a workspace", "artifacts_put"),
    "artifacts get": Command("write a saved file or folder to disk", "artifacts_get"),
    "artifacts remove": Command("let a file be current no longer", "artifacts_remove"),
    "copy": Command("a store, or workspaces of it, to another place; repeat to update", "copy"),
    "export": Command("a workspace as readable files", "export"),
    "import": Command("exported files, perhaps edited, as a workspace or checkpoint", "import_"),
    "prune": Command("take the versions that no policy keeps", "prune"),
    "retention": Command("what a workspace or the store keeps", "retention"),
    "pin": Command("keep a version whatever the policy says", "pin"),
    "unpin": Command("leave a version to the policy again", "unpin"),
    "verify": Command("is all that is stored what was written; --repair goes on", "verify"),
    "keys init": Command("make the key of a new store, or say where it is", "keys_init"),
    "keys add": Command("let another passphrase, key file or KMS key open it", "keys_add"),
    "keys list": Command("the key slots of the store, and its data keys", "keys_list"),
    "keys remove": Command("take a key slot away", "keys_remove"),
    "keys rotate": Command("new data keys, or a new store key, while agents work", "keys_rotate"),
    "tokens create": Command("let a client use this store over HTTP", "tokens_create"),
    "tokens list": Command("who may use this store over HTTP, and for what", "tokens_list"),
    "tokens revoke": Command("let a token open nothing any more", "tokens_revoke"),
    "setup": Command("register Safepoint with the MCP clients of this machine", "setup"),
    "health": Command("does the server over HTTP answer, and could it take a save", "health"),
    "doctor": Command("check the installation and what clients are set up to start", "doctor"),
    "hook": Command("what clients run by themselves: save, and tell", "hook", never_fails=True),
    "demo": Command("an agent is killed again and again and still finishes its job", "demo"),
}

_TAKES_VALUE = ("--store", "--key-file", "--dst-key-file", "--workspace", "--client")
_MAIN_EXAMPLES = """\
examples:
  safepoint demo                          see it work, in under a minute
  safepoint setup                         let the MCP clients of this machine use it
  safepoint doctor                        is all well, with the clients too
  safepoint ls                            which workspaces are there
  safepoint show my-task --state          what did the agent know
  safepoint --store ~/other ls            the same for another store

environment: SAFEPOINT_STORE, SAFEPOINT_KEY_FILE, SAFEPOINT_PASSPHRASE
"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises `UsageError` instead of leaving the process."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=examples.rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def format_help(self) -> str:
        from safepoint_server.cli.exits import exit_table  # late: it loads the library

        return f"{super().format_help()}\n{exit_table()}\n"

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"`{self.prog} --help` shows how it is used.")


def parse(argv: Sequence[str]) -> tuple[Run, argparse.Namespace]:
    """The function to run and its arguments. Options may stand before and after the command.

    Raises:
        UsageError: with the closest known command, when there is no such one.
        SystemExit: after --help or --version.
    """
    at = _command_at(argv)
    if at is None:
        _main_parser().parse_args(argv)
        raise UsageError("no command given", "`safepoint --help` lists the commands.")
    name, length = argv[at], 1
    if _family(name):
        if at + 1 == len(argv) or argv[at + 1].startswith("-"):
            return _family_without_action(name, argv[at + 1 :])
        name, length = f"{name} {argv[at + 1]}", 2
    command = COMMANDS.get(name)
    if command is None:
        raise _unknown(name)
    module = command.load()
    parser = Parser(f"safepoint {name}", _sentence(command.summary), module.EXAMPLES)
    module.add_arguments(parser)
    return module.run, parser.parse_intermixed_args([*argv[:at], *argv[at + length :]])


def never_fails(argv: Sequence[str]) -> bool:
    """Whether the command ends with 0 whatever is wrong, even with its arguments."""
    at = _command_at(argv)
    command = COMMANDS.get(argv[at]) if at is not None else None
    return command is not None and command.never_fails


def _command_at(argv: Sequence[str]) -> int | None:
    """Where the first word stands that is neither an option nor an option's value."""
    position = 0
    while position < len(argv):
        word = argv[position]
        if not word.startswith("-"):
            return position
        position += 2 if word in _TAKES_VALUE else 1
    return None


def _family(name: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(f"{name} ")]


def _family_without_action(name: str, rest: Sequence[str]) -> NoReturn:
    lines = "\n".join(f"  {command:<18}{COMMANDS[command].summary}" for command in _family(name))
    examples = f"Each has its own --help, as in `safepoint {_family(name)[0]} --help`."
    parser = Parser(f"safepoint {name}", f"commands:\n{lines}", examples)
    parser.parse_args([word for word in rest if word in ("-h", "--help")])
    actions = ", ".join(command.split()[1] for command in _family(name))
    raise UsageError(
        f"`safepoint {name}` needs one of: {actions}", f"`safepoint {name} --help` says more."
    )


def _unknown(name: str) -> UsageError:
    known = [*COMMANDS, *{command.split()[0] for command in COMMANDS}]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean `safepoint {close[0]}`? " if close else ""
    return UsageError(
        f"there is no command `safepoint {name}`", hint + "`safepoint --help` lists the commands."
    )


def _main_parser() -> Parser:
    from safepoint._version import __version__

    lines = "\n".join(f"  {name:<18}{command.summary}" for name, command in COMMANDS.items())
    parser = Parser(
        "safepoint",
        f"Workspaces for AI agents that survive: saved, encrypted, resumed.\n\ncommands:\n{lines}",
        _MAIN_EXAMPLES,
    )
    parser.usage = "safepoint [--store URL] [--key-file PATH] COMMAND …"
    parser.add_argument("--version", action="version", version=f"safepoint {__version__}")
    return parser


def _sentence(summary: str) -> str:
    return summary[0].upper() + summary[1:] + "."

"""The command line. `main` finds the command, runs it and turns its failure into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `safepoint` with these arguments (those of the process) and return its exit code.

    Results go to standard output, `error:` and `hint:` to standard error. A command that is never
    to fail whoever runs it (`hook`) ends with 0, whatever was wrong.
    """
    from safepoint_server.cli.parser import never_fails

    arguments = list(sys.argv[1:] if argv is None else argv)
    code = _run_and_print(arguments)
    return 0 if never_fails(arguments) else code


def _run_and_print(arguments: list[str]) -> int:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        code = _run(arguments)
        sys.stdout.flush()  # a reader that is gone shows here, not when Python ends
        return code
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        return 0
    except OSError as error:  # what was to be printed goes to a full disk, for example
        from safepoint_server.cli.exits import Exit
        from safepoint_server.cli.output import print_error

        _drop_output()
        print_error(str(error))
        return Exit.UNAVAILABLE


def _drop_output() -> None:
    """Python would complain again when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    """The library is loaded by the command that needs it: some run at every turn of an agent."""
    from safepoint_server.cli.parser import parse

    _never_fail_on_encoding()
    try:
        run, args = parse(arguments)
        return run(args)
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else 0
    except (KeyboardInterrupt, Exception) as error:
        return _failed(error)


def _failed(error: BaseException) -> int:
    from safepoint.errors import SafepointError
    from safepoint_server.cli.exits import Exit, exit_code
    from safepoint_server.cli.output import print_error
    from safepoint_server.cli.parser import UsageError

    if isinstance(error, UsageError):
        print_error(str(error), error.hint)
        return Exit.USAGE
    if isinstance(error, SafepointError):
        print_error(error.message, error.hint)
        return exit_code(error)
    if isinstance(error, KeyboardInterrupt):
        print_error("interrupted")
        return Exit.INTERRUPTED
    raise error


def _never_fail_on_encoding() -> None:
    """A name that the terminal's encoding lacks is printed as an escape, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

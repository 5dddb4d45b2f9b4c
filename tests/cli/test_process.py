"""The command as a process: what it imports, pipes that close, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest


def _run(*argv: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "safepoint_server.cli", *argv],
        capture_output=True,
        timeout=60,
        check=False,
        **more,
    )


def test_the_exit_code_of_the_process_is_that_of_main(place: Any) -> None:
    assert _run("ls", *place.options).returncode == 0
    missing = _run("show", "nothing", *place.options)
    assert missing.returncode == 3
    assert missing.stderr.startswith(b"error: ")
    assert missing.stdout == b""


def test_the_start_imports_neither_the_protocol_nor_rich(place: Any) -> None:
    code = (
        "import sys; from safepoint_server.cli import main; main(sys.argv[1:]); "
        "print(sorted({'mcp', 'rich', 'boto3', 'jmespath'} & set(sys.modules)))"
    )
    for argv in (["--version"], ["ls", "--json", *place.options]):
        done = subprocess.run(
            [sys.executable, "-c", code, *argv], capture_output=True, timeout=60, check=True
        )
        assert done.stdout.splitlines()[-1] == b"[]"


@pytest.mark.skipif(os.name == "nt", reason="pipes close differently on Windows")
def test_a_reader_that_has_seen_enough_is_no_failure(place: Any) -> None:
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "safepoint_server.cli", "ls", *place.options],
            stdout=writer,
            env=environment,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_output_that_cannot_be_written_is_an_error_and_no_traceback(
    place: Any, form: list[str]
) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "safepoint_server.cli", "ls", *form, *place.options],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_closed_output_is_no_failure(place: Any) -> None:
    command = [sys.executable, "-m", "safepoint_server.cli", "ls", *place.options]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_beyond_the_encoding_of_the_terminal_is_escaped(place: Any) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shown = _run("show", "billing", "--state", *place.options, env=environment)
    assert shown.returncode == 0
    assert b"\\xe4" in shown.stdout


def test_nothing_is_coloured_in_a_pipe_and_no_line_is_cut(place: Any) -> None:
    environment = {**os.environ, "COLUMNS": "20"}
    shown = _run("history", "billing", *place.options, env=environment)
    assert b"\x1b" not in shown.stdout
    assert b"step=fetch attempt=1" in shown.stdout

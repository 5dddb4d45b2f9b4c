"""What doctor says of the MCP clients here: is Safepoint registered, does it start, do hooks run.

A file in a project may come from anybody. What it names is started only when it is, to the letter,
what setup writes there for the store that doctor looks at.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safepoint_server.cli.checks import Finding
from safepoint_server.cli.place import folder_of
from safepoint_server.setup.clients import Machine
from safepoint_server.setup.entry import PASSPHRASE, Local, merged_entry
from safepoint_server.setup.hooks import hook_command
from safepoint_server.setup.registered import Registered, Start, registered

if TYPE_CHECKING:
    from mcp.client import Transport

__all__ = ["examine_clients"]

_START_SECONDS: Final = 30.0
"""Within this time hosts want the first answer."""
_HOOK_SECONDS: Final = 10.0
_SETUP: Final = "Run: safepoint setup --client {}"


async def examine_clients(machine: Machine, project: Path, server: Local) -> AsyncIterator[Finding]:
    """One finding for each client and scope, and one more for its hooks. A server that several
    clients start is started once. `server` is what setup would register now."""
    answers: dict[Start, tuple[bool, str]] = {}
    for one in registered(machine, project):
        yield await _server(one, machine.environ, server, answers)
        if one.hooks or (one.entry is not None and one.client.hooks is not None and not one.url):
            yield await _hooks(one, machine, server)


async def _server(
    one: Registered,
    environ: Mapping[str, str],
    server: Local,
    answers: dict[Start, tuple[bool, str]],
) -> Finding:
    name = _name(one)
    again = _SETUP.format(one.client.name)
    if one.problem:
        return Finding(name, "failed", f"{one.path}: {one.problem}", "Put it right with an editor.")
    if one.entry is None:
        return Finding(name, "ok", f"is here; not set up ({again.removeprefix('Run: ')})")
    start = one.start(environ)
    if start is None:
        return await _remote(one, environ)
    told = f"registered in {one.path}, with the store {start.store or 'of its own environment'}"
    if one.scope == "project" and start != _as_set_up(one, server).start(environ):
        return Finding(name, "warning", f"{told}; not as setup writes it: not started", again)
    if shutil.which(start.words[0]) is None:
        return Finding(name, "failed", f"{told}; {start.words[0]} is not there", again)
    why_not = _why_not_started(start)
    if why_not:
        return Finding(name, "ok", f"{told}; not started: {why_not}")
    if start not in answers:
        answers[start] = await _started(start, environ)
    works, answer = answers[start]
    if works:
        return Finding(name, "ok", f"{told}; it answers, with {answer}")
    return Finding(name, "failed", f"{told}; it does not start: {answer}", again)


async def _remote(one: Registered, environ: Mapping[str, str]) -> Finding:
    """A token goes only where the user's own file sends it."""
    name, url = _name(one), one.url or "nothing to start"
    told = f"registered in {one.path}, with {url}"
    token = environ.get(one.token or "")
    if one.url is None or one.scope == "project":
        return Finding(name, "warning" if one.url is None else "ok", f"{told}; not tried")
    if one.has_token and token is None:
        return Finding(name, "ok", f"{told}; not tried: set {one.token or 'its token'} to try it")
    works, answer = await _reached(url, token)
    if works:
        return Finding(name, "ok", f"{told}; it answers, with {answer}")
    return Finding(name, "failed", f"{told}; it does not answer: {answer}", "Is it running there?")


def _name(one: Registered) -> str:
    return one.client.title if one.scope == "user" else f"{one.client.title} (project)"


def _as_set_up(one: Registered, server: Local) -> Registered:
    return replace(one, entry=merged_entry(one.client, server, None))


def _why_not_started(start: Start) -> str:
    secret = dict(start.env).get(PASSPHRASE, "")
    if secret.startswith("$"):
        return f"set {PASSPHRASE} to try it"
    folder = None if start.store is None else folder_of(start.store)
    if folder is not None and not folder.exists():
        return "its first start makes the store"
    return ""


async def _started(start: Start, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Start it as a client does, and ask it."""
    from mcp import StdioServerParameters  # late: it takes a second
    from mcp.client.stdio import stdio_client

    env = {key: value for key, value in environ.items() if not key.startswith("SAFEPOINT_")}
    command, *args = start.words
    parameters = StdioServerParameters(command=command, args=args, env=env | dict(start.env))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        works, answer = await _asked(stdio_client(parameters, errlog=log))
        log.seek(0)
        said = [line for line in log.read().splitlines() if line.startswith("error:")]
    return works, answer if works or not said else said[-1]


async def _reached(url: str, token: str | None) -> tuple[bool, str]:
    """Ask a server over HTTP."""
    from httpx2 import AsyncClient  # what the SDK takes
    from mcp.client.streamable_http import streamable_http_client

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with AsyncClient(headers=headers, timeout=_START_SECONDS) as client:
        return await _asked(streamable_http_client(url, http_client=client))


async def _asked(transport: Transport) -> tuple[bool, str]:
    """Ask for its tools: how many, or what went wrong."""
    from httpx2 import HTTPError
    from mcp import Client, MCPError

    try:
        async with asyncio.timeout(_START_SECONDS), Client(transport) as client:
            return True, f"{len((await client.list_tools()).tools)} tools"
    except TimeoutError:
        return False, f"no answer within {_START_SECONDS:.0f} s"
    except (MCPError, HTTPError, OSError, ExceptionGroup) as error:
        reason: BaseException = error
        while isinstance(reason, BaseExceptionGroup):
            reason = reason.exceptions[0]
        return False, str(reason) or type(reason).__name__


async def _hooks(one: Registered, machine: Machine, server: Local) -> Finding:
    name = f"{_name(one)} hooks"
    wanted = one.client.hooks
    again = _SETUP.format(one.client.name)
    if wanted is None or not one.hooks:
        return Finding(name, "warning", "not installed: nothing is saved by itself", again)
    missing = [event for event, _, _ in wanted.events if event not in one.hooks]
    if missing:
        return Finding(name, "warning", f"not installed for {', '.join(missing)}", again)
    first, ours, _ = wanted.events[0]
    expected = hook_command(one.client, server, ours, machine.platform)
    if one.scope == "project" and one.hooks[first] != expected:
        return Finding(name, "warning", "not as setup writes them: not run", again)
    try:
        words = shlex.split(one.hooks[first])
    except ValueError:
        return Finding(name, "failed", f"{first} is no command line: {one.hooks[first]}", again)
    runs, problem = await asyncio.to_thread(_run_hook, words, first, machine.environ)
    if not runs:
        return Finding(name, "failed", f"{first} does not run: {problem}", again)
    if problem:
        return Finding(name, "warning", f"{first} runs, and says: {problem}")
    return Finding(name, "ok", f"installed for {', '.join(one.hooks)}; {first} runs")


def _run_hook(words: list[str], event: str, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Run it in a folder of nobody: whether it went, and what it had to say of trouble."""
    with tempfile.TemporaryDirectory() as folder:
        sent = {"hook_event_name": event, "source": "startup", "cwd": folder, "session_id": ""}
        try:
            done = subprocess.run(  # noqa: S603 - what the client runs at every session
                words,
                input=json.dumps(sent),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_HOOK_SECONDS,
                cwd=folder,
                env=dict(environ),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, f"no end within {_HOOK_SECONDS:.0f} s"
        except OSError as error:
            return False, error.strerror or str(error)
    said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    if done.returncode != 0:
        return False, (said or [f"exit code {done.returncode}"])[0]
    return True, said[0] if said else ""

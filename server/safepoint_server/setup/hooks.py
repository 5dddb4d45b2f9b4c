"""The hooks that call `safepoint hook`, among those of others in the same file. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from safepoint_server.hooks.clients import EVENTS
from safepoint_server.setup.clients import Client, Hooks
from safepoint_server.setup.entry import Local, other_options
from safepoint_server.setup.jsonc import JsonText, Place

__all__ = ["hook_command", "hooks_of", "with_hooks", "without_hooks"]

_FLAT_VERSION: Final = 1
_OURS: Final = re.compile(
    rf"""(?:^|[\\/\s"'])safepoint(?:_server|\.exe)?["']?\s+hook\s+(?:{"|".join(EVENTS)})(?:\s|$)"""
)


def hook_command(client: Client, server: Local, event: str, platform: str) -> str:
    """The command line of one hook, for the shell that the client gives it to.

    On Windows that may be PowerShell, cmd or a bash: slashes suit them all, and quotes stand only
    round what needs them.
    """
    words = [*server.command, "hook", event, "--client", client.name, *server.options]
    if platform != "win32":
        return shlex.join(words)
    return " ".join(_windows_word(word) for word in words)


def _windows_word(word: str) -> str:
    word = word.replace("\\", "/")
    return word if re.fullmatch(r"[\w./:=@+,-]+", word) else f'"{word}"'


def hooks_of(file: JsonText) -> dict[str, str]:
    """The commands of our hooks in a file, by the client's event."""
    return {str(place[1]): hook["command"] for place, hook in _ours(file)}


def with_hooks(file: JsonText, hooks: Hooks, commands: Mapping[str, str]) -> JsonText:
    """With one hook of ours for each event of `commands`, and no other of ours."""
    wanted = {
        event: {"command": commands[event], "timeout": timeout}
        if hooks.flat
        else {"type": "command", "command": commands[event], "timeout": timeout}
        for event, _, timeout in hooks.events
    }
    if hooks.flat and not file.value:
        file = file.set(["version"], _FLAT_VERSION)
    surplus: list[Place] = []
    seen: set[str] = set()
    for place, hook in _ours(file):
        event = str(place[1])
        if event in seen or event not in wanted:
            surplus.append(place)
        else:
            seen.add(event)
            command = commands[event] + _more(hook["command"])
            file = file.put(place, {**hook, **wanted[event], "command": command})
    for place in reversed(surplus):
        file = _without(file, place)
    for event, hook in wanted.items():
        if event not in seen:
            matcher = {"matcher": hooks.matchers[event]} if event in hooks.matchers else {}
            group = hook if hooks.flat else {**matcher, "hooks": [hook]}
            file = file.append(["hooks", event], group)
    return file


def _more(command: str) -> str:
    """What a person added to a command of ours, such as --workspace, to be added to the next."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return "".join(
        f" {shlex.quote(word)}"
        for word in other_options(words, EVENTS, ("--client", "--store", "--key-file"))
    )


def without_hooks(file: JsonText) -> JsonText:
    """Without any hook of ours."""
    found = list(_ours(file))
    for place, _ in reversed(found):
        file = _without(file, place)
    if found and file.value == {"version": _FLAT_VERSION}:
        return file.remove(["version"])
    return file


def _without(file: JsonText, place: Place) -> JsonText:
    group = file.get(place[:3])
    alone = len(place) > 3 and len(group["hooks"]) == 1
    return file.remove(place[:3] if alone else place)


def _ours(file: JsonText) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Where our hooks stand, and what they are."""
    events = file.get(["hooks"])
    for event, groups in (events if isinstance(events, dict) else {}).items():
        for at, group in enumerate(groups if isinstance(groups, list) else []):
            inner = group.get("hooks") if isinstance(group, dict) else None
            hooks: list[tuple[Place, Any]] = [(("hooks", event, at), group)]
            for index, hook in enumerate(inner if isinstance(inner, list) else []):
                hooks.append((("hooks", event, at, "hooks", index), hook))
            for place, hook in hooks:
                command = hook.get("command") if isinstance(hook, dict) else None
                if isinstance(command, str) and _OURS.search(command):
                    yield place, hook

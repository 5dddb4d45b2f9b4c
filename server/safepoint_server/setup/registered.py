"""What the clients of a machine are set up to start, as their files have it now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safepoint_server.setup.clients import CLIENTS, Client, Machine
from safepoint_server.setup.entry import NAME, is_ours, members_of, secret_of, texts_of
from safepoint_server.setup.errors import NotEditable
from safepoint_server.setup.files import ConfigFile
from safepoint_server.setup.hooks import hooks_of
from safepoint_server.setup.jsonc import JsonText
from safepoint_server.setup.toml import TomlText

__all__ = ["Registered", "Start", "registered"]


@dataclass(frozen=True, slots=True)
class Start:
    """A process that a client starts: command, arguments, and variables besides its own."""

    words: tuple[str, ...]
    env: tuple[tuple[str, str], ...]

    @property
    def store(self) -> str | None:
        """The store that it is told to serve."""
        for word, following in zip(self.words, [*self.words[1:], ""], strict=True):
            if word == "--store":
                return following
            if word.startswith("--store="):
                return word.removeprefix("--store=")
        return dict(self.env).get("SAFEPOINT_STORE")


@dataclass(frozen=True, slots=True)
class Registered:
    """One client in one scope. `entry` is None where Safepoint is not among its servers; `problem`
    says why that cannot be told."""

    client: Client
    scope: str
    path: Path
    entry: Mapping[str, Any] | None = None
    hooks: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def url(self) -> str | None:
        """Where the server is, when it is one over HTTP."""
        entry = self.entry or {}
        found = (entry.get(key) for key in ("url", "serverUrl", "httpUrl"))
        return next((value for value in found if isinstance(value, str)), None)

    @property
    def has_token(self) -> bool:
        """Whether a server over HTTP is sent one."""
        entry = self.entry or {}
        return "bearer_token_env_var" in entry or "Authorization" in members_of(entry, "headers")

    @property
    def token(self) -> str | None:
        """The variable that holds it, where the file tells."""
        entry = self.entry or {}
        named = entry.get("bearer_token_env_var")
        header = str(members_of(entry, "headers").get("Authorization"))
        match = re.fullmatch(r"Bearer \$(?:(\w+)|\{(?:env:)?(\w+)\})", header)
        found = match and (match[1] or match[2])
        return named if isinstance(named, str) else found

    def start(self, environ: Mapping[str, str]) -> Start | None:
        """What the client starts, secrets taken from `environ`; None for a server over HTTP."""
        entry = self.entry or {}
        command = entry.get("command")
        if not isinstance(command, str):
            return None
        variables = {key: str(value) for key, value in members_of(entry, "env").items()}
        for name in texts_of(entry, "env_vars"):
            variables[name] = _by_name(name)
        filled = {
            key: environ.get(key, value) if value in _references(self.client, key) else value
            for key, value in variables.items()
        }
        return Start((command, *texts_of(entry, "args")), tuple(sorted(filled.items())))


def _by_name(variable: str) -> str:
    return f"${{{variable}}}"


def _references(client: Client, variable: str) -> tuple[str | None, ...]:
    return (secret_of(client, variable), _by_name(variable))


def registered(machine: Machine, project: Path) -> Iterator[Registered]:
    """Every client that is here or has an entry, for the user; and in `project` those that have."""
    for client in CLIENTS:
        found = _look(client, "user", client.user(machine), _hooks_file(client, machine, None))
        if found.entry is not None or found.problem or found.hooks or client.is_here(machine):
            yield found
        if client.project is not None and project != machine.home:
            file = _hooks_file(client, machine, project)
            found = _look(client, "project", project / client.project, file)
            if found.entry is not None or found.problem or found.hooks:
                yield found


def _hooks_file(client: Client, machine: Machine, project: Path | None) -> Path | None:
    if client.hooks is None:
        return None
    return client.hooks.user(machine) if project is None else project / client.hooks.project


def _look(client: Client, scope: str, path: Path, hooks: Path | None) -> Registered:
    at = path
    try:
        text = ConfigFile.read(path).text
        file: JsonText | TomlText = TomlText(text) if client.toml else JsonText(text)
        entry = file.get((client.servers, NAME))
        if entry is not None and not is_ours(entry):
            raise NotEditable(f"an entry named {NAME} is there that starts something else")
        at = hooks or path
        known = {} if hooks is None else hooks_of(JsonText(ConfigFile.read(hooks).text))
        return Registered(client, scope, path, entry, known)
    except NotEditable as error:
        return Registered(client, scope, at, problem=str(error))

"""What a client's file says of Safepoint: one entry among its servers. Pure.

Secrets are never part of it. What somebody else wrote into the entry stays there.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safepoint_server.setup.clients import Client
from safepoint_server.setup.errors import NotEditable

__all__ = [
    "NAME",
    "PASSPHRASE",
    "Local",
    "Remote",
    "inputs_of",
    "is_ours",
    "is_passing",
    "launch_command",
    "members_of",
    "merged_entry",
    "other_options",
    "secret_of",
    "texts_of",
]

NAME: Final = "safepoint"
PASSPHRASE: Final = "SAFEPOINT_PASSPHRASE"  # noqa: S105 - the name of a variable
_KMS: Final = "SAFEPOINT_KMS_KEY"
_OPENING: Final = (PASSPHRASE, _KMS, "SAFEPOINT_KEY_FILE", "SAFEPOINT_STORE")
_OURS: Final = (
    *("type", "command", "args", "env", "env_vars"),
    *("url", "serverUrl", "httpUrl", "headers", "bearer_token_env_var"),
)


@dataclass(frozen=True, slots=True)
class Local:
    """A server that the client starts: this program, on a store at an absolute address."""

    command: tuple[str, ...]
    store: str
    key_file: Path | None = None
    kms_key: str | None = None
    passphrase: bool = False

    @property
    def secret(self) -> str | None:
        """The variable with the secret that the client has to pass on, if there is one."""
        return PASSPHRASE if self.passphrase else None

    @property
    def options(self) -> list[str]:
        """What names the store, for `serve` and for `hook`."""
        key_file = [] if self.key_file is None else ["--key-file", str(self.key_file)]
        return ["--store", self.store, *key_file]


@dataclass(frozen=True, slots=True)
class Remote:
    """A server that is reached over HTTP; `token` names the variable that holds the token."""

    url: str
    token: str | None = None

    @property
    def secret(self) -> str | None:
        """As for `Local`."""
        return self.token


def launch_command() -> tuple[str, ...]:
    """The absolute command of this installation: hosts start servers with hardly a PATH."""
    name = "safepoint.exe" if os.name == "nt" else "safepoint"
    script = Path(sysconfig.get_path("scripts")) / name
    if script.is_file():
        return (str(script.absolute()),)
    return (str(Path(sys.executable).absolute()), "-m", "safepoint_server")


def is_passing(command: str) -> bool:
    """Whether a program lies where files are cleared away, as those do that `uvx` or `pipx run`
    made for once."""
    path = Path(command).resolve()
    if not {".cache", "Caches", "archive-v0"}.isdisjoint(path.parts):
        return True
    return path.is_relative_to(Path(tempfile.gettempdir()).resolve())


def is_ours(entry: object) -> bool:
    """Whether an entry starts some installation of Safepoint, or names a server elsewhere."""
    if not isinstance(entry, Mapping):
        return False
    if any(isinstance(entry.get(key), str) for key in ("url", "serverUrl", "httpUrl")):
        return True
    return any(re.split(r"[\\/]", word)[-1] in _PROGRAMS for word in _words(entry))


_PROGRAMS: Final = ("safepoint", "safepoint.exe", "safepoint_server")


def merged_entry(client: Client, server: Local | Remote, there: object) -> dict[str, Any]:
    """The entry that the client is to have, given the one that it has (None: none).

    Raises:
        NotEditable: an entry of this name is somebody else's.
    """
    if there is not None and not is_ours(there):
        raise NotEditable(
            f"an entry named {NAME} is there that starts something else",
            f"Give that one another name, then run `safepoint setup --client {client.name}` again.",
        )
    old: dict[str, Any] = dict(there) if isinstance(there, Mapping) else {}
    entry = {key: value for key, value in old.items() if key not in _OURS}
    kind = "stdio" if isinstance(server, Local) else "http"
    if kind in client.typed or "type" in old:
        entry["type"] = kind
    if isinstance(server, Local):
        _start(entry, client, server, old)
    else:
        _reach(entry, client, server, old)
    return entry


def _start(entry: dict[str, Any], client: Client, server: Local, old: Mapping[str, Any]) -> None:
    command, *first = server.command
    entry["command"] = command
    more = other_options(texts_of(old, "args"), ("serve",), ("--store", "--key-file"))
    entry["args"] = [*first, "serve", *server.options, *more]
    env = {key: value for key, value in members_of(old, "env").items() if key not in _OPENING}
    if server.kms_key is not None:
        env[_KMS] = server.kms_key
    names = [name for name in texts_of(old, "env_vars") if name not in _OPENING]
    if server.passphrase and client.toml:
        names.append(PASSPHRASE)
    elif server.passphrase and (value := secret_of(client, PASSPHRASE)) is not None:
        env[PASSPHRASE] = members_of(old, "env").get(PASSPHRASE, value)
    if env or "env" in old:
        entry["env"] = env
    if names or "env_vars" in old:
        entry["env_vars"] = names


def _reach(entry: dict[str, Any], client: Client, server: Remote, old: Mapping[str, Any]) -> None:
    if client.address is None:
        raise NotEditable(
            f"{client.title} takes no server over HTTP with a token from its file",
            "Leave --http out: it then starts a server of its own.",
        )
    entry[client.address] = server.url
    headers = dict(members_of(old, "headers"))
    if server.token is not None and client.toml:
        entry["bearer_token_env_var"] = server.token
    elif server.token is not None:
        headers["Authorization"] = f"Bearer {secret_of(client, server.token)}"
    if headers:
        entry["headers"] = headers


def secret_of(client: Client, variable: str) -> str | None:
    """How the client's file refers to a secret, instead of holding it."""
    if client.variable is None:
        return None
    return client.variable.format(name=variable, slug=_slug(variable))


def inputs_of(client: Client, server: Local | Remote) -> list[dict[str, Any]]:
    """What the client has to ask the person for."""
    if not client.asks or server.secret is None:
        return []
    what = "Passphrase of the store" if isinstance(server, Local) else "Token for the server"
    return [
        {
            "type": "promptString",
            "id": _slug(server.secret),
            "description": f"{what} (Safepoint)",
            "password": True,
        }
    ]


def _slug(variable: str) -> str:
    """What an input is called: by its beginning it is known again."""
    return f"{NAME}-" + variable.lower().removeprefix(f"{NAME}_").replace("_", "-")


def other_options(
    words: Iterable[str], behind: Collection[str], ours: Collection[str]
) -> Iterator[str]:
    """What somebody gave a command besides, such as --toolsets: of the words behind one of
    `behind`, all but the options `ours` and their values."""
    rest = iter(words)
    for word in rest:
        if word in behind:
            break
    for word in rest:
        if word in ours:
            next(rest, None)
        elif word.partition("=")[0] not in ours:
            yield word


def _words(entry: Mapping[str, Any]) -> Sequence[str]:
    command = entry.get("command")
    return [*([command] if isinstance(command, str) else []), *texts_of(entry, "args")]


def members_of(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object at `key`; one without members if it is anything else."""
    value = entry.get(key)
    return value if isinstance(value, Mapping) else {}


def texts_of(entry: Mapping[str, Any], key: str) -> list[str]:
    """The array at `key`, as texts; an empty one if it is anything else."""
    value = entry.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []

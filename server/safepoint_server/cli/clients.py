"""How MCP clients are told to start this very installation on this very store."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safepoint_server.settings import Settings

__all__ = ["Snippet", "server_command", "snippets"]

_PASSPHRASE = "SAFEPOINT_PASSPHRASE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Snippet:
    """What to put where for one client; `language` is json or shell."""

    client: str
    where: str
    language: str
    text: str


def server_command() -> list[str]:
    """The absolute command of this installation: hosts start servers with hardly a PATH."""
    name = "safepoint.exe" if os.name == "nt" else "safepoint"
    script = Path(sysconfig.get_path("scripts")) / name
    if script.is_file():
        return [str(script.absolute())]
    return [str(Path(sys.executable).absolute()), "-m", "safepoint_server"]


def snippets(settings: Settings, store: str) -> list[Snippet]:
    """The configuration of each client; `store` is the store's absolute address."""
    command, *launch = server_command()
    arguments = [*launch, "serve", "--store", store]
    if settings.key_file is not None:
        arguments += ["--key-file", str(settings.key_file.absolute())]
    server: dict[str, Any] = {"command": command, "args": arguments}
    environ: dict[str, str] = {}
    if settings.kms_key is not None:
        environ["SAFEPOINT_KMS_KEY"] = settings.kms_key
    if settings.passphrase is not None:
        environ[_PASSPHRASE] = "put-your-passphrase-here"
    if environ:
        server["env"] = environ
    code: dict[str, Any] = {"servers": {"safepoint": {"type": "stdio", **server}}}
    if settings.passphrase is not None:
        code = {"inputs": [_VSCODE_INPUT], **code}
        code["servers"]["safepoint"]["env"] = {_PASSPHRASE: "${input:safepoint-passphrase}"}
    return [
        Snippet(
            "Claude Desktop",
            str(_desktop_file()),
            "json",
            _text({"mcpServers": {"safepoint": server}}),
        ),
        Snippet("Claude Code", "a terminal", "shell", _claude_code([command, *arguments], environ)),
        Snippet("VS Code", ".vscode/mcp.json in the project", "json", _text(code)),
        Snippet(
            "Cursor",
            str(Path("~/.cursor/mcp.json").expanduser()),
            "json",
            _text({"mcpServers": {"safepoint": server}}),
        ),
    ]


_VSCODE_INPUT = {
    "type": "promptString",
    "id": "safepoint-passphrase",
    "description": "Passphrase of the Safepoint store",
    "password": True,
}


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)


def _claude_code(command: list[str], environ: dict[str, str]) -> str:
    words = ["claude", "mcp", "add", "--scope", "user", "safepoint"]
    for name, value in environ.items():
        words += ["--env", f"{name}={value}"]
    words += ["--", *command]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _desktop_file() -> Path:
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA", Path("~/AppData/Roaming").expanduser()))
        return folder / "Claude" / "claude_desktop_config.json"
    if sys.platform == "darwin":
        support = Path("~/Library/Application Support").expanduser()
        return support / "Claude" / "claude_desktop_config.json"
    return Path("~/.config/Claude/claude_desktop_config.json").expanduser()

"""The clients that setup knows: how to tell that one is here, where it keeps what, in which words.

Everything is said of a `Machine`, so that a test can ask for any system.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["CLIENTS", "Client", "Hooks", "Machine", "client_of"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Whose machine it is, and of which kind."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux"
    which: Callable[[str], str | None] = lambda _: None

    @classmethod
    def here(cls) -> Machine:
        return cls(Path.home(), os.environ, sys.platform, shutil.which)

    def folder(self, variable: str, otherwise: Path) -> Path:
        """The folder that a variable names, if it names one in full."""
        named = Path(self.environ.get(variable) or ".")
        return named if named.is_absolute() else otherwise

    @property
    def applications(self) -> Path:
        """Where desktop applications keep their settings."""
        if self.platform == "win32":
            return self.folder("APPDATA", self.home / "AppData" / "Roaming")
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return self.folder("XDG_CONFIG_HOME", self.home / ".config")


Place = Callable[[Machine], Path]


@dataclass(frozen=True, slots=True)
class Hooks:
    """A file with hooks. Each of `events` is the client's name, that of `safepoint hook`, and after
    which time the client gives up, in its own unit. Hooks lie in groups, as Claude Code has it, or
    (`flat`) do not. `matchers` are for which tools the client runs those of an event of its own."""

    user: Place
    project: str
    events: tuple[tuple[str, str, int], ...]
    flat: bool = False
    matchers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    `user` and `project` are the files that servers stand in, below the key `servers`. `variable`
    is how a value is written that comes from the environment, or from the person (None: not at
    all). `address` is the member that holds the address of a server reached over HTTP (None: it
    has no such servers, or none with a token). `afterwards` is what the person does then.
    """

    name: str
    title: str
    program: str
    user: Place
    project: str | None
    servers: str
    afterwards: str
    variable: str | None = None
    address: str | None = "url"
    typed: tuple[str, ...] = ()
    """The kinds of server, `stdio` and `http`, whose kind is written as their `type`."""
    toml: bool = False
    asks: bool = False
    """Whether it asks the person for secrets, which are declared as `inputs` beside the servers."""
    hooks: Hooks | None = None

    def is_here(self, machine: Machine) -> bool:
        """By the folder of its settings, or its program on PATH."""
        files = [self.user(machine)] + ([] if self.hooks is None else [self.hooks.user(machine)])
        homes = [file if file.parent == machine.home else file.parent for file in files]
        return any(home.exists() for home in homes) or machine.which(self.program) is not None


def _claude_home(machine: Machine) -> Path:
    return machine.folder("CLAUDE_CONFIG_DIR", machine.home / ".claude")


def _claude_code(machine: Machine) -> Path:
    return machine.folder("CLAUDE_CONFIG_DIR", machine.home) / ".claude.json"


def _codex_home(machine: Machine) -> Path:
    return machine.folder("CODEX_HOME", machine.home / ".codex")


def _zed(machine: Machine) -> Path:
    if machine.platform == "win32":
        return machine.applications / "Zed" / "settings.json"
    if machine.platform == "darwin":
        return machine.home / ".config" / "zed" / "settings.json"
    return machine.applications / "zed" / "settings.json"


_RESTART: Final = "Restart it, or begin a new session."

CLIENTS: Final = (
    Client(
        "claude-code",
        "Claude Code",
        "claude",
        _claude_code,
        ".mcp.json",
        "mcpServers",
        "Begin a new session; /mcp shows the server.",
        variable="${{{name}}}",
        typed=("stdio", "http"),
        hooks=Hooks(
            user=lambda machine: _claude_home(machine) / "settings.json",
            project=".claude/settings.local.json",
            events=(
                ("SessionStart", "session-start", 10),
                ("PostToolUse", "post-tool-use", 10),
                ("PreCompact", "pre-compact", 10),
                ("Stop", "stop", 10),
                ("SessionEnd", "session-end", 10),
            ),
            matchers={"PostToolUse": "Bash|Edit|MultiEdit|NotebookEdit|Task.*|TodoWrite|Write"},
        ),
    ),
    Client(
        "claude-desktop",
        "Claude Desktop",
        "claude-desktop",
        lambda machine: machine.applications / "Claude" / "claude_desktop_config.json",
        None,
        "mcpServers",
        "Quit and start it again.",
        address=None,
    ),
    Client(
        "vscode",
        "VS Code",
        "code",
        lambda machine: machine.applications / "Code" / "User" / "mcp.json",
        ".vscode/mcp.json",
        "servers",
        "Open the file there and press Start above the server.",
        variable="${{input:{slug}}}",
        typed=("stdio", "http"),
        asks=True,
    ),
    Client(
        "cursor",
        "Cursor",
        "cursor",
        lambda machine: machine.home / ".cursor" / "mcp.json",
        ".cursor/mcp.json",
        "mcpServers",
        _RESTART,
        variable="${{env:{name}}}",
        hooks=Hooks(
            user=lambda machine: machine.home / ".cursor" / "hooks.json",
            project=".cursor/hooks.json",
            events=(
                ("sessionStart", "session-start", 10),
                ("preCompact", "pre-compact", 10),
                ("stop", "stop", 10),
                ("sessionEnd", "session-end", 10),
            ),
            flat=True,
        ),
    ),
    Client(
        "windsurf",
        "Windsurf",
        "windsurf",
        lambda machine: machine.home / ".codeium" / "windsurf" / "mcp_config.json",
        None,
        "mcpServers",
        "Press Refresh in its list of MCP servers.",
        variable="${{env:{name}}}",
        address="serverUrl",
    ),
    Client(
        "codex",
        "Codex",
        "codex",
        lambda machine: _codex_home(machine) / "config.toml",
        ".codex/config.toml",
        "mcp_servers",
        "Begin a new session, and trust the hooks there with /hooks.",
        toml=True,
        hooks=Hooks(
            user=lambda machine: _codex_home(machine) / "hooks.json",
            project=".codex/hooks.json",
            events=(
                ("SessionStart", "session-start", 10),
                ("PreCompact", "pre-compact", 10),
                ("Stop", "stop", 10),
                ("SessionEnd", "session-end", 3),  # it takes no more, and warns
            ),
        ),
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        "gemini",
        lambda machine: machine.home / ".gemini" / "settings.json",
        ".gemini/settings.json",
        "mcpServers",
        _RESTART,
        variable="${name}",
        typed=("http",),
        hooks=Hooks(
            user=lambda machine: machine.home / ".gemini" / "settings.json",
            project=".gemini/settings.json",
            events=(
                ("SessionStart", "session-start", 10_000),
                ("PreCompress", "pre-compact", 10_000),
                ("AfterAgent", "stop", 10_000),
                ("SessionEnd", "session-end", 10_000),
            ),
        ),
    ),
    Client(
        "zed",
        "Zed",
        "zed",
        _zed,
        ".zed/settings.json",
        "context_servers",
        "It starts the server as soon as the file is saved.",
        address=None,
    ),
)


def client_of(name: str) -> Client:
    """Raises KeyError for a name that is not in the table."""
    return {client.name: client for client in CLIENTS}[name]

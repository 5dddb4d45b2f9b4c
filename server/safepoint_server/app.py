"""Wires the server together and runs it over stdio until the client leaves."""

from __future__ import annotations

from safepoint_server.settings import Settings

__all__ = ["run_stdio"]


def run_stdio(settings: Settings) -> int:
    """Serve MCP on stdin and stdout until the client leaves; the exit code.

    A store that does not open is told on stderr as `error:` and `hint:` before anything is served.
    """
    raise NotImplementedError

"""A workspace as an agent sees it: the tools of the MCP server, called by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from mcp import Client

from safepoint_server.demo.journal import Journal

__all__ = ["RemoteWorkspace", "ToolRefused"]


class ToolRefused(Exception):
    """The server's answer to a call that it refused, in its own words."""


class RemoteWorkspace:
    """One workspace over MCP connections that take turns, call by call. What is acknowledged is
    journalled before going on."""

    def __init__(self, clients: Sequence[Client], name: str, journal: Journal) -> None:
        self._turns = cycle(clients)
        self._name = name
        self._journal = journal

    async def load(self) -> dict[str, Any] | None:
        """The brief and the state, or None when nothing was ever saved here."""
        try:
            return await self._call("load_checkpoint", max_bytes=1_000_000)
        except ToolRefused as refused:
            if "[workspace_not_found]" in str(refused):
                return None
            raise

    async def plan(self, steps: list[dict[str, Any]], goal: str) -> None:
        reply = await self._call("plan_steps", steps=steps, goal=goal)
        self._journal.acknowledged("plan_steps", reply["version"])

    async def start(
        self, step: str, given: dict[str, Any], lease_seconds: int, token: int | None = None
    ) -> dict[str, Any]:
        """Ask whether to work on a step; with the token of an earlier answer, renew its lease."""
        more = {} if token is None else {"fencing_token": token}
        reply = await self._call(
            "start_step", step=step, input=given, lease_seconds=lease_seconds, **more
        )
        if reply["decision"] == "run":
            self._journal.acknowledged("start_step", reply["version"], step=step)
        return reply

    async def save(self, patch: dict[str, Any], step: str, summary: str) -> None:
        """Save a part of the state as a checkpoint."""
        reply = await self._call(
            "save_checkpoint", state=patch, merge=True, step=step, summary=summary
        )
        self._journal.acknowledged(
            "save_checkpoint", reply["version"], step=step, sha256=reply["sha256"]
        )

    async def finish(
        self, step: str, token: int, *, result: Any = None, status: str = "done", **more: Any
    ) -> None:
        """Record a step as done or skipped, with its result and a part of the state."""
        reply = await self._call(
            "mark_step_done", step=step, status=status, fencing_token=token, result=result, **more
        )
        self._journal.acknowledged("mark_step_done", reply["version"], step=step, status=status)

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await next(self._turns).call_tool(tool, {"workspace": self._name, **arguments})
        if result.is_error:
            raise ToolRefused("".join(getattr(part, "text", "") for part in result.content))
        reply: dict[str, Any] = result.structured_content
        return reply

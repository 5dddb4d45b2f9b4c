"""Checkpoints and configs as LangGraph's loop makes them, small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata

from safepoint.integrations.langgraph import SafepointSaver

__all__ = ["Chain", "at", "checkpoint", "metadata"]


def at(thread: str, id_: str | None = None, ns: str = "") -> RunnableConfig:
    given = {"thread_id": thread, "checkpoint_ns": ns}
    return {"configurable": given if id_ is None else {**given, "checkpoint_id": id_}}


def checkpoint(id_: str, values: Mapping[str, Any], versions: Mapping[str, Any]) -> Checkpoint:
    made = {
        "v": 4,
        "id": id_,
        "ts": "2026-11-21T10:00:00+00:00",
        "channel_values": dict(values),
        "channel_versions": dict(versions),
        "versions_seen": {"node": dict(versions)},
        "updated_channels": None,
    }
    return cast("Checkpoint", made)


def metadata(step: int = 0, **more: Any) -> CheckpointMetadata:
    return cast("CheckpointMetadata", {"source": "loop", "step": step, "parents": {}, **more})


class Chain:
    """Checkpoints of one namespace, each the child of the one before, ids `0001`, `0002`, …"""

    def __init__(self, saver: SafepointSaver, thread: str, ns: str = "") -> None:
        self.saver = saver
        self.thread = thread
        self.ns = ns
        self.count = 0
        self.tip = at(thread, None, ns)

    async def put(self, values: Mapping[str, Any], **more: Any) -> RunnableConfig:
        """The next one, in which all these channels changed."""
        self.count += 1
        versions = dict.fromkeys(values, f"{self.count:08}")
        made = checkpoint(f"{self.count:04}", values, versions)
        self.tip = await self.saver.aput(self.tip, made, metadata(self.count, **more), versions)
        return self.tip

    async def write(self, *writes: tuple[str, Any], task: str = "task", path: str = "") -> None:
        """Writes of a task to the newest of them."""
        await self.saver.aput_writes(self.tip, writes, task, path)

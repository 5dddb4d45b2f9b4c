"""One process of the many-writers tests: changes and reads one workspace, and notes every call.

`writer.py NAME TURNS` opens the store of the environment. Before each turn it says `ready` and
waits for a line, so that all begin it at once: else whoever is ahead, and has nothing to catch up
with, stays ahead, and nobody meets. At its end it prints one line of JSON for each call.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

from safepoint import Actor, Store, Workspace

WORKSPACE = "shared"
LEASE = timedelta(hours=1)  # no step is ever given to a second process


class Writer:
    """Times are of the machine's monotonic clock, which its processes share."""

    def __init__(self, name: str, work: Workspace) -> None:
        self._name = name
        self._work = work
        self._saves = 0
        self._step = 0
        self.calls: list[dict[str, Any]] = []

    async def turn(self) -> None:
        """A save; now and then a step that every process wants, and a load, before it: what this
        process knows is old then."""
        if self._saves % 3 == 0:
            await self._run_a_step()
        if self._saves % 2 == 1:
            await self._load()
        await self._save()

    async def _save(self) -> None:
        number, self._saves = self._saves, self._saves + 1
        given = {"patch": {self._name: number}, "label": f"{self._name} {number}"}
        saved = await self._call("save", given, self._work.save(**given))
        self._told(saved.version, sha256=saved.sha256)

    async def _load(self) -> None:
        loaded = await self._call("load", {}, self._work.load())
        self._told(loaded.version, state=loaded.state)

    async def _run_a_step(self) -> None:
        step = f"step {self._step}"
        call = self._work.start_step(step, lease=LEASE)
        started = await self._call("start", {"step": step}, call)
        self._told(
            started.version,
            decision=started.decision,
            token=started.fencing_token,
            result=started.result,
        )
        if started.decision == "skip":
            self._step += 1
        elif started.decision == "run":
            given = {"step": step, "result": [self._name, started.version]}
            more = {"fencing_token": started.fencing_token}
            marked = await self._call("mark", given, self._work.mark_step_done(**given, **more))
            self._told(marked.version)

    async def _call(self, kind: str, given: dict[str, Any], call: Awaitable[Any]) -> Any:
        began = time.monotonic_ns()
        reply = await call
        times = {"began": began, "ended": time.monotonic_ns()}
        self.calls.append({"process": self._name, "kind": kind, "given": given, **times})
        return reply

    def _told(self, version: int, **reply: Any) -> None:
        self.calls[-1].update(version=version, reply=reply)


async def main(name: str, turns: int) -> None:
    place = {"key_file": Path(os.environ["SAFEPOINT_KEY_FILE"]), "actor": Actor(name)}
    async with Store.open(os.environ["SAFEPOINT_STORE"], create=False, **place) as store:
        writer = Writer(name, store.workspace(WORKSPACE))
        for _ in range(turns):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await writer.turn()
    for call in writer.calls:
        print(json.dumps(call))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

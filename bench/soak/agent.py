"""What an agent does all its life: load, plan, start, mark, ask, save, list, compare, begin anew.

Two agents, one of each era, share every workspace: who is told to run a step runs it, the other one
waits. What they are told is checked at once where it can be, and noted for the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from bench.kept import Saved
from bench.soak.line import Line, Refused
from bench.soak.tally import Tally

__all__ = ["Agent", "Desk"]

Desk = Callable[[str, str], Awaitable[None]]
"""Lets a person decide the approval of a workspace."""

RUNS = 3
STEPS = ("fetch", "rank", "publish")
BOARD = "board"
_LEASE_SECONDS = 4
_LOOK_SECONDS = 0.5
_NOTES, _NOTE_WORDS = 40, 5


class Agent:
    """`names` are those of all agents of the team, which `together` holds in step."""

    def __init__(
        self,
        line: Line,
        team: str,
        names: Sequence[str],
        together: asyncio.Barrier,
        tally: Tally,
    ) -> None:
        self._line = line
        self._team = team
        self._names = names
        self._together = together
        self._tally = tally
        self._chance = Random(line.name)
        self._saves = 0

    async def live(self, desk: Desk) -> None:
        """One workspace after the other, until cancelled."""
        number = 0
        while True:
            number += 1
            workspace = f"{self._team}-{number:05d}"
            for run in range(1, RUNS + 1):
                await self._run(workspace, run, desk)
                await self._together.wait()

    async def _run(self, workspace: str, run: int, desk: Desk) -> None:
        approval = f"publish-{run}"
        await self._begin(workspace, run, approval)
        for step in STEPS:
            if step == "publish":
                await self._ask(workspace, approval, desk)
            await self._step(workspace, run, step)
            await self._save(workspace)
        await self._look_around(workspace)
        await self._save(BOARD, tell=f"{workspace} run {run}")
        await self._together.wait()
        if run < RUNS:
            await self._line.call(
                "start_new_run", workspace=workspace, run=run, carry=list(self._names)
            )

    async def _begin(self, workspace: str, run: int, approval: str) -> None:
        try:
            loaded = await self._line.call("load_checkpoint", workspace=workspace)
            if loaded["run"] != run:
                self._tally.wrong.append(f"{workspace} is in run {loaded['run']}, not {run}")
        except Refused as refused:
            self._expect(refused, "workspace_not_found")
        last = {"name": STEPS[-1], "after": [STEPS[0]], "needs_approval": [approval]}
        steps = [*STEPS[:-1], last]
        await self._line.call("plan_steps", workspace=workspace, steps=steps, goal="Soak")

    async def _step(self, workspace: str, run: int, step: str) -> None:
        while True:
            started = await self._line.call(
                "start_step", workspace=workspace, step=step, lease_seconds=_LEASE_SECONDS
            )
            key = started["idempotency_key"]
            if started["decision"] == "skip":
                if self._tally.finished.get(key, started["result"]) != started["result"]:
                    self._tally.wrong.append(f"{key} was skipped with another result")
                return
            if started["decision"] == "run":
                if key in self._tally.finished:
                    self._tally.wrong.append(f"{key} was to run again after its end")
                await self._carry_out(workspace, step, key, started["fencing_token"])
            elif started["decision"] == "blocked":
                self._tally.wrong.append(f"{key} is blocked: {started['advice']}")
                return
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _carry_out(self, workspace: str, step: str, key: str, token: int) -> None:
        self._tally.attempts += 1
        result = {"receipt": f"{key} done"}
        try:
            await self._line.call(
                "mark_step_done",
                workspace=workspace,
                step=step,
                result=result,
                fencing_token=token,
                state={step: key},
                merge=True,
            )
            self._tally.finished[key] = result
        except Refused as refused:
            self._expect(refused, "stale_token")

    async def _save(self, workspace: str, tell: str | None = None) -> None:
        self._saves += 1
        label = f"{self._line.name} {self._saves}"
        note = f"{self._chance.random()} " * _NOTE_WORDS
        notes = {f"note {self._chance.randrange(_NOTES)}": note}
        arguments: dict[str, Any] = {
            "workspace": workspace,
            "label": label,
            "request_id": label,
            "merge": True,
            "state": {self._line.name: notes if tell is None else {"last": tell}},
        }
        saved = await self._line.call("save_checkpoint", **arguments)
        told = Saved(workspace, label, saved["version"], saved["sha256"])
        self._tally.saves.append(told)
        if self._chance.random() < 0.2:  # a client that timed out, to whichever replica
            again = await self._line.call("save_checkpoint", **arguments)
            self._tally.repeats += 1
            if (again["version"], again.get("repeated")) != (told.version, True):
                self._tally.wrong.append(f"{workspace}: {label} was saved again")

    async def _ask(self, workspace: str, approval: str, desk: Desk) -> None:
        question = {"name": approval, "question": "May this be published?"}
        await self._line.call("request_approval", workspace=workspace, **question)
        self._tally.approved.setdefault((workspace, approval), False)
        await desk(workspace, approval)
        asked = await self._line.call("request_approval", workspace=workspace, **question)
        if asked["status"] != "approved":
            self._tally.wrong.append(f"{workspace}: {approval} is {asked['status']}")
        self._tally.approved[workspace, approval] = True

    async def _look_around(self, workspace: str) -> None:
        page = await self._line.call("list_checkpoints", workspace=workspace, limit=5)
        newest, *_, oldest = (line["version"] for line in page["checkpoints"])
        await self._line.call("compare_checkpoints", workspace=workspace, old=oldest, new=newest)
        listed = await self._line.call("list_steps", workspace=workspace)
        left = [line["name"] for line in listed["steps"] if line["status"] != "done"]
        await self._line.call("list_workspaces", prefix=self._team, limit=10)
        if left:
            self._tally.wrong.append(f"{workspace}: {left} are not done")

    def _expect(self, refused: Refused, code: str) -> None:
        if refused.code != code:
            raise refused

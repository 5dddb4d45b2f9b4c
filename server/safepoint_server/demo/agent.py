"""The agent: reads files, files tickets, writes a report, one step after the other.

It has no memory but its workspace and does not know that it is going to be killed. It does what
any agent should: load, ask before each step, obey the answer, save on the way, mark what is done.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import Implementation

from safepoint._version import __version__
from safepoint_server.demo import analysis
from safepoint_server.demo.filing import file_ticket
from safepoint_server.demo.job import ANALYSE, FILE, REPORT, SCAN, Job, step_names
from safepoint_server.demo.journal import Journal, path_of
from safepoint_server.demo.processes import pid_file
from safepoint_server.demo.remote import RemoteWorkspace
from safepoint_server.demo.report import write_report

__all__ = ["Agent", "main"]


class Agent:
    """One life of the agent. `state` is what the workspace held when this life began, and since."""

    def __init__(self, job: Job, workspace: RemoteWorkspace, journal: Journal) -> None:
        self._job = job
        self._workspace = workspace
        self._journal = journal
        self._files: dict[str, Any] = {}

    async def work(self) -> None:
        """Carry on from wherever the workspace is until every step is done."""
        loaded = await self._workspace.load()
        self._journal.tell("resumed", version=loaded["version"] if loaded else None)
        if loaded and loaded.get("state"):
            self._files = loaded["state"]["files"]
        await self._plan()
        for name in step_names(self._job.sources):
            if await self._step(name):
                await self._pause()
        self._journal.tell("finished")

    async def _plan(self) -> None:
        """Declare every step; where that was done before, it changes nothing."""
        steps: list[dict[str, Any]] = [{"name": SCAN}]
        for source in self._job.sources:
            analyse, file = f"{ANALYSE} {source.name}", f"{FILE} {source.name}"
            steps.append({"name": analyse, "after": [SCAN]})
            steps.append({"name": file, "after": [analyse]})
        steps.append({"name": REPORT, "after": [step["name"] for step in steps]})
        await self._workspace.plan(steps, f"Read {len(self._job.sources)} files, file tickets")

    async def _step(self, name: str) -> bool:
        """Do one step, if the server says so; whether it was done now."""
        given = self._input(name)
        while True:
            answer = await self._workspace.start(name, given, self._job.lease_seconds)
            decision = answer["decision"]
            if decision == "run":
                self._journal.tell("begin", step=name, attempt=answer["attempt"])
                token: int = answer["fencing_token"]
                async with self._renewing(name, given, token):
                    await self._run(name, token, answer["idempotency_key"])
                self._journal.tell("end", step=name)
                return True
            if decision == "skip":
                self._journal.tell("skip", step=name)
                return False
            if decision == "blocked":
                if not answer["needs"]:
                    raise RuntimeError(answer["advice"])
                for needed in answer["needs"]:
                    await self._step(needed)
                continue
            self._journal.tell("wait", step=name)
            until = datetime.fromisoformat(answer["wait_until"])
            await asyncio.sleep(max(0.05, (until - datetime.now(UTC)).total_seconds()))

    def _input(self, name: str) -> dict[str, Any]:
        """What a step works on: the server refuses to run it again on anything else."""
        source = self._job.source_of(name)
        if source is None:
            return {"files": [s.name for s in self._job.sources]}
        data = Path(source.path).read_bytes()
        return {"file": source.name, "sha256": hashlib.sha256(data).hexdigest()}

    @asynccontextmanager
    async def _renewing(self, step: str, given: dict[str, Any], token: int) -> AsyncIterator[None]:
        """Keeps the lease while the block works. A lost lease ends the agent, not the rule."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._job.lease_seconds / 3)
                await self._workspace.start(step, given, self._job.lease_seconds, token)

        async with asyncio.TaskGroup() as group:
            renewal = group.create_task(renew())
            try:
                yield
            finally:
                renewal.cancel()

    async def _run(self, step: str, token: int, key: str) -> None:
        if step == SCAN:
            await self._scan(token)
        elif step == REPORT:
            await self._report(token)
        elif step.startswith(f"{ANALYSE} "):
            await self._analyse(step.removeprefix(f"{ANALYSE} "), token)
        else:
            await self._file(step.removeprefix(f"{FILE} "), token, key)

    async def _scan(self, token: int) -> None:
        sizes = await asyncio.to_thread(_sizes, self._job)
        self._files = sizes
        total = sum(item["bytes"] for item in sizes.values())
        await self._workspace.finish(
            SCAN, token, result={"files": len(sizes), "bytes": total}, state={"files": sizes}
        )

    async def _analyse(self, name: str, token: int) -> None:
        """In stages, each saved: whoever takes over goes on with the stage that is missing."""
        step = f"{ANALYSE} {name}"
        source = next(s for s in self._job.sources if s.name == name)
        path = Path(source.path)
        text = await asyncio.to_thread(path.read_text, "utf-8")
        done: dict[str, Any] = self._files[name].setdefault("seen", {})
        for stage in analysis.STAGES:
            if stage in done:
                continue
            seen = await asyncio.to_thread(analysis.analyse, stage, text, path.parent)
            done[stage] = seen.to_json()
            await self._pause()
            await self._workspace.save(
                {"files": {name: {"seen": {stage: done[stage]}}}}, step, f"{name}: {stage} counted"
            )
        found = len(_findings(done))
        await self._workspace.finish(step, token, result={"findings": found})

    async def _file(self, name: str, token: int, key: str) -> None:
        """One ticket for each finding, under a key of its own that is the same in every attempt."""
        step = f"{FILE} {name}"
        findings = _findings(self._files[name]["seen"])
        if not findings:
            await self._workspace.finish(step, token, status="skipped", summary="nothing found")
            return
        tickets = []
        for number, finding in enumerate(findings, 1):
            ticket = {"file": name, **finding}
            filed = await asyncio.to_thread(
                file_ticket, self._job.tickets, f"{key}:{number}", ticket
            )
            tickets.append(filed.id)
            self._journal.tell("filed", step=step, ticket=filed.id, repeated=filed.repeated)
            await self._pause()
        self._files[name]["tickets"] = tickets
        await self._workspace.finish(
            step,
            token,
            result={"tickets": tickets},
            state={"files": {name: {"tickets": tickets}}},
            merge=True,
            summary=f"{name}: {len(tickets)} filed",
        )

    async def _report(self, token: int) -> None:
        path = Path(self._job.report)
        await asyncio.to_thread(write_report, path, self._files)
        await self._workspace.finish(
            REPORT, token, result={"report": str(path)}, summary="The job is finished."
        )

    async def _pause(self) -> None:
        """So that it can be watched, and killed in the middle of things."""
        await asyncio.sleep(self._job.pause)


def _sizes(job: Job) -> dict[str, Any]:
    return {source.name: {"bytes": os.path.getsize(source.path)} for source in job.sources}


def _findings(seen: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for stage in analysis.STAGES for finding in seen[stage]["findings"]]


async def run(job: Job, life: int) -> None:
    me = Implementation(name=f"demo-agent-{life}", version=__version__)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(path_of(Path(job.folder), life)))
        clients = [
            await stack.enter_async_context(
                Client(_server(job, life, number, stack), client_info=me)
            )
            for number in range(job.servers)
        ]
        workspace = RemoteWorkspace(clients, job.workspace, journal)
        await Agent(job, workspace, journal).work()


def _server(job: Job, life: int, number: int, stack: AsyncExitStack) -> Any:
    """A `safepoint serve` of its own with this process's environment: settings, keys of AWS."""
    saying = pid_file(Path(job.folder), life, number)
    arguments = ["-m", "safepoint_server.demo.served", str(saying), "--store", job.store]
    if job.key_file is not None:
        arguments += ["--key-file", job.key_file]
    parameters = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    log = stack.enter_context(saying.with_suffix(".log").open("w"))
    return stdio_client(parameters, errlog=log)


def main(argv: list[str]) -> int:
    """`agent JOB LIFE`: work until the job is finished."""
    asyncio.run(run(Job.read(Path(argv[0])), int(argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One soak: agents and replicas for so many minutes, with rests; then what the store says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.seaweedfs import seaweedfs

from bench.caller import Caller
from bench.kept import discrepancies
from bench.replica import Place, Replica, safepoint_replica
from bench.soak.agent import Agent
from bench.soak.fleet import Fleet
from bench.soak.line import Era, Line
from bench.soak.memory import Sample, held
from bench.soak.tally import Gate, Tally
from safepoint import ApprovalStatus, Store
from safepoint.pages import MAX_ROWS

__all__ = ["Outcome", "Plan", "soak"]

_ERAS: tuple[Era, ...] = ("auto", "legacy")
_TEAMS = ("alpha", "beta", "gamma")
_REPLICAS = 3
_CALLS_A_MINUTE = 1800
_FEWEST_RESTS = 8
_WARM_UP_CLIENTS, _WARM_UP_LISTS = 32, 8
_WARM_UP_CALLS = MAX_ROWS // _WARM_UP_CLIENTS + 2
"""So more workspaces than the page of the store lists, and than a process keeps logs of."""
_SETTINGS = {
    "SAFEPOINT_CACHE_BYTES": "1MiB",  # so that it is full in the warm-up
    "SAFEPOINT_TOOLSETS": "core,history",
    "MALLOC_ARENA_MAX": "2",  # as in the container image
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long agents work, how many calls they make at most, how often they rest, for how long at
    each rest nothing happens before processes are looked at, and how many seconds pass from kill to
    kill, on the average. Before, each of 32 clients begins some workspaces on one of them."""

    seconds: float
    calls: int
    rests: int
    settle: float
    kills: float
    warm_up: int

    @classmethod
    def of(cls, minutes: float) -> Plan:
        """What follows commits is written within five seconds, so six let it settle."""
        rests = max(_FEWEST_RESTS, int(minutes))
        calls = int(minutes * _CALLS_A_MINUTE)
        return cls(minutes * 60, calls, rests, 6.0, max(4.0, minutes), _WARM_UP_CALLS)


@dataclass
class Outcome:
    plan: Plan
    tally: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)
    kills: int = 0
    records: int = 0
    wrong: list[str] = field(default_factory=list)


async def soak(plan: Plan, folder: Path) -> Outcome:
    """Everything runs on this machine's loopback and ends by itself."""
    outcome = Outcome(plan)
    gate = Gate(plan.calls)
    with seaweedfs(_made(folder / "bucket")) as server:
        place = Place(server.s3, "soak", folder / "key")
        async with _opened(place, folder) as store:
            names = ["steady", *(f"killed-{n}" for n in range(1, _REPLICAS))]
            replicas = [safepoint_replica(name, folder, place, **_SETTINGS) for name in names]
            fleet = Fleet(replicas, gate)
            try:
                await fleet.start()
                await asyncio.to_thread(_warm_up, replicas[0], plan.warm_up)
                await _work(outcome, fleet, gate, store)
            except ExceptionGroup as failed:
                outcome.wrong += [f"it ended early: {one!r}" for one in failed.exceptions]
            finally:
                await fleet.close()
        async with _opened(place, folder) as store:
            await _judge(outcome, store)
    return outcome


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@asynccontextmanager
async def _opened(place: Place, folder: Path) -> AsyncIterator[Store]:
    """As a person's program has it open, who decides and who looks at the end."""
    objects = place.server.objects(place.prefix)
    options = {"key_file": place.key_file, "seen": folder / "seen"}
    async with Store.open(objects, **options) as store:  # type: ignore[arg-type]
        yield store


def _warm_up(replica: Replica, calls: int) -> None:
    """Fill what a process keeps up to some number: what it makes once, the logs it remembers, the
    lines on the page of the store, and by lists, each of many requests, its pools of threads and
    connections."""

    def save(client: int) -> None:
        with closing(Caller(replica.port)) as caller:
            for number in range(calls):
                workspace = f"warm-up-{client}-{number}"
                caller.call("plan_steps", {"workspace": workspace, "steps": [{"name": "begin"}]})

    def look(client: int) -> None:
        with closing(Caller(replica.port)) as caller:
            caller.call("list_workspaces", {"limit": _WARM_UP_CLIENTS})

    with ThreadPoolExecutor(_WARM_UP_CLIENTS) as clients:
        list(clients.map(save, range(_WARM_UP_CLIENTS)))
        list(clients.map(look, range(_WARM_UP_LISTS)))


async def _work(outcome: Outcome, fleet: Fleet, gate: Gate, store: Store) -> None:
    """Agents work and replicas are killed, with a rest now and then, and one at the end."""
    tally, plan = outcome.tally, outcome.plan

    async def desk(workspace: str, approval: str) -> None:
        await store.workspace(workspace).approvals.decide(approval, "approve")

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(fleet.kill_now_and_then(plan.kills))]
        for team in _TEAMS:
            together = asyncio.Barrier(len(_ERAS))
            names = {era: f"{team}-{era}" for era in _ERAS}
            for era, name in names.items():
                line = Line(name, era, fleet.urls, gate, tally)
                agent = Agent(line, team, list(names.values()), together, tally)
                running.append(group.create_task(line.serve()))
                running.append(group.create_task(agent.live(desk)))
        for _ in range(plan.rests):
            spent = await gate.spent(plan.seconds / plan.rests - plan.settle)
            await gate.close()
            await asyncio.sleep(plan.settle)
            outcome.samples += await fleet.samples(tally.total)
            if spent:
                break
            gate.open()
        await gate.close()
        outcome.kills = fleet.kills
        for task in running:
            task.cancel()


async def _judge(outcome: Outcome, store: Store) -> None:
    """Nothing lost, nothing doubled, nothing damaged, nothing that grows."""
    tally = outcome.tally
    outcome.wrong += tally.wrong
    outcome.wrong += await discrepancies(store, tally.saves)
    for workspace in sorted({name for name, _ in tally.approved}):
        for one in await store.workspace(workspace).approvals.list():
            told = tally.approved.get((workspace, one.name))
            if told is None or (told and one.status != ApprovalStatus.APPROVED):
                outcome.wrong.append(f"{workspace}: {one.name} is {one.status}, told: {told}")
    report = await store.verify()
    outcome.records = report.records
    outcome.wrong += [f"{one.key}: {one.what}, {one.detail}" for one in report.problems]
    judged = held(outcome.samples)
    outcome.wrong += [f"{one.life}: {line}" for one in judged for line in one.wrong]
    if not judged:
        outcome.wrong.append("no replica lived through enough rests to be judged")

"""Starts the agent, kills it at random moments, starts the next one, and checks from outside."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from safepoint import Actor, InvalidInput, Store
from safepoint_server.demo.analysis import STAGES
from safepoint_server.demo.filing import list_tickets
from safepoint_server.demo.job import ANALYSE, FILE, Job, step_names
from safepoint_server.demo.journal import Tail, path_of
from safepoint_server.demo.lives import Life
from safepoint_server.demo.processes import AgentProcess, ticket_service
from safepoint_server.demo.screen import Screen
from safepoint_server.demo.sources import Source
from safepoint_server.demo.verdict import Verdict, examine, wanted_tickets

__all__ = ["AgentFailed", "Outcome", "Place", "Wishes", "direct", "in_new_folder"]

_SECONDS_AT_LEAST: Final = 2.0
_SECONDS_PER_KILL: Final = 1.6
_LIFE_SECONDS: Final = 90.0
_LOOK_SECONDS: Final = 0.02
_LEASE_SECONDS: Final = 2
_LOSE_EVERY: Final = 6
_WHILE_STARTING: Final = 0.15


class AgentFailed(Exception):
    """An agent ended or hung without being killed; `log` says why."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Place:
    """The store to work in, how to open it, and a folder for journals, logs and the report."""

    store: str
    key_file: Path | None
    workspace: str
    folder: Path
    open: Callable[[Actor], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for. The moments of the kills follow from `seed` and the machine."""

    sources: tuple[Source, ...]
    kills: int
    seed: int
    honours_keys: bool = True
    servers: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """All there is to tell about a demonstration that ran to its end."""

    job: Job
    place: Place
    wishes: Wishes
    lives: tuple[Life, ...]
    verdict: Verdict
    seconds: float


def in_new_folder() -> Place:
    """A store and key of its own below the temporary folder; they stay there to be looked at."""
    folder = Path(tempfile.mkdtemp(prefix="safepoint-demo-")).resolve()
    store, key_file = folder / "store", folder / "key"

    @asynccontextmanager
    async def open_store(actor: Actor) -> AsyncIterator[Store]:
        async with Store.open(str(store), key_file=key_file, actor=actor) as opened:
            yield opened

    return Place(str(store), key_file, "demo", folder, open_store)


def direct(place: Place, wishes: Wishes, actor: Actor, screen: Screen) -> Outcome:
    """Run the whole demonstration.

    Raises:
        AgentFailed: an agent ended by itself before the job was finished, or hung.
        InvalidInput: the store cannot be shared between processes.
    """
    started = time.monotonic()
    if place.store.startswith("memory:"):
        raise InvalidInput(
            "a store in memory does not outlive its process, so no other agent can resume",
            hint="Leave --store out, or name a folder.",
        )
    asyncio.run(_prepare(place, actor))
    with ticket_service(lose_every=_LOSE_EVERY, honours_keys=wishes.honours_keys) as tickets:
        job = _job(place, wishes, tickets)
        job.write(place.folder / "job.json")
        with screen.running(
            len(step_names(job.sources)), wanted_tickets(job).total(), wishes.kills
        ):
            lives = _live(place, job, wishes, screen)
        verdict = asyncio.run(_examine(place, actor, job, lives, wishes, tickets))
    return Outcome(job, place, wishes, tuple(lives), verdict, time.monotonic() - started)


async def _prepare(place: Place, actor: Actor) -> None:
    """Make the store, so that the agents do not race for it."""
    async with place.open(actor) as store:
        if (await store.workspaces(place.workspace)).items:
            raise InvalidInput(
                f"workspace {place.workspace!r} is there already", hint="Run the demo again."
            )


async def _examine(
    place: Place, actor: Actor, job: Job, lives: list[Life], wishes: Wishes, tickets: str
) -> Verdict:
    async with place.open(actor) as store:
        return await examine(store, job, lives, wishes.kills, list_tickets(tickets))


def _job(place: Place, wishes: Wishes, tickets: str) -> Job:
    job = Job(
        workspace=place.workspace,
        store=place.store,
        key_file=None if place.key_file is None else str(place.key_file),
        sources=wishes.sources,
        tickets=tickets,
        report=str(place.folder / "report.md"),
        folder=str(place.folder),
        pause=0.0,
        lease_seconds=_LEASE_SECONDS,
        servers=wishes.servers,
    )
    pauses = sum(_pauses(job).values())
    seconds = _SECONDS_AT_LEAST + _SECONDS_PER_KILL * wishes.kills
    return replace(job, pause=min(0.5, seconds / pauses))


def _pauses(job: Job) -> dict[str, int]:
    """How often the agent pauses in and after each step: a floor on how long it takes."""
    tickets = dict.fromkeys((source.name for source in job.sources), 0)
    for (name, *_), count in wanted_tickets(job).items():
        tickets[name] += count
    pauses = dict.fromkeys(step_names(job.sources), 1)
    for name, count in tickets.items():
        pauses[f"{ANALYSE} {name}"] += len(STAGES)
        pauses[f"{FILE} {name}"] += count
    return pauses


def _live(place: Place, job: Job, wishes: Wishes, screen: Screen) -> list[Life]:
    """One life after the other until the job is finished."""
    random = Random(wishes.seed)  # noqa: S311 - when to kill is no secret
    pauses = _pauses(job)
    lives: list[Life] = []
    while not lives or not lives[-1].finished:
        done = {step for life in lives for step in life.steps}
        left = wishes.kills - sum(life.killed for life in lives)
        seconds = job.pause * sum(count for step, count in pauses.items() if step not in done)
        moment = _moment(random, left, seconds) if left else None
        life = Life(len(lives) + 1)
        lives.append(life)
        _one_life(place, job, life, moment, random, lives, screen)
    return lives


@dataclass(frozen=True, slots=True)
class _Moment:
    """When to kill: so many seconds after the start, or after the agent has its workspace."""

    after_start: bool
    seconds: float


def _moment(random: Random, kills_left: int, work_seconds: float) -> _Moment:
    """A random moment that surely comes before the work, at least `work_seconds` long, is done."""
    if random.random() < _WHILE_STARTING:
        return _Moment(True, random.uniform(0.05, 1.0))
    return _Moment(False, random.uniform(0.0, 1.6 * work_seconds / (kills_left + 1)))


def _one_life(
    place: Place,
    job: Job,
    life: Life,
    moment: _Moment | None,
    random: Random,
    lives: list[Life],
    screen: Screen,
) -> None:
    """From start to kill, or to the end of the job."""
    agent = AgentProcess(place.folder / "job.json", place.folder, life.number, job.servers)
    tail = Tail(path_of(place.folder, life.number))
    started = time.monotonic()
    connected: float | None = None
    screen.started(life)
    try:
        while True:
            code = agent.exit_code()
            for event in tail.read():
                life.follow(event)
                screen.follow(life, lives, event)
            now = time.monotonic()
            life.seconds = now - started
            if connected is None and life.connected:
                connected = now
            if code is not None:
                break
            if moment is not None and _due(moment, now, started, connected):
                life.killed = not life.finished
                break
            if now - started > _LIFE_SECONDS:
                raise AgentFailed(f"agent {life.number} hangs", agent.log)
            time.sleep(_LOOK_SECONDS)
    finally:
        agent.kill(random)
    for event in tail.read():
        life.follow(event)
        screen.follow(life, lives, event)
    if life.killed:
        screen.killed(life)
    elif code or not life.finished:
        raise AgentFailed(f"agent {life.number} ended with exit code {code}", agent.log)


def _due(moment: _Moment, now: float, started: float, connected: float | None) -> bool:
    since = started if moment.after_start else connected
    return since is not None and now - since >= moment.seconds

"""A random life of a workspace with a fault at any store operation, held against a plain model.

Questions and answers, rewinds, runs, forks, files, pruning, new keys and deletion, in any order:
whatever fails, every version that is kept says what it said, and people's answers are never lost,
doubled or brought back.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.conftest import CAMPAIGN
from tests.life import World

from safepoint import (
    Conflict,
    NotFound,
    OutcomeUnknown,
    Patience,
    PlannedStep,
    RetentionPolicy,
    Store,
    Unavailable,
    Workspace,
)
from safepoint.crypto.keyring import KeyFile
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
STEPS = st.sampled_from(["pay", "send"])
QUESTIONS = st.sampled_from(["may pay", "may send"])
FILES = st.sampled_from(["a.txt", "b/c.bin"])
STATES = st.integers() | st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3)
FAULTS = st.none() | st.tuples(st.integers(0, 12), st.sampled_from(list(Fault)))

KEY_FILE = Path(tempfile.mkdtemp()) / "key"
KEY_FILE.write_text(KeyFile(bytes(range(32))).text())

Given = tuple[int, Fault] | None


@cache
def saved(count: int) -> tuple[dict[str, bytes], World]:
    """The objects of a store whose workspace was saved so often, and the model of it."""
    inner, world = MemoryObjects(), World()

    async def fill() -> dict[str, bytes]:
        async with Store.open(inner, key_file=KEY_FILE, clock=lambda: BEGAN) as store:
            for number in range(count):
                await store.workspace("work").save(number)
                world.save(number)
        keys = await inner.list("", limit=10_000)
        return {key: await inner.get(key) or b"" for key in keys}

    return asyncio.run(fill()), world


class Life(RuleBasedStateMachine):
    """`worlds` are what the workspace may be: two after an unclear outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.inner = MemoryObjects()
        self.now = BEGAN
        self.worlds = [World()]
        self.forks: dict[str, tuple[int, World]] = {}

    @property
    def world(self) -> World:
        assert len(self.worlds) == 1
        return self.worlds[0]

    @initialize(saves=st.sampled_from([1, 600]))
    def begin(self, saves: int) -> None:
        """With 600 versions, two days old, pruning removes objects."""
        objects, world = saved(saves)
        self.worlds = [world.copy()]
        for key, data in objects.items():
            self.runner.run(self.inner.put(key, data))
        self.now += timedelta(days=2)
        self.runner.run(self.open())

    def teardown(self) -> None:
        try:
            self.runner.run(self.verified())
            self.forks_say_what_they_said()
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()

    async def open(self) -> None:
        self.faulty = FaultyObjects(self.inner)
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(self.fresh(self.faulty))

    def fresh(self, objects: Any) -> Any:
        return Store.open(
            objects, key_file=KEY_FILE, clock=lambda: self.now, patience=Patience(5, 0.05)
        )

    def attempt(
        self,
        call: Callable[[Workspace], Awaitable[Any]],
        fault: Given,
        *after: World,
        several: bool = False,
    ) -> Any:
        """Run a change under a fault. What it says must be true; what it cannot know is settled."""
        before = self.world
        if fault is not None:
            self.faulty.schedule = {self.faulty.operations + fault[0]: fault[1]}
        reply = None
        try:
            reply = self.runner.run(call(self.store.workspace("work")))  # type: ignore[arg-type]
            self.worlds = list(after)
        except (OutcomeUnknown, Crash):
            self.worlds = [before, *after]
        except Unavailable:  # of several commits, or of what follows one
            self.worlds = [before, *after] if several else [before]
        self.faulty.schedule = {}
        self.runner.run(self.faulty.land())
        if self.faulty.crashed:
            self.runner.run(self.open())
        self.settle()
        return reply

    def changed(self, change: Callable[[World], Any]) -> World:
        after = self.world.copy()
        change(after)
        return after

    @rule(state=STATES, fault=FAULTS)
    def save(self, state: Any, fault: Given) -> None:
        after = self.changed(lambda world: world.save(state))
        self.attempt(lambda work: work.save(state), fault, after)

    @rule(name=STEPS, needs=st.lists(QUESTIONS, max_size=1).map(tuple), fault=FAULTS)
    def plan(self, name: str, needs: tuple[str, ...], fault: Given) -> None:
        step = PlannedStep(name, needs_approval=needs)
        after = self.changed(lambda world: world.plan(name, needs))
        self.attempt(lambda work: work.plan_steps([step]), fault, after)

    @rule(name=STEPS, fault=FAULTS)
    def start(self, name: str, fault: Given) -> None:
        now = self.now.timestamp()
        expected = self.world.decision(name, now)
        after = self.world
        if expected == "run":
            after = self.changed(lambda world: world.start(name, now + LEASE.total_seconds()))
        started = self.attempt(lambda work: work.start_step(name, lease=LEASE), fault, after)
        if started is not None:
            assert started.decision == expected
            assert started.idempotency_key == f"work:{self.world.run}:{name}"

    @rule(name=STEPS, status=st.sampled_from(["done", "failed"]), fault=FAULTS)
    def mark(self, name: str, status: str, fault: Given) -> None:
        step = self.world.steps.get(name)
        if step is None or step.status != "running" or step.until > self.now.timestamp():
            return
        after = self.changed(lambda world: world.mark(name, status))
        self.attempt(lambda work: work.mark_step_done(name, status=status), fault, after)

    @rule(name=QUESTIONS, text=st.sampled_from(["Now?", "Then?"]), fault=FAULTS)
    def ask(self, name: str, text: str, fault: Given) -> None:
        after = self.changed(lambda world: world.ask(name, text))
        self.attempt(lambda work: work.approvals.request(name, text, single_use=True), fault, after)

    @rule(name=QUESTIONS, verdict=st.sampled_from(["approve", "deny"]), fault=FAULTS)
    def decide(self, name: str, verdict: str, fault: Given) -> None:
        if name not in self.world.questions:
            return
        status = {"approve": "approved", "deny": "denied"}[verdict]
        known = self.world.questions[name].status
        after = self.world
        if known == "pending":
            after = self.changed(lambda world: world.decide(name, status))

        async def call(work: Workspace) -> None:
            try:
                await work.approvals.decide(name, verdict)
            except Conflict:
                assert known not in ("pending", status)

        self.attempt(call, fault, after)

    @rule(name=FILES, data=st.binary(max_size=20), fault=FAULTS)
    def save_file(self, name: str, data: bytes, fault: Given) -> None:
        after = self.world
        if self.world.files.get(name) != data:
            after = self.changed(lambda world: world.file(name, data))
        self.attempt(lambda work: work.artifacts.save(name, data), fault, after)

    @rule(name=FILES, fault=FAULTS)
    def remove_file(self, name: str, fault: Given) -> None:
        if name in self.world.files:
            after = self.changed(lambda world: world.file(name, None))
            self.attempt(lambda work: work.artifacts.remove(name), fault, after)

    @rule(data=st.data(), fault=FAULTS)
    def rewind(self, data: st.DataObject, fault: Given) -> None:
        to = data.draw(st.sampled_from(self.world.firm()), label="version")
        after = self.changed(lambda world: world.rewind(to))
        before = self.world
        rewound = self.attempt(lambda work: work.rewind(version=to), fault, after, before)
        if rewound is not None:
            assert rewound.repeated == (self.world.version == before.version)
            assert not rewound.repeated or after.seen()[1:] == before.seen()[1:]

    @rule(fault=FAULTS)
    def begin_a_run(self, fault: Given) -> None:
        run, now = self.world.run, self.now.timestamp()
        held = any(s.status == "running" and s.until > now for s in self.world.steps.values())
        after = self.world if held else self.changed(World.begin_run)

        async def call(work: Workspace) -> None:
            try:
                await work.start_new_run(run=run)
            except Conflict:
                assert held

        self.attempt(call, fault, after)

    @rule(data=st.data(), fault=FAULTS)
    def fork(self, data: st.DataObject, fault: Given) -> None:
        version = data.draw(st.sampled_from(self.world.firm()), label="version")
        name = f"fork {len(self.forks) + 1}"

        async def call(work: Workspace) -> Any:
            return await work.fork(name, version=version)

        recorded = self.changed(World.commit)
        self.attempt(call, fault, recorded, several=True)
        if self.world is not recorded:
            self.attempt(call, None, recorded)
        assert self.runner.run(call(self.store.workspace("work"))).repeated
        self.forks[name] = version, self.world.past[version]
        self.settle()

    @rule(fault=FAULTS)
    def delete(self, fault: Given) -> None:
        if self.world.version < 8:
            return

        async def call(work: Workspace) -> None:
            await self.store.delete("work")

        self.forks = {name: (0, origin) for name, (_, origin) in self.forks.items()}
        after = self.changed(World.delete)
        self.attempt(call, fault, after, several=True)
        self.attempt(call, None, after if self.world.exists else self.world)
        self.save("anew", None)

    @rule(keep_last=st.integers(1, 3), fault=FAULTS)
    def prune(self, keep_last: int, fault: Given) -> None:
        forked = {version for version, _ in self.forks.values()}
        after = self.changed(lambda world: world.prune(keep_last, forked))
        before, policy = self.world, RetentionPolicy(keep_last=keep_last)
        self.attempt(lambda work: work.retention.prune(policy), fault, after, before, several=True)
        self.attempt(lambda work: work.retention.prune(policy), None, self.world, after)

    @rule(fault=FAULTS)
    def rotate_keys(self, fault: Given) -> None:
        async def call(work: Workspace) -> None:
            if not (await self.store.keys.rotate(["work"])).finished:
                raise Unavailable("the store failed on the way")

        self.attempt(call, fault, self.changed(World.commit), several=True)

    @rule(seconds=st.sampled_from([1, 31, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def the_process_is_replaced(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.run(self.open())

    @rule()
    def everything_can_be_verified(self) -> None:
        self.runner.run(self.verified())

    async def verified(self) -> None:
        async with self.fresh(self.inner) as store:
            report = await store.verify(deep=True)
            assert report.ok, report.problems

    def settle(self) -> None:
        """Look with a fresh process which world is the real one."""
        observed = self.runner.run(self.observe("work"))
        matching = [world for world in self.worlds if world.seen() == observed]
        assert matching, f"{observed} is none of {[world.seen() for world in self.worlds]}"
        self.worlds = matching[:1]

    @invariant()
    def every_version_says_what_it_said(self) -> None:
        for version, state, files in self.runner.run(self.versions()):
            assert state == self.world.past[version].state
            assert files == self.world.past[version].files

    def forks_say_what_they_said(self) -> None:
        for name, (_, origin) in self.forks.items():
            seen = self.runner.run(self.observe(name))
            assert (seen[2], seen[4], seen[5]) == (origin.state, {}, origin.files)
            assert seen[1] == 1

    async def versions(self) -> list[tuple[int, Any, dict[str, bytes]]]:
        async with self.fresh(self.inner) as store:
            work = store.workspace("work")
            found = []
            for version in {*self.world.firm()[:4], *self.world.firm()[-4:]}:
                state = (await work.load(version=version)).state
                found.append((version, state, await self.files(work, version)))
            return found

    async def files(self, work: Workspace, version: int | None = None) -> dict[str, bytes]:
        listed = (await work.artifacts.list(version=version)).items
        return {
            info.name: await work.artifacts.load(info.name, revision=info.revision)
            for info in listed
        }

    async def observe(self, name: str) -> Any:
        async with self.fresh(self.inner) as store:
            work = store.workspace(name)
            try:
                loaded = await work.load()
            except NotFound:
                return None
            steps = {
                s.name: ("running" if s.status == "interrupted" else str(s.status), s.attempts)
                for s in (await work.steps()).items
            }
            questions = {q.name: (str(q.status), q.used_by) for q in await work.approvals.list()}
            run, files = loaded.brief.run, await self.files(work)
            return (loaded.version, run, loaded.state, steps, questions, files)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=15 * CAMPAIGN, stateful_step_count=30, deadline=None)

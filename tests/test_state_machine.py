"""A random history with a fault at any store operation, held against a plain model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.conftest import CAMPAIGN
from tests.model import ModelStep, ModelWorkspace

from safepoint import (
    Conflict,
    NotFound,
    OutcomeUnknown,
    Patience,
    PlannedStep,
    Store,
    Unavailable,
    Workspace,
)
from safepoint.crypto.keyring import KeyFile
from safepoint.filing.sweep import orphans, sweep_artifacts
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects

LEASE = timedelta(seconds=30)
FILES = ["a.txt", "d/b"]
STEPS = ("fetch", "parse", "send")
STATES = st.one_of(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=20), max_size=4),
    st.integers(min_value=1, max_value=40).map(lambda n: {"messages": ["word " * 30] * n}),
    st.integers(),
    st.none(),
)
FAULTS = st.none() | st.tuples(st.integers(0, 6), st.sampled_from(list(Fault)))

KEY_FILE = Path(tempfile.mkdtemp()) / "key"
KEY_FILE.write_text(KeyFile(bytes(range(32))).text())


class Machine(RuleBasedStateMachine):
    """`worlds` are the states that the workspace may be in: two after an unclear outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.inner = MemoryObjects()
        self.faulty = FaultyObjects(self.inner)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.worlds = [ModelWorkspace()]
        self.stack = AsyncExitStack()
        self.requests = 0

    @property
    def model(self) -> ModelWorkspace:
        assert len(self.worlds) == 1
        return self.worlds[0]

    @initialize()
    def make(self) -> None:
        self.runner.run(self.open())

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    async def open(self) -> None:
        """A process: over the same inner store, without any memory."""
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
        fault: tuple[int, Fault] | None,
        after: ModelWorkspace,
    ) -> Any:
        """Run a change under a fault. What it says must be true; what it cannot know is settled."""
        before = self.model
        if fault is not None:
            self.faulty.schedule = {self.faulty.operations + fault[0]: fault[1]}
        reply = None
        try:
            reply = self.runner.run(call(self.store.workspace("work")))  # type: ignore[arg-type]
            self.worlds = [after]
        except OutcomeUnknown:
            self.worlds = [before, after]
        except Unavailable:
            self.worlds = [before]
        except Crash:
            self.worlds = [before, after]
        self.faulty.schedule = {}
        self.runner.run(self.faulty.land())
        if self.faulty.crashed:
            self.runner.run(self.open())
        self.settle()
        return reply

    @rule(state=STATES, label=st.none() | st.sampled_from(["a", "b"]), fault=FAULTS)
    def save(self, state: Any, label: str | None, fault: tuple[int, Fault] | None) -> None:
        after = self.model.copy()
        after.save(state, label)
        saved = self.attempt(lambda w: w.save(state, label=label), fault, after)
        assert saved is None or saved.version == after.version

    @rule(state=STATES, fault=FAULTS)
    def save_once_however_often_it_is_repeated(
        self, state: Any, fault: tuple[int, Fault] | None
    ) -> None:
        self.requests += 1
        request = f"request {self.requests}"
        after = self.model.copy()
        after.save(state, None, request)
        self.attempt(lambda w: w.save(state, request_id=request), fault, after)
        if request not in self.model.requests:
            after = self.model.copy()
            after.save(state, None, request)
        else:
            after = self.model
        saved = self.attempt(lambda w: w.save(state, request_id=request), None, after)
        assert saved.version == self.model.requests[request]

    @rule(state=STATES, wrong=st.integers(1, 3), fault=FAULTS)
    def save_on_a_stale_version_is_refused(
        self, state: Any, wrong: int, fault: tuple[int, Fault] | None
    ) -> None:
        async def refused(workspace: Workspace) -> None:
            try:
                await workspace.save(state, expected_version=self.model.version + wrong)
            except Conflict:
                return
            pytest.fail("a stale save was accepted")

        self.attempt(refused, fault, self.model)

    @rule(names=st.lists(st.sampled_from(STEPS), min_size=1, max_size=3, unique=True), fault=FAULTS)
    def plan(self, names: list[str], fault: tuple[int, Fault] | None) -> None:
        planned = [(name, tuple(names[:index])) for index, name in enumerate(names)]
        if any(after and set(after) & self.later(name) for name, after in planned):
            return
        after = self.model.copy()
        after.plan(planned)
        self.attempt(lambda w: w.plan_steps(_planned(planned)), fault, after)

    def later(self, name: str) -> set[str]:
        """Steps that wait for `name`, so that it must not wait for them."""
        return {n for n, step in self.model.steps.items() if step.after and n != name}

    @rule(name=st.sampled_from(STEPS), fault=FAULTS)
    def start(self, name: str, fault: tuple[int, Fault] | None) -> None:
        now = self.now.timestamp()
        expected = self.model.decision(name, now)
        after = self.model.copy()
        if expected == "run":
            after.start(name, now + LEASE.total_seconds())
        started = self.attempt(lambda w: w.start_step(name, lease=LEASE), fault, after)
        if started is not None:
            assert started.decision == expected
            assert started.idempotency_key == f"work:1:{name}"
            if expected == "run":
                assert started.fencing_token == after.version
            if expected == "skip":
                assert started.result == self.model.steps[name].result

    @rule(
        name=st.sampled_from(STEPS),
        status=st.sampled_from(["done", "failed", "skipped"]),
        result=st.integers() | st.none(),
        state=st.none() | st.integers(),
        token_offset=st.sampled_from([0, 0, 0, 0, -1]),
        retryable=st.booleans(),
        fault=FAULTS,
    )
    def mark(
        self,
        name: str,
        status: str,
        result: Any,
        state: int | None,
        token_offset: int,
        retryable: bool,
        fault: tuple[int, Fault] | None,
    ) -> None:
        step = self.model.steps.get(name, ModelStep())
        if step.status in ("done", "skipped") or step.status == "failed":
            return
        token = None if step.token is None else step.token + token_offset
        if step.status == "pending":
            token = None
        arguments: dict[str, Any] = {"status": status, "result": result, "fencing_token": token}
        if status == "failed":
            arguments["retryable"] = retryable
        if state is not None:
            arguments["state"] = state
        unknown = name not in self.model.steps
        stale = token is not None and token_offset != 0
        after = self.model.copy()
        if not unknown and not stale:
            after.mark(name, status, result, retryable=retryable)
            if state is not None:
                after.version -= 1
                after.save(state)

        async def call(workspace: Workspace) -> Any:
            try:
                return await workspace.mark_step_done(name, **arguments)
            except NotFound:
                assert unknown
            except Conflict as conflict:
                if not stale or conflict.code != "stale_token":
                    raise

        marked = self.attempt(call, fault, after)
        if marked is not None and self.model.steps[name].status == status:
            again = self.attempt(call, None, self.model)
            assert again.repeated
            assert again.version == marked.version

    @rule(name=st.sampled_from(FILES), data=st.binary(max_size=2), fault=FAULTS)
    def save_a_file(self, name: str, data: bytes, fault: tuple[int, Fault] | None) -> None:
        after = self.model.copy()
        after.put_file(name, data)
        repeated = after.version == self.model.version
        saved = self.attempt(lambda w: w.artifacts.save(name, data), fault, after)
        if saved is not None:
            assert saved.repeated == repeated
            assert saved.revision == len(after.revisions[name])

    @rule(name=st.sampled_from(FILES), fault=FAULTS)
    def remove_a_file(self, name: str, fault: tuple[int, Fault] | None) -> None:
        after = self.model.copy()
        after.remove_file(name)

        async def call(workspace: Workspace) -> None:
            try:
                await workspace.artifacts.remove(name)
            except NotFound:
                assert name not in self.model.revisions

        self.attempt(call, fault, after)

    @rule(seconds=st.sampled_from([1, 29, 31]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def the_process_is_replaced(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.run(self.open())

    @rule(state=STATES, fault=FAULTS)
    def another_process_saves_in_between(self, state: Any, fault: Any) -> None:
        async def other() -> None:
            async with self.fresh(self.inner) as store:
                await store.workspace("work").save(state)

        self.runner.run(other())
        self.model.save(state)
        self.save(state, None, fault)

    def settle(self) -> None:
        """Look with a fresh process which world is the real one."""
        observed = self.runner.run(self.observe())
        matching = [world for world in self.worlds if _expected(world) == observed]
        assert matching, f"{observed} is none of {[_expected(w) for w in self.worlds]}"
        self.worlds = matching[:1]

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        if hasattr(self, "store"):
            self.settle()

    async def observe(self) -> Any:
        async with self.fresh(self.inner) as store:
            workspace = store.workspace("work")
            try:
                loaded = await workspace.load()
            except NotFound:
                return (0, None, [], {}, {}, {})
            page = await workspace.checkpoints(limit=1000)
            states = [
                (c.version, c.label, (await workspace.load(version=c.version)).state)
                for c in reversed(page.items)
            ]
            steps = {s.name: s for s in (await workspace.steps()).items}
            return (
                loaded.version,
                loaded.state if loaded.state_json else None,
                states,
                {
                    n: (
                        "running" if s.status == "interrupted" else str(s.status),
                        s.attempts,
                        s.result,
                    )
                    for n, s in steps.items()
                },
                *await self.observe_files(store),
            )

    async def observe_files(self, store: Store) -> tuple[dict[str, bytes], dict[str, list[bytes]]]:
        """What is current, and all revisions; after a sweep of what no version names."""
        log, artifacts = store.open_log("work").log, store.workspace("work").artifacts
        await sweep_artifacts(log, older_than=-timedelta(days=1))
        assert await orphans(log) == []
        names = [info.name for info in (await artifacts.list()).items]
        known = (await log.head()).document.artifacts
        return (
            {name: await artifacts.load(name) for name in names},
            {
                name: [await artifacts.load(name, revision=n + 1) for n in range(len(known[name]))]
                for name in known
            },
        )


def _expected(world: ModelWorkspace) -> Any:
    steps = {n: (s.status, s.attempts, s.result) for n, s in world.steps.items()}
    files = (world.files, world.revisions)
    return (world.version, world.state, world.checkpoints, steps, *files)


def _planned(steps: list[tuple[str, tuple[str, ...]]]) -> Any:
    return [PlannedStep(name, after=after) for name, after in steps]


TestStateMachine = Machine.TestCase
TestStateMachine.settings = settings(
    max_examples=40 * CAMPAIGN, stateful_step_count=30, deadline=None
)

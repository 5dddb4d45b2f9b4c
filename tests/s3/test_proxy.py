"""Trouble at every request of a short story: nothing acknowledged is lost, nothing done twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.s3.bucket import SELDOM, Bucket
from tests.servers.proxy import Proxy, Request, Trouble

from safepoint import NotFound, OutcomeUnknown, Patience, Store, Unavailable, Workspace
from safepoint.objects.s3 import S3Objects

pytestmark = pytest.mark.anyio

INTERNAL, SLOW_DOWN, GATEWAY = (500, "InternalError"), (503, "SlowDown"), (503, "")
AT_ONE_REQUEST = [
    (Trouble.CUT_BEFORE, INTERNAL),
    (Trouble.CUT_AFTER, INTERNAL),
    (Trouble.CUT_ANSWER, INTERNAL),
    (Trouble.ERROR_BEFORE, INTERNAL),
    (Trouble.ERROR_BEFORE, SLOW_DOWN),
    (Trouble.ERROR_AFTER, INTERNAL),
    (Trouble.ERROR_AFTER, GATEWAY),
    (Trouble.DUPLICATE, INTERNAL),
    (Trouble.LATE, INTERNAL),
    (Trouble.HELD, INTERNAL),
]
FROM_ONE_REQUEST_ON = [
    (Trouble.CUT_BEFORE, INTERNAL),
    (Trouble.CUT_AFTER, INTERNAL),
    (Trouble.ERROR_BEFORE, SLOW_DOWN),
    (Trouble.ERROR_AFTER, INTERNAL),
    (Trouble.ERROR_AFTER, GATEWAY),
    (Trouble.LATE, INTERNAL),
    (Trouble.HELD, INTERNAL),  # puts, which arrive long after; all else is cut
]
CALLS = ("save", "start", "mark", "load")
REQUESTS = 8
LEASE = timedelta(minutes=5)


def named(value: object) -> str | None:
    return f"{value[0]} {value[1]}" if isinstance(value, tuple) else None


@dataclass
class Agent:
    """Saves, starts a step, marks it done and loads. `told` is by which version each was done."""

    token: int | None = None
    told: dict[str, int] = field(default_factory=dict)

    async def do(self, call: str, work: Workspace) -> None:
        if call == "save":
            done: Any = await work.save({"page": 1}, request_id="first")
        elif call == "start":
            done = await work.start_step("send", lease=LEASE)
            assert done.decision == "run"
            self.token = done.fencing_token
        elif call == "mark":
            done = await work.mark_step_done(
                "send", result="sent", fencing_token=self.token, state={"page": 2}
            )
        else:
            done = await work.load()
            assert done.state == {"page": 2}
        self.told[call] = done.version


class Case:
    """A store of its own, a proxy before it, and a clock. Requests through it count from 0."""

    def __init__(self, fake: Bucket, direct: Any, proxy: Proxy) -> None:
        self.proxy = proxy
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._fake = fake
        self._prefix = uuid.uuid4().hex
        self._direct = direct

    def open(self) -> Any:
        """As a process has it that is not troubled."""
        return self._open(S3Objects(self._direct, self._fake.server.bucket, self._prefix), 10.0)

    @asynccontextmanager
    async def troubled(self, timeout: float, patience: float) -> AsyncIterator[Workspace]:
        """As a process has it that goes through the proxy."""
        objects = self._fake.server.at(self.proxy.url).objects(
            self._prefix, timeout=timeout, read_timeout=2.5
        )
        async with self._open(objects, patience) as store:
            self.proxy.requests.clear()
            yield store.workspace("work")
            self.proxy.decide = lambda n, request: None

    async def arrive(self) -> None:
        """What is late or held reaches the server now."""
        self.proxy.release()
        await asyncio.to_thread(self.proxy.land)
        if self.proxy.held.is_set():
            assert await asyncio.to_thread(self.proxy.landed.wait, 30)

    def _open(self, objects: S3Objects, patience: float) -> Any:
        return Store.open(
            objects,
            key_file=self._fake.key_file,
            clock=lambda: self.now,
            patience=Patience(10.0, patience),
            pace=SELDOM,
            pages="off",
        )

    async def history(self) -> list[tuple[int, str]]:
        """Versions and kinds, oldest first, as a fresh process reads them."""
        async with self.open() as store:
            try:
                events = (await store.workspace("work").history()).items
            except NotFound:
                return []
        return [(event.version, event.kind) for event in reversed(events)]


@asynccontextmanager
async def cases(fake: Bucket) -> AsyncIterator[list[Case]]:
    """One for each request of the story, and each in a store that is there already."""
    async with AsyncExitStack() as stack:
        direct = fake.server.client()
        stack.callback(direct.close)
        made = [
            Case(fake, direct, stack.enter_context(Proxy(fake.server.endpoint)))
            for _ in range(REQUESTS)
        ]
        for case in made:
            async with case.open():
                pass
        yield made


async def test_the_story_has_so_many_requests(fake: Bucket) -> None:
    async with cases(fake) as (case, *_), case.troubled(timeout=10.0, patience=10.0) as work:
        agent = Agent()
        for call in CALLS:
            await agent.do(call, work)
        assert len(case.proxy.requests) == REQUESTS, case.proxy.seen


@pytest.mark.parametrize(("trouble", "error"), AT_ONE_REQUEST, ids=named)
async def test_trouble_at_one_request_goes_unnoticed(
    fake: Bucket, trouble: Trouble, error: tuple[int, str]
) -> None:
    async def one(number: int, case: Case) -> None:
        case.proxy.error = error
        agent = Agent()
        async with case.troubled(timeout=10.0, patience=10.0) as work:
            case.proxy.schedule = {number: trouble}
            for call in CALLS:
                if (call, trouble) == ("load", Trouble.CUT_ANSWER) and number == REQUESTS - 1:
                    with pytest.raises(Unavailable):  # half of "no such key" may be anything
                        await agent.do(call, work)
                await agent.do(call, work)
            assert len(case.proxy.requests) > number
            await case.arrive()
        assert agent.told == {"save": 1, "start": 2, "mark": 3, "load": 3}
        assert await case.history() == [(1, "save"), (2, "start"), (3, "done")]

    async with cases(fake) as made:
        await asyncio.gather(*(one(number, case) for number, case in enumerate(made)))


@pytest.mark.parametrize(("trouble", "error"), FROM_ONE_REQUEST_ON, ids=named)
async def test_trouble_that_stays_is_told_truly_and_what_is_repeated_happens_once(
    fake: Bucket, trouble: Trouble, error: tuple[int, str]
) -> None:
    def trouble_for(request: Request) -> Trouble:
        held = trouble is Trouble.HELD and request.method != "PUT"
        return Trouble.CUT_BEFORE if held else trouble

    async def one(first: int, case: Case) -> bool:
        case.proxy.error = error
        agent = Agent()
        async with case.troubled(timeout=2.5, patience=0.2) as work:
            case.proxy.decide = lambda n, request: trouble_for(request) if n >= first else None
            try:
                for call in CALLS:
                    await agent.do(call, work)
            except OutcomeUnknown:
                unknown = True
            except Unavailable:
                unknown = False
            else:
                pytest.fail("nobody noticed")
            await is_true(case, agent, call, unknown=unknown)
            await repeated_elsewhere(case, agent, call, unknown=unknown)
            before = await case.history()
            await case.arrive()
            assert await case.history() == before
        return unknown

    async with cases(fake) as made:
        told = await asyncio.gather(*(one(first, case) for first, case in enumerate(made)))
    assert set(told) == {False, True} if trouble is not Trouble.ERROR_BEFORE else {False}


async def is_true(case: Case, agent: Agent, failed: str, *, unknown: bool) -> None:
    """What was acknowledged is there; what failed is not, unless that was left open."""
    happened = [version for version, _ in await case.history()]
    acknowledged = len(agent.told)
    assert happened == list(range(1, len(happened) + 1))
    assert len(happened) == acknowledged or (unknown and len(happened) == acknowledged + 1)
    assert not (unknown and failed == "load")


async def repeated_elsewhere(case: Case, agent: Agent, failed: str, *, unknown: bool) -> None:
    """Another process goes on with the call that failed, when the lease of the first is over."""
    case.now += LEASE if failed == "start" and unknown else timedelta()
    async with case.open() as store:
        for call in CALLS[CALLS.index(failed) :]:
            await agent.do(call, store.workspace("work"))
    kinds = [kind for _, kind in await case.history()]
    assert kinds in (["save", "start", "done"], ["save", "start", "start", "done"])
    assert len(kinds) == 3 or (unknown and failed == "start")
    assert agent.told["mark"] == agent.told["load"] == len(kinds)

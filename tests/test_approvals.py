"""Approvals of workspaces at real stores: asked once, decided once, listed, in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from tests.place import Place

from safepoint import (
    Actor,
    ApprovalStatus,
    Conflict,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PlannedStep,
    Store,
    Unavailable,
    Workspace,
)
from safepoint.format.keys import log_key, summary_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, Crash, Fault, FaultyObjects

pytestmark = pytest.mark.anyio

ANN, BEN = Actor("ann"), Actor("ben")
HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    objects: ObjectStore | None = None
    if request.param == "local":
        objects = LocalObjects(tmp_path / "store")
    return Place(tmp_path, objects)


@pytest.fixture
async def job(place: Place) -> AsyncIterator[Workspace]:
    async with place.process() as store:
        yield store.workspace("job")


async def kinds(workspace: Workspace) -> list[str]:
    return [event.kind for event in reversed((await workspace.history()).items)]


async def test_a_question_is_asked_answered_and_read_by_another_process(place: Place) -> None:
    async with place.process() as asking:
        approvals = asking.workspace("job").approvals
        form = {"type": "object", "properties": {"amount": {"type": "integer"}}}
        requested = await approvals.request(
            "pay", "How much?", details="To ACME", answer_schema=form, subject={"to": ["ACME", 1]}
        )
        assert (requested.asked, requested.replaced) == (True, None)
    async with place.process() as deciding:
        seen = await deciding.workspace("job").approvals.get("pay")
        assert (seen.status, seen.subject, seen.answer_schema) == (
            ApprovalStatus.PENDING,
            {"to": ["ACME", 1]},
            form,
        )
        place.now += HOUR
        await deciding.workspace("job").approvals.decide(
            "pay", "answer", by=ANN, channel="console", answer={"amount": 5}, digest=seen.digest
        )
    async with place.process() as store:
        told = await store.workspace("job").approvals.get("pay")
        assert (told.status, told.answer) == (ApprovalStatus.ANSWERED, {"amount": 5})
        assert (told.decided_by, told.channel, told.decided_at) == (ANN, "console", place.now)
        assert told.given
        events = (await store.workspace("job").history()).items
        assert [(event.kind, event.actor.name) for event in events] == [
            ("answer", "ann"),
            ("ask", "tester"),
        ]
        assert events[0].detail == {"approval": "pay", "channel": "console"}


async def test_repeating_a_question_commits_nothing(job: Workspace) -> None:
    first = await job.approvals.request("deploy", "Deploy?", expires_in=HOUR)
    again = await job.approvals.request("deploy", "Deploy?", expires_in=2 * HOUR)
    assert (again.asked, again.approval) == (False, first.approval)
    assert await kinds(job) == ["ask"]


async def test_what_is_not_there_is_not_found(job: Workspace) -> None:
    with pytest.raises(NotFound) as caught:
        await job.approvals.list()
    assert caught.value.code == "workspace_not_found"
    await job.save({})
    for call in (
        job.approvals.get("deploy"),
        job.approvals.decide("deploy", "deny"),
        job.approvals.withdraw("deploy"),
        job.approvals.consume("deploy", "x"),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.code == "approval_not_found"


@pytest.mark.parametrize("verdict", ["yes", "", "approved"])
async def test_a_verdict_is_one_of_three(job: Workspace, verdict: str) -> None:
    await job.approvals.request("deploy", "Deploy?")
    with pytest.raises(InvalidInput):
        await job.approvals.decide("deploy", verdict)


async def test_a_list_is_in_the_order_of_asking_and_of_one_status_if_wanted(
    job: Workspace, place: Place
) -> None:
    for name in ("c", "a", "b"):
        await job.approvals.request(name, "May I?", expires_in=HOUR if name == "a" else None)
    await job.approvals.decide("b", "deny", by=ANN)
    place.now += HOUR
    assert [(one.name, str(one.status)) for one in await job.approvals.list()] == [
        ("c", "pending"),
        ("a", "expired"),
        ("b", "denied"),
    ]
    assert [one.name for one in await job.approvals.list("expired")] == ["a"]
    with pytest.raises(InvalidInput):
        await job.approvals.list("open")


async def test_of_many_who_decide_at_once_one_wins_and_the_others_are_told_who(
    place: Place,
) -> None:
    async with place.process() as first, place.process() as second:
        await first.workspace("job").approvals.request("deploy", "Deploy?")
        people = [Actor(f"person {n}") for n in range(6)]
        done = await asyncio.gather(
            *(
                store.workspace("job").approvals.decide("deploy", verdict, by=by, channel="cli")
                for store, by, verdict in zip(
                    [first, second] * 3, people, ["approve", "deny"] * 3, strict=True
                )
            ),
            return_exceptions=True,
        )
        winners = [
            by for by, one in zip(people, done, strict=True) if not isinstance(one, Conflict)
        ]
        assert len(winners) == 1
        told = await first.workspace("job").approvals.get("deploy")
        assert told.decided_by == winners[0]
        for one in done:
            if isinstance(one, Conflict):
                assert one.code == "already_decided"
                assert f"by {winners[0].name} (cli)" in one.message
        assert len(await kinds(first.workspace("job"))) == 2


async def test_a_decision_never_lands_on_a_question_that_was_changed_meanwhile(
    place: Place,
) -> None:
    outcomes: Counter[str] = Counter()
    async with place.process() as asking, place.process() as deciding:
        for number in range(20):
            asked, decided = asking.workspace("job").approvals, deciding.workspace("job").approvals
            seen = (await asked.request("deploy", "Deploy?", subject=number)).approval
            answers = await asyncio.gather(
                asked.request("deploy", "Deploy?", subject=f"other than {number}"),
                decided.decide("deploy", "approve", by=ANN, digest=seen.digest),
                return_exceptions=True,
            )
            approval = await asked.get("deploy")
            assert approval.status == "pending"
            assert approval.subject == f"other than {number}"
            if isinstance(answers[1], Conflict):
                assert answers[1].code == "approval_changed"
                outcomes["refused"] += 1
            else:
                assert answers[0].replaced == "approved"  # type: ignore[union-attr]
                outcomes["given way"] += 1
    assert outcomes.total() == 20


async def test_an_expired_question_is_not_decided_and_is_asked_anew(
    job: Workspace, place: Place
) -> None:
    first = (await job.approvals.request("deploy", "Deploy?", expires_in=HOUR)).approval
    place.now += HOUR - timedelta(milliseconds=1)
    assert (await job.approvals.get("deploy")).status == "pending"
    place.now += timedelta(milliseconds=1)
    assert (await job.approvals.get("deploy")).status == "expired"
    with pytest.raises(Conflict) as caught:
        await job.approvals.decide("deploy", "approve", by=ANN)
    assert caught.value.code == "approval_expired"
    again = await job.approvals.request("deploy", "Deploy?", expires_in=HOUR)
    assert (again.asked, again.replaced) == (True, "expired")
    assert again.approval.digest != first.digest
    assert await kinds(job) == ["ask", "ask"]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("at", range(6))
async def test_no_trouble_decides_twice_or_loses_a_decision(
    tmp_path: Path, fault: Fault, at: int
) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        await store.workspace("job").approvals.request("deploy", "Deploy?", single_use=True)
    faulty = FaultyObjects(place.objects)
    clear = True
    try:
        async with place.process(faulty) as store:
            faulty.schedule = {faulty.operations + at: fault}
            await store.workspace("job").approvals.decide("deploy", "approve", by=ANN)
    except (OutcomeUnknown, Crash, Unavailable):
        clear = False
    await faulty.land()
    async with place.process() as store:
        job = store.workspace("job")
        before = await job.approvals.get("deploy")
        assert before.given or not clear
        decided = await job.approvals.decide("deploy", "approve", by=ANN)
        assert decided.repeated is before.given
        assert await kinds(job) == ["ask", "approve"]


async def fill(store: Store, count: int) -> None:
    for number in range(count):
        approvals = store.workspace(f"job {number:02}").approvals
        for name in ("one", "two", "three"):
            await approvals.request(name, f"{name}?")
        await approvals.decide("two", "deny", by=ANN)
    await store.workspace("without").save({})
    await store.workspace("expired").approvals.request("x", "X?", expires_in=HOUR)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_the_inbox_has_every_open_question_once_however_it_is_paged(
    place: Place, limit: int
) -> None:
    async with place.process() as store:
        await fill(store, 5)
    place.now += HOUR
    async with place.process() as store:
        found: list[tuple[str, str]] = []
        cursor: str | None = None
        while True:
            page = await store.inbox(limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [(one.workspace, one.name) for one in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert sorted(found) == [(f"job {n:02}", x) for n in range(5) for x in ("one", "three")]
        with pytest.raises(InvalidInput, match="cursor"):
            await store.inbox(cursor="nonsense")


async def test_a_damaged_workspace_hides_no_question_of_another(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        for name in ("broken", "whole"):
            await store.workspace(name).approvals.request("x", "X?")
    data = await place.objects.get(log_key("broken", 1))
    assert data is not None
    await place.objects.put(log_key("broken", 1), data[:-1] + bytes([data[-1] ^ 1]))
    async with place.process() as store:
        assert [one.workspace for one in (await store.inbox()).items] == ["whole"]


async def test_the_inbox_reads_only_workspaces_where_somebody_is_asked(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        for number in range(50):
            await store.workspace(f"quiet {number}").save({"n": number})
        await store.workspace("loud").approvals.request("x", "X?")
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        counting.clear()
        assert [one.name for one in (await store.inbox()).items] == ["x"]
        records = [
            one.key for one in counting.operations if one.verb == "get" and "/log/" in one.key
        ]
        assert len(records) == 1


async def test_what_is_due_is_told_with_its_reasons(place: Place) -> None:
    async with place.process() as store:
        job = store.workspace("job")
        await job.plan_steps([PlannedStep("report", wake_at=place.now + HOUR), "other"])
        await job.start_step("other", lease=timedelta(minutes=90))
        await store.workspace("asking").approvals.request("x", "X?", expires_in=2 * HOUR)
        await store.workspace("quiet").save({})
        assert (await store.workspaces(status="due")).items == ()
    expected = [(0, {}), (1, {"job": ["step report"]})]
    expected.append((2, {"asking": ["expired x"], "job": ["step report", "interrupted other"]}))
    start = place.now
    for hours, due in expected:
        place.now = start + hours * HOUR
        async with place.process() as store:
            found = (await store.workspaces(status="due")).items
            assert {i.name: [f"{d.kind} {d.name}" for d in i.due] for i in found} == due
    async with place.process() as store:
        infos = {info.name: info for info in (await store.workspaces()).items}
        assert (infos["asking"].open_approvals, infos["asking"].next_due) == (0, None)
    place.now = start
    async with place.process() as store:
        infos = {info.name: info for info in (await store.workspaces()).items}
        assert (infos["asking"].open_approvals, infos["job"].next_due) == (1, start + HOUR)


async def test_what_is_due_is_read_from_summaries_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        for number in range(30):
            await store.workspace(f"w{number}").plan_steps(
                [PlannedStep("x", wake_at=place.now + HOUR)]
            )
    place.now += HOUR
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        counting.clear()
        assert len((await store.workspaces(status="due")).items) == 30
        assert counting.count("get") == 30
        assert not [one for one in counting.operations if one.verb == "get" and "/log/" in one.key]


async def test_summaries_of_before_there_were_approvals_are_read(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process() as store:
        await store.workspace("job").start_step("x", lease=HOUR)
        key, keys = summary_key("job"), store.shared.keys
    async with place.process() as store:
        from safepoint.behind.summary import Summary, open_sealed, seal_json

        data = await place.objects.get(key)
        assert data is not None
        summary = open_sealed(keys, key, data, Summary.read)
        assert summary is not None
        old = {
            n: v for n, v in summary.stored().items() if n not in ("approvals", "expiries", "due")
        }
        assert set(orjson.loads(orjson.dumps(old))) == set(old)
        sealed = seal_json(keys, key, old, random=lambda count: bytes(count))
        await place.objects.put(key, sealed)
        place.now += HOUR
        (info,) = (await store.workspaces(status="due")).items
        assert [due.kind for due in info.due] == ["interrupted"]
        assert info.open_approvals == 0


async def test_saving_stores_not_a_byte_more_where_nobody_is_asked(tmp_path: Path) -> None:
    place = Place(tmp_path, MemoryObjects())
    async with place.process() as store:
        job = store.workspace("job")
        await job.plan_steps(["a", "b"])
        await job.save({"n": 1})
        document = (await store.open_log("job").log.head()).document
    from safepoint.format.document import encode

    head = orjson.loads(encode(document)[5:].split(b'{"n":1}')[0])
    assert "approvals" not in head
    assert head["steps"] == {"a": {}, "b": {}}

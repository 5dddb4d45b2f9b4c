"""The rules of the SDK's Session protocol, each at stores in memory and on disk."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner
from agents.memory import (
    OpenAIResponsesCompactionAwareSession,
    OpenAIResponsesCompactionSession,
    Session,
    SessionSettings,
)
from openai import AsyncOpenAI
from tests.integrations.openai_agents.script import counting
from tests.place import Place

from safepoint import Conflict, InvalidInput, LimitExceeded, Limits, Unavailable
from safepoint.format.keys import log_key
from safepoint.integrations.openai_agents import SafepointSession
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects

pytestmark = pytest.mark.anyio


def message(text: str) -> Any:
    return {"role": "user", "content": text}


ONE, TWO, THREE = message("one"), message("two"), message("three")


@pytest.fixture(params=["memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(
        tmp_path, MemoryObjects() if request.param == "memory" else LocalObjects(tmp_path / "store")
    )


@pytest.fixture
async def session(place: Place) -> AsyncIterator[SafepointSession]:
    async with place.process() as store:
        yield SafepointSession("chat", store)


async def versions(session: SafepointSession) -> int:
    return (await session.workspace.load()).version


def test_every_method_takes_the_context_of_the_run_by_name() -> None:
    for name in ("get_items", "add_items", "pop_item", "clear_session", "run_compaction"):
        parameter = inspect.signature(getattr(SafepointSession, name)).parameters["wrapper"]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY


async def test_the_protocols_of_the_sdk_take_it(session: SafepointSession) -> None:
    assert isinstance(session, Session)
    assert isinstance(session, OpenAIResponsesCompactionAwareSession)


async def test_a_session_that_was_never_used_is_empty_and_makes_nothing(
    session: SafepointSession,
) -> None:
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.clear_session()
    await session.add_items([])
    await session.run_compaction()
    assert not (await session.workspace.handle.log.head()).exists


async def test_items_come_back_in_order_and_the_newest_when_limited(
    session: SafepointSession,
) -> None:
    await session.add_items([ONE, TWO])
    await session.add_items([THREE])
    assert await session.get_items() == [ONE, TWO, THREE]
    assert await session.get_items(2) == [TWO, THREE]
    assert await session.get_items(limit=10) == [ONE, TWO, THREE]
    assert await session.get_items(limit=0) == []
    assert await session.get_items(limit=-1) == [ONE, TWO, THREE]


async def test_the_limit_of_the_settings_holds_unless_another_is_given(
    session: SafepointSession,
) -> None:
    await session.add_items([ONE, TWO, THREE])
    session.session_settings = SessionSettings(limit=1)
    assert await session.get_items() == [THREE]
    assert await session.get_items(limit=2) == [TWO, THREE]
    session.session_settings = SessionSettings(limit=0)
    assert await session.get_items() == []


async def test_a_batch_is_one_version_and_no_items_are_none(session: SafepointSession) -> None:
    await session.add_items([ONE, TWO, THREE])
    await session.add_items([])
    assert await versions(session) == 1


async def test_one_bad_item_keeps_the_whole_batch_out(session: SafepointSession) -> None:
    with pytest.raises(InvalidInput, match="NaN"):
        await session.add_items([ONE, {"role": "user", "content": float("nan")}])  # type: ignore[list-item,misc]
    assert await session.get_items() == []


async def test_items_are_stored_byte_for_byte_whatever_they_were_added_with(
    session: SafepointSession,
) -> None:
    odd: list[Any] = [
        {"z": 1, "a": [10**40, 1e16, -0.0, 0.1], "": None},
        {"x": 1e16, "text": 'comma ",{" \u2028 \U0001f600 [', "big": 2**63},
        {"deep": [[[{"a": {}}]], ()]},
    ]
    await session.add_items(odd)
    await session.add_items([odd[1]])
    back = await session.get_items()
    assert repr(back[:2]) == repr(odd[:2])  # order of keys, integers and signs too
    assert back[2] == {"deep": [[[{"a": {}}]], []]}
    assert await session.pop_item() == odd[1]
    assert await session.pop_item() == back[2]
    assert repr(await session.pop_item()) == repr(odd[1])
    assert repr(await session.get_items()) == repr(odd[:1])


async def test_dictionaries_of_a_subclass_are_taken_as_the_sdk_takes_them(
    session: SafepointSession,
) -> None:
    class Item(dict[str, Any]): ...

    await session.add_items([Item(ONE)])  # type: ignore[list-item]
    assert await session.get_items() == [ONE]


async def test_pops_take_the_newest_until_nothing_is_left(session: SafepointSession) -> None:
    await session.add_items([ONE, TWO])
    assert [await session.pop_item() for _ in range(3)] == [TWO, ONE, None]
    await session.add_items([THREE])
    assert await session.get_items() == [THREE]


async def test_pops_at_the_same_time_get_each_item_once(place: Place) -> None:
    items = [message(str(n)) for n in range(12)]
    async with place.process() as one, place.process() as other:
        sessions = [SafepointSession("chat", store) for store in (one, other)]
        await sessions[0].add_items(items)
        popped = await asyncio.gather(*(sessions[n % 2].pop_item() for n in range(16)))
        found = [item for item in popped if item is not None]
        assert sorted(map(str, found)) == sorted(map(str, items))
        assert await sessions[1].get_items() == []


async def test_adds_at_the_same_time_keep_each_batch_together(place: Place) -> None:
    async with place.process() as one, place.process() as other:
        sessions = [SafepointSession("chat", store) for store in (one, other)]
        await asyncio.gather(
            *(
                sessions[n % 2].add_items([message(f"{n} first"), message(f"{n} second")])
                for n in range(10)
            )
        )
        found = [str(item["content"]) for item in await sessions[0].get_items()]  # type: ignore[typeddict-item]
    assert len(found) == 20
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert first.split()[0] == second.split()[0]


async def test_what_was_cleared_is_gone_and_older_versions_have_it(
    session: SafepointSession,
) -> None:
    await session.add_items([ONE, TWO])
    await session.clear_session()
    await session.clear_session()
    assert await session.get_items() == []
    assert await versions(session) == 2
    assert (await session.workspace.load(version=1)).state == [ONE, TWO]


async def test_the_items_are_the_state_that_every_other_reader_sees(
    session: SafepointSession,
) -> None:
    await session.add_items([ONE])
    assert (await session.workspace.load()).state == [ONE]
    await session.workspace.save([ONE, TWO], summary="a person added the second")
    assert await session.get_items() == [ONE, TWO]
    await session.workspace.rewind(version=1)
    assert await session.get_items() == [ONE]


async def test_a_workspace_with_another_state_is_refused_and_left_alone(
    session: SafepointSession,
) -> None:
    await session.workspace.save({"page": 3})
    for call in (session.get_items(), session.add_items([ONE]), session.pop_item()):
        with pytest.raises(Conflict) as caught:
            await call
        assert caught.value.code == "not_a_session"
    assert (await session.workspace.load()).state == {"page": 3}


async def test_a_session_that_became_too_large_says_so_and_stays(place: Place) -> None:
    async with place.process(limits=Limits(state_bytes=100)) as store:
        session = SafepointSession("chat", store)
        await session.add_items([ONE])
        with pytest.raises(LimitExceeded):
            await session.add_items([message("x" * 100)])
        assert await session.get_items() == [ONE]


class Gate(MemoryObjects):
    """Commits of one version wait until they are let through."""

    def __init__(self, key: str, *, fails: bool = False) -> None:
        super().__init__()
        self.key, self.fails = key, fails
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, *args: Any, **kwargs: Any) -> bool:
        if key == self.key:
            self.reached.set()
            await self.open.wait()
            if self.fails:
                raise Unavailable("the disk is full", hint="Make room.")
        return await super().put(key, *args, **kwargs)


async def test_a_cancelled_change_is_settled_before_the_cancellation_arrives(
    tmp_path: Path,
) -> None:
    gate = Gate(log_key("chat", 2))
    async with Place(tmp_path, gate).process() as store:
        session = SafepointSession("chat", store)
        await session.add_items([ONE])
        adding = asyncio.create_task(session.add_items([TWO]))
        await gate.reached.wait()
        for _ in range(3):
            adding.cancel()
            await asyncio.wait((adding,), timeout=0)
        assert not adding.done()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await adding
        assert await session.get_items() == [ONE, TWO]


async def test_a_cancelled_pop_has_taken_the_item_when_it_says_so(tmp_path: Path) -> None:
    gate = Gate(log_key("chat", 2))
    async with Place(tmp_path, gate).process() as store:
        session = SafepointSession("chat", store)
        await session.add_items([ONE, TWO])
        popping = asyncio.create_task(session.pop_item())
        await gate.reached.wait()
        popping.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await popping
        assert await session.get_items() == [ONE]


async def test_a_change_that_fails_while_it_is_cancelled_tells_both(tmp_path: Path) -> None:
    gate = Gate(log_key("chat", 2), fails=True)
    async with Place(tmp_path, gate).process() as store:
        session = SafepointSession("chat", store)
        await session.add_items([ONE])
        adding = asyncio.create_task(session.add_items([TWO]))
        await gate.reached.wait()
        adding.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await adding
        assert isinstance(caught.value.__cause__, Unavailable)
        assert await session.get_items() == [ONE]


async def test_a_history_is_compacted_in_one_commit_and_what_came_meanwhile_stays(
    place: Place,
) -> None:
    async with place.process() as store:

        async def compact(items: Any) -> Any:
            assert items == [ONE, TWO]
            await other.add_items([THREE])  # another process, while the summary is written
            return [message("one and two")]

        other = SafepointSession("chat", store)
        session = SafepointSession("chat", store, compact=compact)
        await session.add_items([ONE, TWO])
        await session.run_compaction({"force": True})
        assert await session.get_items() == [message("one and two"), THREE]
        assert await versions(session) == 3
        assert (await session.workspace.load(version=2)).state == [ONE, TWO, THREE]


async def test_a_history_that_was_changed_meanwhile_is_not_replaced(place: Place) -> None:
    async with place.process() as store:

        async def compact(items: Any) -> Any:
            await SafepointSession("chat", store).pop_item()
            return []

        session = SafepointSession("chat", store, compact=compact)
        await session.add_items([ONE, TWO])
        await session.run_compaction()
        assert await session.get_items() == [ONE]
        assert not await session.replace_items([TWO], [])
        assert await session.replace_items([ONE], [THREE])
        assert await session.get_items() == [THREE]


async def test_the_compaction_of_the_sdk_replaces_the_newest_items_atomically(
    session: SafepointSession,
) -> None:
    outer = OpenAIResponsesCompactionSession(
        "chat", session, client=AsyncOpenAI(api_key="none", max_retries=0)
    )
    await outer.add_items([ONE, TWO, THREE])
    snapshot = await outer.underlying_session._get_compaction_snapshot(2)  # type: ignore[attr-defined]
    assert (snapshot.items, snapshot.complete) == ([TWO, THREE], False)
    assert await snapshot.replace_suffix(1, [message("3")])
    assert await outer.get_items() == [ONE, TWO, message("3")]
    assert await versions(session) == 2
    assert not await snapshot.replace_suffix(0, [])  # it is not the end any more
    assert not await snapshot.replace_suffix(2, [ONE])
    whole = await session._get_compaction_snapshot(3)
    assert whole is not None
    assert whole.complete
    assert await whole.replace_suffix(0, [ONE])
    assert await session.get_items() == [ONE]


async def test_a_branch_goes_its_own_way_from_any_version(session: SafepointSession) -> None:
    await session.add_items([ONE])
    await session.add_items([TWO])
    branch = await session.fork("chat-b", version=1)
    await branch.add_items([THREE])
    assert await branch.get_items() == [ONE, THREE]
    assert await session.get_items() == [ONE, TWO]
    assert (branch.session_id, branch.session_settings) == ("chat-b", session.session_settings)


async def test_a_session_is_opened_by_its_id_and_a_url(tmp_path: Path) -> None:
    for count in (1, 2):
        async with SafepointSession.open("Chat | 7 ☂", tmp_path / "s", passphrase="p" * 12) as mine:
            await mine.add_items([ONE])
            assert await mine.get_items() == [ONE] * count


async def test_a_runner_sees_what_the_limit_lets_it_see(session: SafepointSession) -> None:
    model = counting()
    agent = Agent(name="Counter", model=model)
    for text in ("one", "two", "three"):
        await Runner.run(agent, text, session=session)
    session.session_settings = SessionSettings(limit=2)
    result = await Runner.run(agent, "four", session=session)
    assert result.final_output == "seen 3"
    assert [len(seen) for seen in model.seen] == [1, 3, 5, 3]
    assert len(await session.get_items(limit=100)) == 8


async def test_a_runner_compacts_after_its_turn(place: Place) -> None:
    async def compact(items: Any) -> Any:
        return [message("shorter")] if len(items) > 3 else None

    async with place.process() as store:
        session = SafepointSession("chat", store, compact=compact)
        model = counting()
        model.response_id = "resp_1"
        agent = Agent(name="Counter", model=model)
        await Runner.run(agent, "one", session=session)
        assert len(await session.get_items()) == 2
        await Runner.run(agent, "two", session=session)
        assert await session.get_items() == [message("shorter")]


async def test_a_long_session_grows_by_what_is_added(place: Place) -> None:
    async with place.process() as store:
        session = SafepointSession("chat", store)
        for n in range(300):
            await session.add_items([message(f"{n} " + "word " * 200)])
        events = await session.workspace.history(limit=20)
        assert all(event.stored_bytes < 4000 for event in events.items)
        assert {event.detail["session"] for event in events.items} == {"add"}

"""Two writers that go on from one checkpoint: one of them is told. Branches on purpose are not."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest
from langchain_core.runnables import RunnableConfig
from tests.integrations.langgraph.values import Chain, at, checkpoint, metadata
from tests.place import Place

from safepoint import Conflict
from safepoint.integrations.langgraph import SafepointSaver

pytestmark = pytest.mark.anyio


async def go_on(saver: SafepointSaver, loaded: RunnableConfig, id_: str) -> RunnableConfig:
    return await saver.aput(loaded, checkpoint(id_, {"x": id_}, {"x": id_}), metadata(), {"x": id_})


async def newest(saver: SafepointSaver) -> RunnableConfig:
    found = await saver.aget_tuple(at("t"))
    assert found is not None
    return found.config


async def test_of_two_processes_that_loaded_the_newest_the_second_one_is_refused(
    place: Place,
) -> None:
    async with place.process() as one, place.process() as two:
        first, second = SafepointSaver(one), SafepointSaver(two)
        await Chain(first, "t").put({"x": 0})
        mine, other = await newest(first), await newest(second)
        await go_on(first, mine, "0002")
        with pytest.raises(Conflict, match=r"0002.* another writer") as refused:
            await go_on(second, other, "0003")
        assert refused.value.code == "checkpoint_conflict"
        found = [one.checkpoint["id"] async for one in second.alist(at("t"))]
        assert found == ["0002", "0001"]
        await go_on(second, await newest(second), "0004")  # having loaded again


async def test_so_is_one_that_was_overtaken_in_the_middle_of_its_run(place: Place) -> None:
    async with place.process() as one, place.process() as two:
        first, second = SafepointSaver(one), SafepointSaver(two)
        await Chain(first, "t").put({"x": 0})
        tip = await go_on(first, await newest(first), "0002")
        await go_on(second, await newest(second), "0003")
        with pytest.raises(Conflict):
            await go_on(first, tip, "0004")


async def test_of_two_that_begin_a_thread_the_second_one_is_refused(place: Place) -> None:
    async with place.process() as one, place.process() as two:
        savers = SafepointSaver(one), SafepointSaver(two)
        for saver in savers:
            assert await saver.aget_tuple(at("t")) is None
        await go_on(savers[0], at("t"), "1")
        with pytest.raises(Conflict):
            await go_on(savers[1], at("t"), "2")


async def test_tasks_of_one_process_are_told_apart(saver: SafepointSaver) -> None:
    await Chain(saver, "t").put({"x": 0})
    both_loaded = asyncio.Barrier(2)

    async def run(id_: str) -> str:
        loaded = await newest(saver)
        await both_loaded.wait()
        try:
            await go_on(saver, loaded, id_)
        except Conflict as refused:
            return refused.code
        return "saved"

    outcomes = await asyncio.gather(run("0002"), run("0003"))
    assert sorted(outcomes) == ["checkpoint_conflict", "saved"]


async def test_repeating_a_put_is_no_conflict(saver: SafepointSaver) -> None:
    await Chain(saver, "t").put({"x": 0})
    loaded = await newest(saver)
    await go_on(saver, loaded, "0002")
    await go_on(saver, loaded, "0002")
    assert [one.checkpoint["id"] async for one in saver.alist(at("t"))] == ["0002", "0001"]


async def test_a_checkpoint_that_was_asked_for_may_be_branched_off(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    old = await chain.put({"x": 0})
    await chain.put({"x": 1})
    await newest(saver)
    assert await saver.aget_tuple(old) is not None
    await newest(saver)  # as LangGraph does to see whether the thread has gone on
    branch = await go_on(saver, old, "0003")
    await go_on(saver, branch, "0004")


async def test_a_copy_beside_the_newest_is_a_branch_on_purpose(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    parent = await chain.put({"x": 0})
    await chain.put({"x": 1})
    await newest(saver)
    await go_on(saver, parent, "0003")


async def test_who_loaded_nothing_is_not_judged(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    old = await chain.put({"x": 0})
    await chain.put({"x": 1})
    await go_on(saver, old, "0003")


async def test_the_loads_of_one_context_are_not_those_of_another(saver: SafepointSaver) -> None:
    await Chain(saver, "t").put({"x": 0})
    loaded = await newest(saver)
    context = copy_context()  # as LangGraph gives to its background tasks
    await go_on(saver, loaded, "0002")
    await newest(saver)
    with pytest.raises(Conflict):
        await asyncio.create_task(go_on(saver, loaded, "0003"), context=context)

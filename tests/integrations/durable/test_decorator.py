"""Decorated functions: steps of whatever run is open around the call."""

from __future__ import annotations

import asyncio

import pytest
from tests.integrations.durable.hours import Hours

from safepoint import Conflict, InvalidInput, Store, Workspace
from safepoint.integrations.durable import current_step, durable_step

pytestmark = pytest.mark.anyio

calls: list[str] = []


@pytest.fixture(autouse=True)
def _none_yet() -> None:
    calls.clear()


@durable_step("fetch {url}", retries=2, unrecorded=("client",))
async def fetch(url: str, client: object, depth: int = 1) -> str:
    """Fetch a page."""
    calls.append(url)
    if calls == ["a"]:
        raise ConnectionError("no route")
    return f"{url} at {depth}, attempt {current_step().attempt}"


@durable_step()
def total(numbers: list[int]) -> int:
    calls.append("total")
    return sum(numbers)


async def test_a_call_is_the_step_of_the_run_around_it_named_by_its_arguments(
    work: Workspace, hours: Hours
) -> None:
    for _ in range(2):
        async with work.durable(timing=hours.timing()):
            assert await fetch("a", object()) == "a at 1, attempt 2"
            assert await asyncio.gather(fetch("b", client=None), total([1, 2])) == [
                "b at 1, attempt 1",
                3,
            ]
    assert calls == ["a", "a", "b", "total"]
    assert [step.name for step in (await work.steps()).items] == ["fetch a", "fetch b", "total"]


async def test_other_arguments_under_the_same_name_are_refused_unless_unrecorded(
    work: Workspace,
) -> None:
    async with work.durable():
        await total([1])
        with pytest.raises(Conflict, match="another input"):
            await total([2])
        await fetch("b", object(), 2)
        with pytest.raises(Conflict, match="another input"):
            await fetch("b", object(), 3)


async def test_each_run_has_its_own_steps(store: Store) -> None:
    async with store.workspace("one").durable():
        assert await total([1]) == 1
        async with store.workspace("two").durable():
            assert await total([2]) == 2
        assert await total([1]) == 1
    assert calls == ["total"] * 2


async def test_outside_of_a_run_it_is_refused_and_the_function_itself_is_there(
    work: Workspace,
) -> None:
    async with work.durable():
        pass
    with pytest.raises(InvalidInput, match="no durable run is open"):
        await total([1])
    assert total.function([1, 2]) == 3
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch a page.")


async def test_a_method_is_a_step_too(work: Workspace) -> None:
    class Books:
        @durable_step("find {title}", unrecorded=("self",))
        async def find(self, title: str) -> str:
            return f"{type(self).__name__}: {title}"

    async with work.durable():
        assert await Books().find("Emma") == "Books: Emma"
    assert [step.name for step in (await work.steps()).items] == ["find Emma"]


def test_an_argument_that_does_not_exist_cannot_be_left_unrecorded() -> None:
    with pytest.raises(InvalidInput, match="no argument 'clinet'"):

        @durable_step(unrecorded=("clinet",))
        def fetch(client: object) -> None: ...

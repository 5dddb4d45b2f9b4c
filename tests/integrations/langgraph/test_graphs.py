"""Real graphs of LangGraph on a store: killed, interrupted, branched, nested, parallel, long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command
from tests.integrations.langgraph import graphs
from tests.integrations.langgraph.graphs import (
    TURNS,
    asking,
    counting,
    delta_counting,
    fanning_out,
    nested,
    steady,
)
from tests.place import Place

from safepoint import Conflict
from safepoint.integrations.langgraph import SafepointSaver

TURNED = [f"turn {number}" for number in range(TURNS)]


def test_a_killed_process_is_gone_on_from_where_it_was(tmp_path: Path, key_file: Path) -> None:
    journal = tmp_path / "journal"
    command = [sys.executable, graphs.__file__, tmp_path / "store", key_file, journal]
    for line in ("turn 0", "turn 4"):
        killed = subprocess.run([*command, line], capture_output=True, timeout=60, check=False)
        assert killed.returncode == -9, killed.stderr.decode()
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    with SafepointSaver.open(tmp_path / "store", key_file=key_file) as saver:
        assert counting(saver, TURNS).get_state(steady("job")).values == {"log": TURNED}
    redone = ["turn 0", *TURNED[:5], *TURNED[4:]]
    assert journal.read_text().splitlines() == redone  # only what had no checkpoint yet


@pytest.mark.anyio
async def test_an_interrupted_graph_is_answered_in_another_process(place: Place) -> None:
    async with place.process() as store:
        asked = await asking(SafepointSaver(store)).ainvoke({"log": []}, steady("t"))
        assert [question.value for question in asked["__interrupt__"]] == ["name?"]
    async with place.process() as store:
        graph = asking(SafepointSaver(store))
        state = await graph.aget_state(steady("t"))
        assert [question.value for question in state.interrupts] == ["name?"]
        await graph.ainvoke(Command(resume="Ada"), steady("t"))
    async with place.process() as store:
        done = await asking(SafepointSaver(store)).ainvoke(Command(resume="red"), steady("t"))
    assert done["log"] == ["first Ada", "second red"]


@pytest.mark.anyio
async def test_a_question_deep_in_subgraphs_survives_pruning_and_another_process(
    place: Place,
) -> None:
    async with place.process() as store:
        saver = SafepointSaver(store)
        await nested(saver).ainvoke({"log": []}, steady("t"))
        await saver.aprune(["t"])
    async with place.process() as store:
        saver = SafepointSaver(store)
        state = await nested(saver).aget_state(steady("t"), subgraphs=True)
        assert [question.value for question in state.interrupts] == ["name?"]
        asked = await nested(saver).ainvoke(Command(resume="Ada"), steady("t"))
        assert [question.value for question in asked["__interrupt__"]] == ["colour?"]
        done = await nested(saver).ainvoke(Command(resume="red"), steady("t"))
    assert done["log"][-3:] == ["first Ada", "second red", "finish"]


@pytest.mark.anyio
async def test_every_checkpoint_can_be_gone_back_to(saver: SafepointSaver) -> None:
    graph = counting(saver, 6)
    await graph.ainvoke({"log": []}, steady("t"))
    states = [state async for state in graph.aget_state_history(steady("t"))]
    assert [len(state.values.get("log", [])) for state in states] == [6, 5, 4, 3, 2, 1, 0, 0]
    edited = await graph.aupdate_state(states[3].config, {"log": ["edited"]})
    done = await graph.ainvoke(None, edited)
    assert done["log"] == ["turn 0", "turn 1", "turn 2", "edited", "turn 4", "turn 5"]
    replayed = await graph.ainvoke(None, states[4].config)
    assert replayed["log"] == [f"turn {number}" for number in range(6)]
    assert (await graph.aget_state(states[3].config)).values == states[3].values
    newest = await graph.aget_state(steady("t"))
    assert newest.values == {"log": replayed["log"]}


@pytest.mark.anyio
async def test_parallel_branches_that_were_done_are_not_done_again(place: Place) -> None:
    done: list[str] = []
    async with place.process() as store:
        graph = fanning_out(SafepointSaver(store), done, {"part 3", "part 6"})
        with pytest.raises(RuntimeError):
            await graph.ainvoke({"log": []}, steady("t"))
    async with place.process() as store:
        saver = SafepointSaver(store)
        found = await saver.aget_tuple(steady("t"))
        assert found is not None
        writes = found.pending_writes or []
        saved = [value[0].removeprefix("done ") for _, channel, value in writes if channel == "log"]
        result = await fanning_out(saver, done, set()).ainvoke(None, steady("t"))
    assert saved
    assert {*done} == {f"part {number}" for number in range(8)}
    assert [done.count(part) for part in saved] == [1] * len(saved)
    assert result["log"] == [f"done part {number}" for number in range(8)]


@pytest.mark.anyio
async def test_side_by_side_tasks_share_commits(saver: SafepointSaver) -> None:
    await fanning_out(saver, [], set()).ainvoke({"log": []}, steady("t"))
    head = await saver.store.open_log("t").log.head()
    assert head.version < 8  # eight tasks' writes and three checkpoints


@pytest.mark.anyio
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_delta_channels_are_rebuilt_at_every_checkpoint(
    saver: SafepointSaver, durability: Any
) -> None:
    graph = delta_counting(saver, 23)
    await graph.ainvoke({"log": []}, steady("t"), durability=durability)
    await graph.ainvoke({"log": ["more"]}, steady("t"), durability=durability)
    lines = [f"turn {number}" for number in range(23)] + ["more", "turn 24"]
    async for state in graph.aget_state_history(steady("t")):
        log = state.values.get("log", [])
        assert log == lines[: len(log)]
    await saver.aprune(["t"])
    assert (await graph.aget_state(steady("t"))).values == {"log": lines}
    done = await graph.ainvoke({"log": ["again"]}, steady("t"), durability=durability)
    assert done["log"] == [*lines, "again", "turn 26"]


def test_a_long_thread_is_gone_through_synchronously(own_loop: SafepointSaver) -> None:
    graph = counting(own_loop, 150)
    graph.invoke({"log": []}, steady("t"))
    states = list(graph.get_state_history(steady("t")))
    assert len(states) == 152
    assert states[0].values["log"] == [f"turn {number}" for number in range(150)]
    for state in (states[1], states[77], states[149]):
        again = graph.get_state(state.config)
        assert again.values == state.values
        assert again.created_at == state.created_at


@pytest.mark.anyio
async def test_of_two_processes_that_run_one_thread_one_is_told(place: Place) -> None:
    async with place.process() as one, place.process() as two:
        slow = counting(SafepointSaver(one), 8)
        quick = counting(SafepointSaver(two), 8)
        running = slow.astream({"log": []}, steady("t"), durability="sync")
        await anext(running)
        await quick.ainvoke({"log": ["other"]}, steady("t"))
        with pytest.raises(Conflict, match="another writer"):
            async for _ in running:
                pass
        log = (await quick.aget_state(steady("t"))).values["log"]
        assert "other" in log
        assert len(log) == 8

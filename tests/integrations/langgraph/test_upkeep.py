"""Deleting, copying and pruning threads: what goes is gone, what is needed stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import INTERRUPT
from tests.integrations.langgraph.values import Chain, at, checkpoint, metadata

from safepoint import Conflict, InvalidInput, NotFound, Store
from safepoint.format.document import Document
from safepoint.format.entries import OriginEntry
from safepoint.integrations.langgraph import SafepointSaver, commands
from safepoint.log.transitions import Context, Outcome
from safepoint.log.transitions.base import advance

pytestmark = pytest.mark.anyio

COUNTERS = "counters_since_delta_snapshot"


async def ids(saver: SafepointSaver, thread: str, ns: str | None = None) -> list[str]:
    config: Any = at(thread, ns=ns) if ns is not None else {"configurable": {"thread_id": thread}}
    return [found.checkpoint["id"] async for found in saver.alist(config)]


async def delta_chain(saver: SafepointSaver, thread: str, length: int, **more: Any) -> Chain:
    """A channel `log` with a snapshot in the second checkpoint and a write in each."""
    chain = Chain(saver, thread)
    for number in range(length):
        values = {"log": ["snapshot"]} if number == 1 else {}
        versions = {"log": f"{number:08}"}
        chain.count += 1
        made = checkpoint(f"{chain.count:04}", values, versions)
        counted = {} if number == 1 else {COUNTERS: {"log": [number, number]}}
        chain.tip = await saver.aput(chain.tip, made, metadata(number, **counted, **more), versions)
        await chain.write(("log", number))
    return chain


async def history(saver: SafepointSaver, thread: str) -> tuple[Any, list[Any]]:
    found = await saver.aget_delta_channel_history(config=at(thread), channels=["log"])
    return found["log"].get("seed"), [write[2] for write in found["log"]["writes"]]


async def test_a_deleted_thread_is_gone_and_its_name_can_be_used_again(
    saver: SafepointSaver, store: Store
) -> None:
    await Chain(saver, "t").put({"x": "old"})
    await Chain(saver, "other").put({"x": "other"})
    await saver.adelete_thread("t")
    await saver.adelete_thread("t")
    await saver.adelete_thread("never there")
    assert await saver.aget_tuple(at("t")) is None
    assert await ids(saver, "t") == []
    assert await ids(saver, "other") == ["0001"]
    await Chain(saver, "t").put({"x": "new"})
    again = await saver.aget_tuple(at("t"))
    assert again is not None
    assert again.checkpoint["channel_values"] == {"x": "new"}
    assert await ids(saver, "t") == ["0001"]
    assert "workspaces/t/keys/000001.json" not in await store.objects.list("workspaces/t/keys/")


async def test_a_copy_has_everything_under_keys_of_its_own(
    saver: SafepointSaver, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PAGE_BYTES", 500)
    chain = Chain(saver, "t")
    for number in range(30):
        await chain.put({"x": number, "big": "word " * number})
        await chain.write(("x", number))
    await Chain(saver, "t", "child:1|deep:2").put({"x": "child"})
    await saver.acopy_thread("t", "copy")
    everything: Any = {"configurable": {"thread_id": "t"}}
    copied: Any = {"configurable": {"thread_id": "copy"}}
    one = [found async for found in saver.alist(everything)]
    other = [found async for found in saver.alist(copied)]
    assert [found[1:3] + found[4:] for found in one] == [found[1:3] + found[4:] for found in other]
    assert len(other) == 31
    logs = [store.open_log(name).log for name in ("t", "copy")]
    secrets = [log.keys.secrets for log in logs if log.keys is not None]
    assert len(secrets) == 2
    assert secrets[0] != secrets[1]
    await saver.adelete_thread("t")
    assert len(await ids(saver, "copy")) == 31


async def test_a_copy_that_was_stopped_is_finished_by_a_repeat(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    for number in range(20):
        await chain.put({"x": number})
        await chain.write(("x", number))
    copying = asyncio.create_task(saver.acopy_thread("t", "copy"))
    while len(await ids(saver, "copy")) < 8:
        await asyncio.sleep(0)
    copying.cancel()
    await asyncio.wait({copying})
    assert len(await ids(saver, "copy")) < 20
    await saver.acopy_thread("t", "copy")
    found = [one async for one in saver.alist(at("copy"))]
    assert [one.pending_writes for one in found] == [
        [("task", "x", number)] for number in range(19, -1, -1)
    ]


async def test_a_copy_never_mixes_threads(saver: SafepointSaver) -> None:
    await Chain(saver, "t").put({"x": 1})
    other = Chain(saver, "other")
    await other.put({"x": 2})
    await other.put({"x": 2})
    with pytest.raises(Conflict, match="checkpoints of its own"):
        await saver.acopy_thread("t", "other")
    with pytest.raises(NotFound):
        await saver.acopy_thread("never there", "copy")


async def test_pruning_keeps_the_newest_of_each_namespace_with_its_interrupts(
    saver: SafepointSaver, store: Store
) -> None:
    for ns, length in (("", 5), ("child:1", 3), ("child:1|deep:2", 2), ("gone:1", 4)):
        chain = Chain(saver, "t", ns)
        for number in range(length):
            await chain.put({"x": [ns, number]})
        await chain.write((INTERRUPT, f"question of {ns}"))
    await Chain(saver, "other").put({"x": 1})
    await saver.aprune(["t", "never there"])
    for ns, length in (("", 5), ("child:1", 3), ("child:1|deep:2", 2), ("gone:1", 4)):
        assert await ids(saver, "t", ns) == [f"{length:04}"]
        found = await saver.aget_tuple(at("t", ns=ns))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"x": [ns, length - 1]}
        assert found.pending_writes == [("task", INTERRUPT, f"question of {ns}")]
        assert await saver.aget_tuple(at("t", "0001", ns)) is None
    assert await ids(saver, "other") == ["0001"]
    version = (await store.open_log("t").log.head()).version
    await saver.aprune(["t"])
    assert (await store.open_log("t").log.head()).version == version  # nothing to do, no commit


async def test_pruning_keeps_what_delta_channels_are_rebuilt_from(saver: SafepointSaver) -> None:
    await delta_chain(saver, "t", 7)
    before = await history(saver, "t")
    assert before == (["snapshot"], [1, 2, 3, 4, 5])
    await saver.aprune(["t"])
    assert await ids(saver, "t") == ["0007"]
    assert await saver.aget_tuple(at("t", "0004")) is None
    assert await history(saver, "t") == before
    await saver.acopy_thread("t", "copy")
    assert await ids(saver, "copy") == ["0007"]
    assert await history(saver, "copy") == before


async def test_a_pruned_thread_goes_on(
    saver: SafepointSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PAGE_BYTES", 200)
    chain = Chain(saver, "t")
    for number in range(30):
        await chain.put({"x": number})
        if number % 10 == 9:
            await saver.aprune(["t"])
    await chain.put({"x": "after"})
    await chain.put({"x": "last"})
    assert await ids(saver, "t") == ["0032", "0031", "0030"]
    found = await saver.aget_tuple(at("t", "0030"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"x": 29}


async def test_pruning_and_writing_at_once_loses_nothing(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    await chain.put({"x": 0})

    async def write() -> None:
        for number in range(20):
            await chain.put({"x": number})
            await chain.write(("x", number))

    async def prune() -> None:
        for _ in range(10):
            await saver.aprune(["t"])

    await asyncio.gather(write(), prune())
    found = await saver.aget_tuple(at("t"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"x": 19}
    assert found.pending_writes == [("task", "x", 19)]


async def test_pruning_may_delete(saver: SafepointSaver) -> None:
    await Chain(saver, "t").put({"x": 1})
    await saver.aprune(["t"], strategy="delete")
    assert await ids(saver, "t") == []
    with pytest.raises(InvalidInput, match="strategy"):
        await saver.aprune(["t"], strategy="keep_some")


async def test_the_checkpoints_of_a_run_go_from_all_threads_and_namespaces(
    saver: SafepointSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PAGE_BYTES", 200)
    for thread, ns in (("a", ""), ("b", ""), ("b", "child:1")):
        chain = Chain(saver, thread, ns)
        for number in range(6):
            await chain.put({"x": number}, run_id=f"run {number % 3}")
            await chain.write(("x", number))
    await saver.adelete_for_runs(["run 2", "never there"])
    for thread, ns in (("a", ""), ("b", ""), ("b", "child:1")):
        assert await ids(saver, thread, ns) == ["0005", "0004", "0002", "0001"]
        newest = await saver.aget_tuple(at(thread, ns=ns))
        assert newest is not None
        assert newest.checkpoint["channel_values"] == {"x": 4}
        assert newest.pending_writes == [("task", "x", 4)]
    await saver.adelete_for_runs(["run 0", "run 1"])
    assert await saver.aget_tuple(at("b")) is None
    assert await saver.aget_tuple(at("b", ns="child:1")) is None
    await Chain(saver, "b").put({"x": "new"})
    assert await ids(saver, "b") == ["0001"]


async def test_a_deleted_run_leaves_what_delta_channels_of_others_are_rebuilt_from(
    saver: SafepointSaver,
) -> None:
    chain = await delta_chain(saver, "t", 4, run_id="gone")
    versions = {"log": "00000009"}
    counted = {COUNTERS: {"log": [3, 3]}}
    made = checkpoint("0009", {}, versions)
    await saver.aput(chain.tip, made, metadata(9, run_id="kept", **counted), versions)
    before = await history(saver, "t")
    assert before == (["snapshot"], [1, 2, 3])
    await saver.adelete_for_runs(["gone"])
    assert await ids(saver, "t") == ["0009"]
    assert await history(saver, "t") == before
    await saver.adelete_for_runs(["gone"])
    assert await history(saver, "t") == before


async def test_a_fork_without_the_history_of_a_delta_channel_says_so(
    saver: SafepointSaver, store: Store
) -> None:
    await delta_chain(saver, "t", 4)

    def fork(document: Document, context: Context) -> Outcome[None]:
        origin = OriginEntry("another", document.version, 1, context.now_ms)
        return Outcome(None, replace(advance(document, context), origin=origin), {"kind": "fork"})

    await store.open_log("t").committer.commit(fork, store.actor)
    assert await ids(saver, "t") == ["0004"]
    with pytest.raises(NotFound, match="fork without the history") as refused:
        await history(saver, "t")
    assert refused.value.code == "history_not_forked"

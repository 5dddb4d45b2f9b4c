"""What a thread gives back: any checkpoint, at any age, in order, with its writes."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from tests.integrations.langgraph.values import Chain, at, checkpoint, metadata
from tests.place import Place

from safepoint import InvalidInput, Store
from safepoint.integrations.langgraph import SafepointSaver, commands
from safepoint.integrations.langgraph.index import index_of

pytestmark = pytest.mark.anyio


async def listed(saver: SafepointSaver, *args: Any, **options: Any) -> list[str]:
    return [found.checkpoint["id"] async for found in saver.alist(*args, **options)]


async def got(saver: SafepointSaver, thread: str, id_: str | None = None) -> CheckpointTuple:
    found = await saver.aget_tuple(at(thread, id_))
    assert found is not None
    return found


async def test_every_checkpoint_of_a_long_thread_is_found_with_its_own_values_and_writes(
    saver: SafepointSaver, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PAGE_BYTES", 1000)  # many pages
    chain = Chain(saver, "t")
    for number in range(300):
        await chain.put({"count": number, "log": list(range(number))})
        await chain.write(("log", number))
    head = index_of((await store.open_log("t").log.head()).document)
    assert len(head.pages) > 20
    assert len(head.trail) < 1500
    for number in (0, 1, 7, 150, 298, 299):
        found = await got(saver, "t", f"{number + 1:04}")
        assert found.checkpoint["channel_values"] == {"count": number, "log": list(range(number))}
        assert found.pending_writes == [("task", "log", number)]
    ids = [f"{number:04}" for number in range(300, 0, -1)]
    assert await listed(saver, at("t")) == ids
    assert await listed(saver, at("t"), before=at("t", "0120"), limit=2) == ["0119", "0118"]
    assert await listed(saver, at("t"), filter={"step": 9}) == ["0009"]
    assert await saver.aget_tuple(at("t", "0301")) is None


async def test_the_greatest_id_is_the_newest_whatever_came_last(saver: SafepointSaver) -> None:
    for id_ in ("5", "9", "3"):
        await saver.aput(at("t"), checkpoint(id_, {"x": id_}, {"x": id_}), metadata(), {"x": id_})
    assert (await got(saver, "t")).checkpoint["id"] == "9"
    assert await listed(saver, at("t")) == ["9", "5", "3"]
    for id_ in ("3", "5", "9"):
        assert (await got(saver, "t", id_)).checkpoint["channel_values"] == {"x": id_}


async def test_a_channel_that_did_not_change_keeps_its_value_and_is_stored_once(
    saver: SafepointSaver, store: Store
) -> None:
    big = "word " * 1000
    first = await saver.aput(
        at("t"), checkpoint("1", {"a": 1, "big": big}, {"a": 1, "big": 1}), metadata(),
        {"a": 1, "big": 1},
    )  # fmt: skip
    await saver.aput(
        first, checkpoint("2", {"a": 2, "big": big}, {"a": 2, "big": 1}), metadata(), {"a": 2}
    )
    head = await store.open_log("t").log.head()
    assert sum(len(data) for data in head.document.regions.values()) < 2 * len(big)
    assert (await got(saver, "t")).checkpoint["channel_values"] == {"a": 2, "big": big}


async def test_a_branch_from_an_old_checkpoint_has_the_old_values(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    old = await chain.put({"a": "old", "b": "same"})
    await chain.put({"a": "newer"})
    await chain.put({"a": "newest"})
    versions = {"a": "00000009", "b": "00000001"}
    await saver.aput(
        old, checkpoint("9", {"a": "branch", "b": "same"}, versions), metadata(), {"a": "00000009"}
    )
    found = await got(saver, "t")
    assert found.checkpoint["channel_values"] == {"a": "branch", "b": "same"}
    assert found.parent_config == old


async def test_the_first_regular_write_wins_and_special_ones_replace(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    await chain.put({"x": 1})
    await chain.write(("x", "first"), (INTERRUPT, "asked"))
    await chain.write(("x", "second"), (INTERRUPT, "asked again"), (RESUME, "yes"))
    await chain.write((ERROR, "failed"), task="other")
    writes = (await got(saver, "t")).pending_writes
    assert writes == [
        ("other", ERROR, "failed"),
        ("task", RESUME, "yes"),
        ("task", INTERRUPT, "asked again"),
        ("task", "x", "first"),
    ]


async def test_the_same_holds_for_writes_that_come_when_the_thread_has_gone_on(
    saver: SafepointSaver,
) -> None:
    chain = Chain(saver, "t")
    first = await chain.put({"x": 1})
    await chain.write(("x", "first"), (INTERRUPT, "asked"))
    for number in range(3):
        await chain.put({"x": number})
        late = (("x", f"late {number}"), (INTERRUPT, number), ("y", number))
        await saver.aput_writes(first, late, "task")
        await saver.aput_writes(first, [("x", number)], f"task {number}")
    writes = (await got(saver, "t", "0001")).pending_writes
    assert writes is not None
    assert writes[:3] == [("task", INTERRUPT, 2), ("task", "x", "first"), ("task", "y", 0)]
    assert writes[3:] == [(f"task {number}", "x", number) for number in range(3)]


async def test_writes_are_ordered_by_path_then_task_then_number(saver: SafepointSaver) -> None:
    chain = Chain(saver, "t")
    await chain.put({"x": 1})
    await chain.write(("x", 1), task="a", path="~2")
    await chain.write(("x", 2), ("x", 3), task="c", path="~1")
    await chain.write(("x", 4), task="b", path="~1")
    writes = (await got(saver, "t")).pending_writes
    assert writes is not None
    assert [write[2] for write in writes] == [4, 2, 3, 1]


async def test_writes_may_come_before_their_checkpoint(saver: SafepointSaver) -> None:
    await saver.aput_writes(at("t", "1"), [("x", "early")], "task")
    assert await saver.aget_tuple(at("t")) is None
    assert await listed(saver, at("t")) == []
    await saver.aput(at("t"), checkpoint("1", {}, {}), metadata(), {})
    assert (await got(saver, "t")).pending_writes == [("task", "x", "early")]


async def test_namespaces_are_apart_and_keep_their_newest_when_their_parents_go_on(
    saver: SafepointSaver,
) -> None:
    root = Chain(saver, "t")
    names = ["child:1", "child:1|grand:2", "other|x:y|z", "child"]
    await root.put({"x": "root"})
    for name in names:
        chain = Chain(saver, "t", name)
        await chain.put({"x": name})
        await chain.write(("x", f"write of {name}"))
    for number in range(20):
        await root.put({"x": number})
    for name in names:
        found = await saver.aget_tuple(at("t", ns=name))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"x": name}
        assert found.pending_writes == [("task", "x", f"write of {name}")]
        assert found.config["configurable"]["checkpoint_ns"] == name
        assert await listed(saver, at("t", ns=name)) == ["0001"]
    assert await saver.aget_tuple(at("t", ns="child:2")) is None
    assert len(await listed(saver, {"configurable": {"thread_id": "t"}})) == 25
    again = Chain(saver, "t", "child")
    again.count, again.tip = 1, at("t", "0001", "child")
    await again.put({"x": "gone on"})
    found = await saver.aget_tuple(at("t", ns="child"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"x": "gone on"}


@pytest.mark.parametrize("thread", ["a|b:c/d", "Ünï ✓ 🧵", "..", "CON", "x" * 900, " ", "a%7cb"])
async def test_any_text_is_a_thread_id(saver: SafepointSaver, thread: str) -> None:
    await Chain(saver, "a|b").put({"x": "another"})
    await Chain(saver, thread).put({"x": thread})
    assert (await got(saver, thread)).checkpoint["channel_values"] == {"x": thread}
    threads = [found.config["configurable"]["thread_id"] async for found in saver.alist(None)]
    assert sorted(threads) == sorted([thread, "a|b"])


async def test_a_number_is_a_thread_id_as_text(saver: SafepointSaver) -> None:
    config: Any = {"configurable": {"thread_id": 7, "checkpoint_ns": ""}}
    put = await saver.aput(config, checkpoint("1", {}, {}), metadata(), {})
    assert put["configurable"]["thread_id"] == 7
    assert (await got(saver, "7")).checkpoint["id"] == "1"


@pytest.mark.parametrize("config", [{}, {"configurable": {}}, {"configurable": {"thread_id": ""}}])
async def test_a_config_without_a_thread_is_refused(saver: SafepointSaver, config: Any) -> None:
    with pytest.raises(InvalidInput, match="no thread"):
        await saver.aget_tuple(config)


async def test_a_prefix_keeps_threads_apart_from_other_workspaces(store: Store) -> None:
    await store.workspace("notes").save({"page": 1})
    plain, apart = SafepointSaver(store), SafepointSaver(store, prefix="chat/")
    await Chain(plain, "notes").put({"x": "in the workspace"})
    await Chain(apart, "notes").put({"x": "apart"})
    assert [name async for name in store.names()] == ["chat/notes", "notes"]
    assert [t.config["configurable"]["thread_id"] async for t in apart.alist(None)] == ["notes"]
    assert (await got(apart, "notes")).checkpoint["channel_values"] == {"x": "apart"}
    assert (await store.workspace("notes").load()).state == {"page": 1}


async def test_all_threads_are_listed_by_id(saver: SafepointSaver) -> None:
    for id_, thread in (("3", "a"), ("1", "b"), ("4", "b"), ("2", "a")):
        await saver.aput(at(thread), checkpoint(id_, {}, {}), metadata(kind=thread), {})
    assert await listed(saver, None) == ["4", "3", "2", "1"]
    assert await listed(saver, None, filter={"kind": "a"}, limit=1) == ["3"]
    assert await listed(saver, at("b", "1")) == ["1"]


async def test_metadata_come_back_as_they_were(saver: SafepointSaver) -> None:
    odd = {"none": None, "nested": {"a": [1, {2}]}, "big": 2**63, "raw": b"\x00", "nan": "nan"}
    for given in ({"text": "é ✓", "nested": {"a": [1, 2.5]}}, odd):
        await saver.aput(at("t"), checkpoint("1", {}, {}), metadata(3, **given), {})
        found = (await got(saver, "t")).metadata
        assert found == {"source": "loop", "step": 3, "parents": {}, **given}


async def test_another_process_sees_all_of_it(place: Place) -> None:
    async with place.process() as store:
        chain = Chain(SafepointSaver(store), "t")
        for number in range(5):
            await chain.put({"x": number})
            await chain.write(("x", number))
    async with place.process() as store:
        saver = SafepointSaver(store)
        assert (await got(saver, "t")).checkpoint["channel_values"] == {"x": 4}
        assert (await got(saver, "t", "0002")).pending_writes == [("task", "x", 1)]
        assert await listed(saver, at("t")) == ["0005", "0004", "0003", "0002", "0001"]


async def test_versions_grow_and_branches_do_not_share_them(saver: SafepointSaver) -> None:
    first = saver.get_next_version(None, None)
    second, other = (saver.get_next_version(first, None) for _ in range(2))
    assert first < second
    assert first < other
    assert second != other
    tenth = first
    for _ in range(10):
        assert tenth < (tenth := saver.get_next_version(tenth, None))
    assert saver.get_next_version(41, None).startswith(f"{42:032}.")  # what other savers wrote

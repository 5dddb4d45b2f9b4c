"""The synchronous methods: from every thread, with and without a running loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.integrations.langgraph.values import Chain, at, checkpoint, metadata
from tests.place import Place

from safepoint import InvalidInput, WrongKey
from safepoint.integrations.langgraph import SafepointSaver


def put(saver: SafepointSaver, thread: str, number: int) -> None:
    made = checkpoint(f"{number:04}", {"x": number}, {"x": number})
    config = saver.put(at(thread), made, metadata(number, run_id="run"), {"x": number})
    saver.put_writes(config, [("x", number)], "task")


def test_every_method_has_its_synchronous_twin(own_loop: SafepointSaver) -> None:
    for number in range(1, 4):
        put(own_loop, "t", number)
    found = own_loop.get_tuple(at("t"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"x": 3}
    assert [one.checkpoint["id"] for one in own_loop.list(at("t"), limit=2)] == ["0003", "0002"]
    assert list(own_loop.list(at("t"), limit=0)) == []
    assert own_loop.get_delta_channel_history(config=at("t"), channels=["y"]) == {
        "y": {"writes": []}
    }
    own_loop.copy_thread("t", "copy")
    own_loop.prune(["t"])
    assert len(list(own_loop.list(at("t")))) == 1
    own_loop.delete_for_runs(["run"])
    assert own_loop.get_tuple(at("copy")) is None
    own_loop.delete_thread("t")
    assert own_loop.get_tuple(at("t")) is None


def test_many_threads_share_a_saver(own_loop: SafepointSaver) -> None:
    def work(worker: int) -> int:
        for number in range(1, 6):
            put(own_loop, f"thread {worker}", number)
            put(own_loop, "shared", worker * 10 + number)
        return len(list(own_loop.list(at(f"thread {worker}"))))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [5] * 8
    assert len(list(own_loop.list(at("shared")))) == 40


async def use_within_a_running_loop(saver: SafepointSaver) -> None:
    put(saver, "t", 1)
    assert saver.get_tuple(at("t")) is not None
    chain = Chain(saver, "t")
    chain.count, chain.tip = 1, at("t", "0001")
    await chain.put({"x": 2})
    assert [one.checkpoint["id"] async for one in saver.alist(at("t"))] == ["0002", "0001"]


def test_with_a_loop_of_its_own_it_works_within_any_running_loop(own_loop: SafepointSaver) -> None:
    asyncio.run(use_within_a_running_loop(own_loop))
    asyncio.run(use_within_a_running_loop(own_loop))


@pytest.mark.anyio
async def test_it_opens_asynchronously_too(tmp_path: Path, key_file: Path) -> None:
    async with SafepointSaver.open(tmp_path / "s", key_file=key_file, pages="off") as saver:
        await use_within_a_running_loop(saver)


@pytest.mark.anyio
async def test_in_the_loop_of_its_store_it_says_so_instead_of_hanging(
    saver: SafepointSaver,
) -> None:
    with pytest.raises(InvalidInput, match="wait for itself"):
        saver.get_tuple(at("t"))
    await asyncio.to_thread(put, saver, "t", 1)
    assert (await asyncio.to_thread(saver.get_tuple, at("t"))) is not None


def test_without_a_loop_a_store_is_refused(tmp_path: Path) -> None:
    async def opened() -> None:
        async with Place(tmp_path).process() as store:
            with pytest.raises(InvalidInput, match="event loop"):
                await asyncio.to_thread(SafepointSaver, store)

    asyncio.run(opened())


def test_after_its_end_it_says_so(tmp_path: Path, key_file: Path) -> None:
    with SafepointSaver.open(tmp_path / "s", key_file=key_file, pages="off") as saver:
        put(saver, "t", 1)
    with pytest.raises(InvalidInput, match="ended"):
        saver.get_tuple(at("t"))
    assert "safepoint" not in {thread.name for thread in threading.enumerate()}


def test_what_stops_a_store_from_opening_is_told(tmp_path: Path, key_file: Path) -> None:
    with SafepointSaver.open(tmp_path / "s", key_file=key_file, pages="off"):
        pass
    key_file.write_text(Place(tmp_path).key_file.read_text())
    with (
        pytest.raises(WrongKey),
        SafepointSaver.open(tmp_path / "s", passphrase="not this one"),
    ):
        pass
    assert "safepoint" not in {thread.name for thread in threading.enumerate()}

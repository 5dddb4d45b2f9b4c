"""How large a thread gets: as its changes, not as its states; no work that grows with history."""

from __future__ import annotations

import random

import pytest
from tests.integrations.langgraph.values import Chain, at

from safepoint import Store
from safepoint.integrations.langgraph import SafepointSaver

pytestmark = pytest.mark.anyio


def message(numbers: random.Random) -> dict[str, str]:
    """About 1 KB of words."""
    words = (
        "".join(numbers.choices("abcdefghijklmnopqrstuvwxyz", k=numbers.randint(2, 9)))
        for _ in range(400)
    )
    text = " ".join(list(words)[:154])
    return {"role": "user", "content": text}


async def stored(store: Store, folder: str) -> list[int]:
    """The sizes of the objects, oldest version first."""
    keys = sorted(await store.objects.list(folder), reverse=True)
    return [len(await store.objects.get(key) or b"") for key in keys]


async def test_a_chat_grows_by_its_messages(store: Store, saver: SafepointSaver) -> None:
    numbers, chat = random.Random(7), Chain(saver, "t")
    messages: list[dict[str, str]] = []
    for number in range(400):
        messages.append(message(numbers))
        await chat.put({"messages": messages}, source="loop")
        await chat.write(("messages", messages[-1:]), task=f"{numbers.getrandbits(128):032x}")
        if number in (99, 399):
            total = sum(await stored(store, "workspaces/t/log/"))
            raw = sum(1050 * count for count in range(1, number + 2))
            assert total < raw / (14 if number == 99 else 48)
    found = await saver.aget_tuple(at("t", "0399"))
    assert found is not None
    assert found.checkpoint["channel_values"]["messages"] == messages[:399]


async def test_subgraphs_that_are_over_leave_the_document(
    store: Store, saver: SafepointSaver
) -> None:
    root = Chain(saver, "t")
    weights: list[int] = []
    for number in range(60):
        await root.put({"x": number})
        for task in ("a", "b"):
            child = Chain(saver, "t", f"node:{task}{number}")
            for _ in range(3):
                await child.put({"state": "word " * 400})
        weights.append((await store.open_log("t").log.head()).weight)
    assert weights[-1] < weights[5] + 60 * 600  # a line each, no state
    assert max(weights) < 60_000

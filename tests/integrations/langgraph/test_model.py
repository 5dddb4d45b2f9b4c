"""Random histories: the saver answers what LangGraph's own saver in memory answers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import INTERRUPT
from tests.conftest import CAMPAIGN
from tests.integrations.langgraph.values import at, checkpoint, metadata
from tests.place import Place

from safepoint.integrations.langgraph import SafepointSaver, commands

SPACES = ["", "a:1", "a:1|b:2", "c"]
spaces = st.sampled_from(SPACES)
ids = st.integers(1, 12).map(lambda number: f"{number:02}")
values = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3) | st.text("ab"), max_size=3)

puts = st.tuples(st.just("put"), spaces, ids, st.none() | ids, values, st.booleans())
writes = st.tuples(
    st.just("write"), spaces, ids, st.sampled_from(["t1", "t2"]), st.sampled_from(["", "~p"]),
    st.lists(st.tuples(st.sampled_from(["x", "y", INTERRUPT]), st.integers(0, 9)), max_size=3),
)  # fmt: skip
forgets = st.tuples(st.just("forget"), ids)
calls = st.lists(puts | writes, min_size=1, max_size=3)
steps = st.lists(calls | forgets | st.sampled_from(["prune", "reopen"]), max_size=25)


class Both:
    """Both savers, fed alike: a put has a new version for each channel that it has a value of."""

    def __init__(self) -> None:
        self.known = InMemorySaver()
        self.count = 0

    def put(self, ns: str, id_: str, parent: str | None, values: Any, carry: bool) -> Any:
        """What to call `put` with. With `carry` it has its parent's other channels unchanged."""
        given = self.known.get_tuple(at("t", parent, ns)) if parent and carry else None
        old = dict(given.checkpoint["channel_values"]) if given is not None else {}
        kept = {name: given.checkpoint["channel_versions"][name] for name in old} if given else {}
        self.count += 1
        new = dict.fromkeys(values, self.count)
        made = checkpoint(id_, {**old, **values}, {**kept, **new})
        return at("t", parent, ns), made, metadata(self.count, run_id=id_), new

    def calls(self, saver: SafepointSaver, some: list[Any]) -> Iterator[Any]:
        """The saver's calls, made to the known one first."""
        for kind, *about in some:
            if kind == "put":
                call = self.put(*about)
                self.known.put(*call)
                yield saver.aput(*call)
            else:
                ns, id_, task, path, writes = about
                self.known.put_writes(at("t", id_, ns), writes, task, path)
                yield saver.aput_writes(at("t", id_, ns), writes, task, path)

    def forget(self, id_: str) -> None:
        for ns in SPACES:
            if self.known.storage["t"][ns].pop(id_, None) is not None:
                self.known.writes.pop(("t", ns, id_), None)

    def prune(self) -> None:
        for ns in SPACES:
            for id_ in sorted(self.known.storage["t"][ns])[:-1]:
                del self.known.storage["t"][ns][id_]
                self.known.writes.pop(("t", ns, id_), None)


def in_order(found: Iterable[CheckpointTuple]) -> list[CheckpointTuple]:
    """By id, then by namespace."""
    return sorted(
        found, key=lambda one: (one.checkpoint["id"], one.config["configurable"]["checkpoint_ns"])
    )


async def compare(saver: SafepointSaver, known: InMemorySaver) -> None:
    everything: Any = {"configurable": {"thread_id": "t"}}
    ours = [one async for one in saver.alist(everything)]
    assert [one.checkpoint["id"] for one in ours] == sorted(
        (one.checkpoint["id"] for one in ours), reverse=True
    )
    assert in_order(ours) == in_order(known.list(everything))
    for ns in SPACES:
        assert await saver.aget_tuple(at("t", ns=ns)) == known.get_tuple(at("t", ns=ns))
        for number in (1, 6, 12):
            config = at("t", f"{number:02}", ns)
            assert await saver.aget_tuple(config) == known.get_tuple(config)
        before = [one async for one in saver.alist(at("t", ns=ns), before=at("t", "07"), limit=2)]
        assert before == list(known.list(at("t", ns=ns), before=at("t", "07"), limit=2))


async def replay(place: Place, history: list[Any]) -> None:
    both, rest = Both(), list(history)
    while rest:
        async with place.process() as store:
            saver = SafepointSaver(store)
            while rest and (some := rest.pop(0)) != "reopen":
                if some == "prune":
                    both.prune()
                    await saver.aprune(["t"])
                elif some[0] == "forget":
                    both.forget(some[1])
                    await saver.adelete_for_runs([some[1]])
                else:
                    await asyncio.gather(*both.calls(saver, some))
                await compare(saver, both.known)


@given(steps)
@settings(max_examples=60 * CAMPAIGN)
def test_it_answers_what_the_saver_in_memory_answers(history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(commands, "_PAGE_BYTES", 150):
        asyncio.run(replay(Place(Path(folder)), history))

"""Notes in a store: each session under its own key, no commit for nothing, nobody's note lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safepoint import InvalidInput, Store
from safepoint_server.hooks.binding import Binding
from safepoint_server.hooks.project import Project
from safepoint_server.hooks.record import MAX_SESSIONS, Found, find, record

pytestmark = pytest.mark.anyio

HERE = Project(Path("/p"), Path("/p"), origin="example.org/acme/widgets")
OTHER = replace(HERE, origin="example.org/evil/widgets")
NAMES = Binding(("w", "w-derived"))


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with Store.open("memory://") as opened:
        yield opened


async def noted(store: Store, session: str, number: int = 0, **note: Any) -> Any:
    found = await find(store, NAMES, HERE)
    return await put(store, found, session, number, **note)


async def put(store: Store, found: Found, session: str, number: int = 0, **note: Any) -> Any:
    at = f"2026-11-29T05:{number:02}:00+00:00"
    return await record(store, found, HERE, session, note, event="stop", at=at)


async def sessions(store: Store) -> dict[str, Any]:
    return (await find(store, NAMES, HERE)).sessions


async def test_a_note_that_tells_nothing_new_is_no_commit(store: Store) -> None:
    first = await noted(store, "a", branch="main", event="stop", host="one")
    assert first.version == 1
    assert await noted(store, "a", 5, branch="main", event="pre-compact", host="two") is None
    assert (await noted(store, "a", 6, branch="side")).version == 2
    assert (await sessions(store))["a"]["branch"] == "side"


async def test_what_is_not_known_this_time_stays_as_it_was(store: Store) -> None:
    await noted(store, "a", branch="main", files=[{"path": "x", "status": "M"}])
    await noted(store, "a", branch="side", left_out=["files"])
    note = (await sessions(store))["a"]
    assert (note["branch"], note["files"]) == ("side", [{"path": "x", "status": "M"}])
    await noted(store, "a", branch=None, files=[], left_out=None)
    note = (await sessions(store))["a"]
    assert note["files"] == []
    assert not note.keys() & {"branch", "left_out"}


async def test_sessions_that_record_at_the_same_time_keep_each_others_notes(store: Store) -> None:
    found = await find(store, NAMES, HERE)
    await asyncio.gather(*(put(store, found, f"s{n}", n, branch=f"b{n}") for n in range(6)))
    assert {key: note["branch"] for key, note in (await sessions(store)).items()} == {
        f"s{n}": f"b{n}" for n in range(6)
    }


async def test_the_oldest_of_many_sessions_go(store: Store) -> None:
    for number in range(MAX_SESSIONS + 3):
        await noted(store, f"s{number}", number, branch="main")
    assert list(await sessions(store)) == [f"s{n}" for n in range(3, MAX_SESSIONS + 3)]


async def test_an_old_session_that_speaks_at_this_moment_is_not_lost(store: Store) -> None:
    for number in range(MAX_SESSIONS):
        await noted(store, f"s{number}", number, branch="main")
    found = await find(store, NAMES, HERE)
    await noted(store, "s0", 40, branch="new work")
    await put(store, found, "late", 41, branch="main")
    assert (await sessions(store))["s0"]["branch"] == "new work"
    assert "late" in await sessions(store)


async def test_the_workspace_of_another_project_is_not_used(store: Store) -> None:
    await noted(store, "a", branch="main")
    found = await find(store, NAMES, OTHER)
    assert (found.name, found.sessions) == ("w-derived", {})
    assert "belongs to another project" in found.remark
    with pytest.raises(InvalidInput, match="no workspace is free"):
        await find(store, Binding(("w",)), OTHER)


async def test_whoever_sets_up_the_hook_may_share_a_workspace(store: Store) -> None:
    await noted(store, "a", branch="main")
    found = await find(store, Binding(("w",), trusted=True), OTHER)
    assert found.name == "w"
    await record(store, found, OTHER, "b", {"branch": "x"}, event="stop", at="2026")
    for project in (HERE, OTHER):
        assert set((await find(store, NAMES, project)).sessions) == {"a", "b"}


async def test_the_agents_own_workspace_is_left_as_it_is(store: Store) -> None:
    agents = store.workspace("w")
    await agents.save([1, 2], summary="mine")
    await noted(store, "a", branch="main")
    checkpoint = await agents.load()
    assert (checkpoint.version, checkpoint.state) == (1, [1, 2])


@pytest.mark.parametrize("state", [None, [1], "text", {"sessions": []}, {"sessions": {"a": 1}}])
async def test_what_others_wrote_there_is_no_obstacle(store: Store, state: Any) -> None:
    await store.workspace("w.sessions").save(state)
    found = await find(store, NAMES, HERE)
    assert found.sessions == {}
    await put(store, found, "a", branch="main")
    assert (await sessions(store))["a"]["branch"] == "main"
    kept = await store.workspace("w.sessions").load(version=1)
    assert kept.state == state


async def test_odd_values_in_a_note_are_no_obstacle(store: Store) -> None:
    odd = {"todos": [1, {"id": 3}], "files": {"a": 1}, "branch": [], "digest": 7, "at": None}
    await store.workspace("w.sessions").save({"sessions": {"a": odd, "b": {"at": "x"}}})
    await noted(store, "a", branch="main", todos=[{"id": "1", "text": "", "status": "pending"}])
    assert (await sessions(store))["a"]["branch"] == "main"

"""A workspace through the public library, in memory and on disk."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.place import Place

from safepoint import (
    Actor,
    Conflict,
    InvalidInput,
    LimitExceeded,
    Limits,
    NotFound,
    PlannedStep,
    Store,
    Workspace,
)
from safepoint.objects.local import LocalObjects

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=30,
)


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, LocalObjects(tmp_path / "store") if request.param == "disk" else None)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.process() as opened:
        yield opened


@pytest.fixture
def work(store: Store) -> Workspace:
    return store.workspace("work")


@pytest.fixture(scope="module")
def three_blocks(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """600 versions: every third a plan, the others checkpoints, some with labels."""
    place = Place(tmp_path_factory.mktemp("place"))

    async def fill() -> None:
        async with place.process() as store:
            work = store.workspace("work")
            for version in range(1, 601):
                if version % 3 == 0:
                    await work.plan_steps([f"step {version}"])
                else:
                    label = {1: "first", 256: "end of block", 400: "draft", 500: "draft"}
                    await work.save({"version": version}, label=label.get(version))

    asyncio.run(fill())
    return place


# State


@settings(max_examples=50)
@given(JSONS)
def test_any_json_comes_back_equal_with_its_keys_in_order(state: Any) -> None:
    async def saved_and_loaded() -> Any:
        async with Store.open("memory://") as store:
            await store.workspace("work").save(state)
            return (await store.workspace("work").load()).state

    loaded = asyncio.run(saved_and_loaded())
    assert json.dumps(loaded) == json.dumps(state)


async def test_a_save_says_what_was_stored_and_a_load_gives_it_back(
    place: Place, work: Workspace
) -> None:
    saved = await work.save({"b": 1, "a": [1.0, "é"]}, label="draft", summary="so far")
    assert (saved.workspace, saved.version, saved.run, saved.label) == ("work", 1, 1, "draft")
    assert saved.saved_at == place.now
    assert saved.stored_bytes > saved.state_bytes == len('{"b":1,"a":[1.0,"é"]}'.encode())
    loaded = await work.load()
    assert loaded.state == {"b": 1, "a": [1.0, "é"]}
    assert list(loaded.state) == ["b", "a"]
    assert loaded.state_json == '{"b":1,"a":[1.0,"é"]}'.encode()
    assert (loaded.sha256, loaded.version) == (saved.sha256, 1)


async def test_every_version_stays_as_it_was(work: Workspace) -> None:
    for version in range(1, 20):
        await work.save({"version": version})
    for version in range(1, 20):
        loaded = await work.load(version=version)
        assert (loaded.version, loaded.state) == (version, {"version": version})
        assert (loaded.brief.version, loaded.brief.head_version) == (version, 19)


async def test_a_workspace_without_state_loads_as_none(work: Workspace) -> None:
    await work.plan_steps(["fetch"])
    loaded = await work.load()
    assert (loaded.state, loaded.state_bytes, loaded.sha256) == (None, 0, "")
    await work.save(None)
    assert (await work.load()).state_json == b"null"


@pytest.mark.parametrize("number", [10**400, -(2**64), 2**63, 1e308, 5e-324, -0.0])
async def test_numbers_survive_to_the_last_digit(work: Workspace, number: float) -> None:
    await work.save([number, {"n": number}])
    assert json.dumps((await work.load()).state) == json.dumps([number, {"n": number}])


@pytest.mark.parametrize(
    "state",
    [float("nan"), [float("inf")], {"a": {1: 2}}, {"a": b"bytes"}, {"a": "\ud800"}, object(), {1}],
    ids=lambda state: type(state).__name__,
)
async def test_what_is_not_json_is_refused_and_nothing_is_saved(
    work: Workspace, state: Any
) -> None:
    for given_as in ({"state": state}, {"patch": state}):
        with pytest.raises(InvalidInput):
            await work.save(**given_as)
    with pytest.raises(InvalidInput):
        await work.mark_step_done("step", result=state)
    with pytest.raises(InvalidInput):
        await work.start_step("step", input=state)
    with pytest.raises(NotFound):
        await work.load()


async def test_a_large_state_is_worked_on_off_the_event_loop(work: Workspace) -> None:
    large = {"text": "word " * 1_000_000}
    heavy = ("jsontext.py", "patch.py", "document.py", "delta.py", "record.py", "envelope.py")
    on_the_loop: list[str] = []

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.endswith(heavy):
            on_the_loop.append(frame.f_code.co_name)

    await work.plan_steps(["step"])
    sys.setprofile(watch)
    try:
        await work.save(patch=large)
        await work.save(large)
        await work.save(patch=large, request_id="r1")
        await work.mark_step_done("step", state=large)
        loaded = await work.load(version=3)
        shallow = {"__post_init__", "changed", "exists", "state", "write_json"}
        assert set(on_the_loop) <= shallow
        await work.save(patch={"more": 1})
        assert not {"decode_json", "merge_patch", "compress", "seal"} & set(on_the_loop)
    finally:
        sys.setprofile(None)
    assert loaded.state == large
    assert (await work.load()).state == {**large, "more": 1}


async def test_state_and_patch_or_version_and_label_exclude_each_other(work: Workspace) -> None:
    for wrong in (
        work.save({}, patch={}),
        work.mark_step_done("a", state={}, patch={}),
        work.load(version=1, label="a"),
    ):
        with pytest.raises(InvalidInput, match="exclude each other"):
            await wrong


async def test_all_that_a_workspace_holds_together_has_a_limit(place: Place) -> None:
    async with place.process(limits=Limits(document_bytes=10_000)) as store:
        work = store.workspace("work")
        await work.save({"text": "x" * 5000})
        await work.plan_steps(["a"])
        with pytest.raises(LimitExceeded, match="the limit is 10,000"):
            await work.mark_step_done("a", result="x" * 5000)
        assert (await work.load()).version == 2
        await work.mark_step_done("a", result="x" * 1000)


async def test_a_request_repeated_by_another_process_is_answered_not_saved_again(
    place: Place, work: Workspace
) -> None:
    first = await work.save({"n": 1}, request_id="r1")
    await work.save({"n": 2})
    async with place.process() as other:
        again = await other.workspace("work").save({"n": 1}, request_id="r1")
        assert (again.version, again.repeated, again.sha256) == (1, True, first.sha256)
        assert again.stored_bytes == first.stored_bytes
        assert (await other.workspace("work").load()).state == {"n": 2}


async def test_a_version_conflict_tells_what_changed_since(work: Workspace) -> None:
    await work.save(1)
    await work.save(2, label="draft")
    await work.plan_steps(["send"])
    await work.start_step("send")
    with pytest.raises(Conflict) as caught:
        await work.save(9, expected_version=1)
    assert caught.value.code == "version_conflict"
    assert "is at version 4. Since then: 2 save 'draft' by tester; 3 plan by tester; " in str(
        caught.value
    )
    assert "4 start 'send' by tester." in str(caught.value)


@pytest.mark.parametrize(
    ("expected", "words"),
    [(99, "Version 99 does not exist"), (0, "2 earlier; 3 save"), (-1, "2 earlier|3 earlier")],
)
async def test_a_version_conflict_is_told_for_any_number(
    work: Workspace, expected: int, words: str
) -> None:
    for _ in range(12):
        await work.save(1)
    with pytest.raises(Conflict, match=words):
        await work.save(9, expected_version=expected)


# Not there


async def test_a_workspace_that_does_not_exist_is_not_found_by_any_reading(
    work: Workspace,
) -> None:
    for reading in (work.load(), work.checkpoints(), work.history(), work.steps()):
        with pytest.raises(NotFound, match="no workspace 'work'") as caught:
            await reading
        assert caught.value.code == "workspace_not_found"


@pytest.mark.parametrize("version", [0, -1, 4, 10**9])
async def test_a_version_that_does_not_exist_is_not_found(work: Workspace, version: int) -> None:
    for number in range(3):
        await work.save(number)
    with pytest.raises(NotFound, match=f"no version {version}; its newest is 3") as caught:
        await work.load(version=version)
    assert caught.value.code == "version_not_found"


async def test_a_label_that_does_not_exist_is_not_found_and_the_closest_are_named(
    work: Workspace,
) -> None:
    await work.save(1)
    with pytest.raises(NotFound, match="labelled 'draft'") as caught:
        await work.load(label="draft")
    assert "No checkpoint of it has a label" in caught.value.hint
    await work.save(2, label="first draft")
    with pytest.raises(NotFound) as caught:
        await work.load(label="first daft")
    assert (caught.value.code, "'first draft'" in caught.value.hint) == ("label_not_found", True)


# Names


@settings(max_examples=30)
@given(st.lists(TEXT, unique=True, min_size=1, max_size=5))
def test_any_unicode_text_names_a_workspace_of_its_own(names: list[str]) -> None:
    async def saved_and_listed() -> None:
        async with Store.open("memory://") as store:
            for name in names:
                await store.workspace(name).save({"name": name})
            for name in names:
                assert (await store.workspace(name).load()).state == {"name": name}
            assert {i.name for i in (await store.workspaces()).items} == set(names)

    asyncio.run(saved_and_listed())


async def test_long_names_names_that_differ_in_case_and_names_like_paths_are_kept_apart(
    place: Place, store: Store
) -> None:
    names = ["x" * 1000, "x" * 999 + "y", "é" * 1000, "Case", "case", "../case", "a/b", "nul", " "]
    for name in names:
        await store.workspace(name).save({"name": name})
    async with place.process() as other:
        for name in names:
            assert (await other.workspace(name).load()).state == {"name": name}
        assert {i.name for i in (await other.workspaces()).items} == set(names)


@pytest.mark.parametrize("name", ["", "x" * 1001, "\ud800"])
async def test_a_name_that_cannot_be_one_is_refused_before_anything_is_asked(
    store: Store, name: str
) -> None:
    with pytest.raises(InvalidInput):
        store.workspace(name)


# Checkpoints and history, over blocks


async def all_pages(reading: Any, **options: Any) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = await reading(cursor=cursor, **options)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == options["limit"]


@pytest.mark.parametrize("limit", [1, 99, 400, 401, 1000])
async def test_checkpoints_are_paged_newest_first_across_blocks(
    three_blocks: Place, limit: int
) -> None:
    async with three_blocks.process() as store:
        found = await all_pages(store.workspace("work").checkpoints, limit=limit)
    assert [c.version for c in found] == [v for v in range(600, 0, -1) if v % 3]
    assert {c.version: c.label for c in found if c.label} == {
        1: "first",
        256: "end of block",
        400: "draft",
        500: "draft",
    }


@pytest.mark.parametrize("limit", [7, 100, 600, 1000])
async def test_history_is_every_commit_newest_first(three_blocks: Place, limit: int) -> None:
    async with three_blocks.process() as store:
        found = await all_pages(store.workspace("work").history, limit=limit)
    assert [event.version for event in found] == list(range(600, 0, -1))
    assert {event.kind for event in found if event.version % 3 == 0} == {"plan"}
    assert found[0].actor == Actor("tester")
    assert all(event.stored_bytes > 100 for event in found)


@pytest.mark.parametrize(
    ("label", "version"), [("first", 1), ("end of block", 256), ("draft", 500)]
)
async def test_a_label_in_an_older_block_is_found_the_newest_one_first(
    three_blocks: Place, label: str, version: int
) -> None:
    async with three_blocks.process() as store:
        loaded = await store.workspace("work").load(label=label)
    assert (loaded.version, loaded.state) == (version, {"version": version})


async def test_paging_goes_on_where_it_was_while_others_save(work: Workspace) -> None:
    for number in range(6):
        await work.save(number)
    first = await work.checkpoints(limit=3)
    await work.save("new")
    rest = await work.checkpoints(limit=10, cursor=first.next_cursor)
    assert [c.version for c in (*first.items, *rest.items)] == [6, 5, 4, 3, 2, 1]


async def test_a_checkpoint_line_says_what_was_saved_by_whom(place: Place) -> None:
    async with place.process(actor=Actor("ann", "1.0", "laptop", "42", "stdio")) as store:
        work = store.workspace("work")
        saved = await work.save({"n": 1}, label="l", summary="s", kind="milestone", step="fetch")
        (line,) = (await work.checkpoints()).items
        other = store.workspace("work", actor=Actor("bob"))
        await other.save({"n": 2})
        assert (await work.checkpoints()).items[0].saved_by == Actor("bob")
    assert (line.version, line.kind, line.label) == (1, "milestone", "l")
    assert (line.summary, line.step) == ("s", "fetch")
    assert (line.sha256, line.state_bytes, line.saved_at) == (saved.sha256, 7, place.now)
    assert line.saved_by == Actor("ann", "1.0", "laptop", "42", "stdio")


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "1" * 20, "²"])
async def test_a_cursor_that_no_page_gave_is_refused(work: Workspace, cursor: str) -> None:
    await work.save(1)
    for reading in (work.checkpoints, work.history, work.steps):
        with pytest.raises(InvalidInput, match="cursor"):
            await reading(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_that_is_too_long_or_empty_is_refused(work: Workspace, limit: int) -> None:
    await work.save(1)
    for reading in (work.checkpoints, work.history, work.steps):
        with pytest.raises(InvalidInput, match="limit must be"):
            await reading(limit=limit)


# Steps


async def test_a_job_is_planned_run_reported_and_resumed_by_another_process(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        plan = await work.plan_steps(
            ["fetch", PlannedStep("send", "Send it", ("fetch",))], goal="publish"
        )
        assert (plan.version, plan.added, plan.next_step) == (1, ("fetch", "send"), "fetch")
        started = await work.start_step("fetch", input={"url": "x"})
        marked = await work.mark_step_done(
            "fetch", result={"pages": 3}, state={"n": 3}, fencing_token=started.fencing_token
        )
        assert (marked.version, marked.next_step) == (3, "send")
        await work.start_step("send", lease=timedelta(minutes=1))
    place.now += timedelta(minutes=2)
    async with place.process() as store:
        work = store.workspace("work")
        brief = (await work.load()).brief
        assert (brief.goal, brief.done, brief.next_step) == ("publish", ("fetch",), "send")
        assert brief.in_flight[0].interrupted
        assert (await work.start_step("fetch")).result == {"pages": 3}
        again = await work.start_step("send")
        assert (again.decision, again.attempt) == ("run", 2)
        await work.mark_step_done("send", fencing_token=again.fencing_token)
        assert (await work.load()).brief.status == "done"


async def test_a_result_is_kept_with_the_step_and_listed(place: Place, work: Workspace) -> None:
    await work.plan_steps([f"step {number}" for number in range(5)])
    await work.mark_step_done("step 1", result={"b": 1, "a": 10**30})
    await work.mark_step_done(
        "step 2", status="failed", error="down", retry_after=timedelta(hours=1)
    )
    token = (await work.start_step("step 3")).fencing_token
    one, two, three = (await work.steps()).items[1:4]
    assert (one.status, one.result, one.result_bytes) == ("done", {"b": 1, "a": 10**30}, 43)
    assert (two.status, two.error, two.retryable) == ("failed", "down", True)
    assert two.retry_at == place.now + timedelta(hours=1)
    assert (three.status, three.fencing_token, three.attempts) == ("running", token, 1)
    assert three.idempotency_key == "work:1:step 3"
    place.now += timedelta(hours=2)
    assert (await work.steps(status="interrupted")).items[0].name == "step 3"


async def test_steps_are_paged_in_plan_order_and_filtered(work: Workspace) -> None:
    await work.plan_steps([f"step {number}" for number in range(25)])
    for number in range(0, 25, 2):
        await work.mark_step_done(f"step {number}", status="skipped")
    everything = await all_pages(work.steps, limit=10)
    assert [step.name for step in everything] == [f"step {number}" for number in range(25)]
    pending = await all_pages(work.steps, limit=5, status="pending")
    assert [step.name for step in pending] == [f"step {number}" for number in range(1, 25, 2)]
    with pytest.raises(InvalidInput, match="status must be one of"):
        await work.steps(status="finished")


async def test_what_was_done_in_one_commit_is_there_together_or_not_at_all(
    work: Workspace,
) -> None:
    await work.plan_steps(["fetch"])
    marked = await work.mark_step_done("fetch", result=1, state={"n": 1}, summary="done")
    before, after = await work.load(version=1), await work.load(version=marked.version)
    assert (before.brief.done, before.state) == ((), None)
    assert (after.brief.done, after.state, after.brief.summary) == (("fetch",), {"n": 1}, "done")
    assert marked.version == 2


async def test_any_number_of_values_may_speak_for_one_workspace(store: Store) -> None:
    values = [store.workspace("work") for _ in range(10)]
    await asyncio.gather(*(w.save(patch={str(n): n}) for n, w in enumerate(values)))
    assert (await values[0].load()).state == {str(n): n for n in range(10)}
    assert (await values[3].load()).version == 10


async def test_one_step_is_shown_by_its_name(tmp_path) -> None:
    async with Store.open(tmp_path) as store:
        work = store.workspace("w")
        await work.plan_steps(["fetch", "send"])
        await work.start_step("fetch")
        assert await work.step("fetch") == (await work.steps()).items[0]
        with pytest.raises(NotFound, match=r"no step 'fetched'") as told:
            await work.step("fetched")
    assert (told.value.code, "'fetch'" in str(told.value.hint)) == ("step_not_found", True)

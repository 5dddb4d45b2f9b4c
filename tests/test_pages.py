"""The pages in a store: who is on them, what never is, and that they follow the work cheaply."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.behind.ticker import Ticker, WatchedObjects
from tests.pages.markup import Markup
from tests.place import Place

from safepoint import Actor, InvalidInput, PlannedStep, Store
from safepoint.format.keys import ROOT_PAGE, ROOT_SUMMARY, encode_name, page_key, summary_key
from safepoint.objects.base import ObjectStore
from safepoint.testing.faults import Operation

pytestmark = pytest.mark.anyio

NEVER = (
    *("goal-words", "summary-words", "next-words", "state-words", "result-words", "error-words"),
    *("approval-words", "question-words", "subject-words"),
)
NAMES = ("step-words", "title-words", "label-words", "actor-words")
LONG = "Long name " * 29 + "its-end-words"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return PlaceWithPages(tmp_path)


class PlaceWithPages(Place):
    def process(
        self, objects: ObjectStore | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Store]:
        return super().process(objects, **{"pages": "full", **options})


async def work(store: Store) -> None:
    for name in ("Trip to Lisbon: 100 % fun", LONG):
        trip = store.workspace(name)
        await trip.plan_steps(
            [PlannedStep("step-words 1", title="title-words"), "step-words 2"], goal="goal-words"
        )
        await trip.approvals.request("approval-words", "question-words", subject="subject-words")
        started = await trip.start_step("step-words 1", input="state-words")
        await trip.save(
            {"state-words": "state-words"}, label="label-words", summary="summary-words",
            next_action="next-words", kind="milestone", step="step-words 1",
        )  # fmt: skip
        await trip.mark_step_done(
            "step-words 1", fencing_token=started.fencing_token, result="result-words",
            summary="summary-words",
        )  # fmt: skip
        started = await trip.start_step("step-words 2")
        await trip.mark_step_done(
            "step-words 2", status="failed", error="error-words",
            fencing_token=started.fencing_token,
        )  # fmt: skip


async def everything(objects: ObjectStore) -> AsyncIterator[tuple[str, str]]:
    """Keys and contents as text, also with what HTML and URLs escape taken back."""
    for key in await objects.list(""):
        raw = (await objects.get(key) or b"").decode("latin-1")
        yield key, "\n".join((unquote(key), raw, html.unescape(raw), unquote(raw)))


async def page(place: Place, key: str = ROOT_PAGE) -> Markup:
    data = await place.objects.get(key)
    assert data is not None
    return Markup(data)


@pytest.mark.parametrize("pages", ["full", "counts", "off"])
async def test_only_full_pages_show_names_and_none_shows_contents(place: Place, pages: str) -> None:
    async with place.process(pages=pages, actor=Actor("actor-words", host="actor-words")) as store:
        await work(store)
    shown = set()
    async for key, text in everything(place.objects):
        assert not [word for word in NEVER if word in text], key
        shown |= {word for word in (*NAMES, "its-end-words") if word in text}
    assert shown == ({*NAMES, "its-end-words"} if pages == "full" else set())


async def test_off_writes_no_page(place: Place) -> None:
    async with place.process(pages="off") as store:
        await work(store)
    keys = await place.objects.list("")
    assert [key for key in keys if key.endswith((".html", ROOT_SUMMARY))] == [
        key for key in keys if key.endswith("/summary")
    ]
    assert len([key for key in keys if key.endswith("/summary")]) == 2


async def test_an_unknown_policy_is_refused_before_anything_is_opened(place: Place) -> None:
    with pytest.raises(InvalidInput, match="one of full, counts, off"):
        async with place.process(pages="everything"):
            pass
    assert await place.objects.list("") == []


async def test_counts_show_where_a_workspace_is_by_numbers(place: Place) -> None:
    async with place.process(pages="counts") as store:
        await work(store)
    found = await page(place, page_key(encode_name("Trip to Lisbon: 100 % fun")))
    assert "Trip to Lisbon: 100 % fun" in found.text  # as the key tells anyway
    assert "Approvals asked for1" in found.text.replace("\n", "")
    assert [row[1] for row in found.rows[:3]] == ["Status", "✓ done", "✕ failed"]
    assert "Step 1: done" in found.text


async def test_links_lead_from_page_to_page(place: Place) -> None:
    async with place.process() as store:
        await work(store)
    root = await page(place)
    assert len(root.links) == 2
    for link in root.links:
        key = unquote(link)  # what a browser asks a server for, or opens on disk
        assert (await page(place, key)).links == ["../../index.html"]
        assert ROOT_PAGE in await place.objects.list("")


async def test_the_root_page_has_the_workspaces_of_all_processes(place: Place) -> None:
    for number in range(3):
        place.now += timedelta(seconds=1)
        async with place.process() as store:
            await store.workspace(f"work-{number}").save(number)
    assert [row[0] for row in (await page(place)).rows] == [
        "Workspace", "work-2", "work-1", "work-0",
    ]  # fmt: skip


async def test_a_short_process_reads_no_other_summaries(place: Place) -> None:
    async with place.process() as store:
        for number in range(40):
            await store.workspace(f"work-{number}").save(number)
    objects = WatchedObjects(place.objects)
    async with place.process(objects) as store:
        await store.workspace("work-7").save("again")
        objects.clear()
    assert sorted(objects.operations) == [
        Operation("get", ROOT_SUMMARY),
        Operation("get", summary_key("work-7")),
        Operation("put", ROOT_PAGE),
        Operation("put", ROOT_SUMMARY),
        Operation("put", page_key("work-7")),
        Operation("put", summary_key("work-7")),
    ]
    assert len((await page(place)).rows) == 1 + 40


async def test_a_process_that_stays_reads_all_summaries_once_a_minute(place: Place) -> None:
    async with place.process() as store:
        for number in range(10):
            await store.workspace(f"work-{number}").save(number)
    await place.objects.delete(ROOT_SUMMARY)
    ticker, objects = Ticker(), WatchedObjects(place.objects)
    async with place.process(objects, pace=ticker.pace()) as store:
        read = []
        for round_ in range(1, 20):
            await store.workspace("mine").save(round_)
            objects.clear()
            await ticker.pass_(5)
            place.now += timedelta(seconds=5)
            await objects.until(lambda n=round_: objects.puts(ROOT_PAGE) == n)
            read.append(objects.count("get") > 10)
    assert [round_ for round_, all_read in enumerate(read) if all_read] == [0, 12]
    assert len((await page(place)).rows) == 1 + 11


async def test_a_workspace_that_is_gone_leaves_the_page(place: Place) -> None:
    async with place.process() as store:
        for name in ("kept", "gone"):
            await store.workspace(name).save(1)
    for key in await place.objects.list("workspaces/gone/"):
        await place.objects.delete(key)
    place.now += timedelta(hours=2)
    async with place.process() as store:
        await store.workspace("kept").save(2)
    assert [row[0] for row in (await page(place)).rows] == ["Workspace", "kept"]


async def test_a_damaged_root_summary_is_made_anew(place: Place) -> None:
    async with place.process() as store:
        for name in ("one", "two"):
            await store.workspace(name).save(1)
    await place.objects.put(ROOT_SUMMARY, b"something else")
    async with place.process() as store:
        await store.workspace("two").save(2)
    assert {row[0] for row in (await page(place)).rows} == {"Workspace", "one", "two"}


async def test_the_page_reaches_back_into_the_block_before(place: Place) -> None:
    async with place.process() as store:
        for number in range(260):
            await store.workspace("work").save(number)
    found = await page(place, page_key("work"))
    assert [row[0] for row in found.rows[1:]] == [str(n) for n in range(260, 160, -1)]


async def test_a_long_plan_is_cut_to_what_matters_now(place: Place) -> None:
    async with place.process() as store:
        long = store.workspace("long")
        await long.plan_steps([f"step {n}" for n in range(1, 501)])
        for n in range(1, 352):
            place.now += timedelta(seconds=1)
            await long.mark_step_done(f"step {n}", status="failed" if n == 5 else "done")
    found = await page(place, page_key("long"))
    assert "300 of 500" in found.text
    numbers = [int(row[0]) for row in found.rows[1:301]]
    assert numbers == [5, *range(152, 451)]  # what failed, the last 200 finished, the next 99

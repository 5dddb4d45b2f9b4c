"""What `/metrics` tells of calls, commits, requests and stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from prometheus_client.parser import text_string_to_metric_families
from tests.behind.ticker import Ticker
from tests.place import Place
from tests.server.conftest import Agent

from safepoint import Store
from safepoint.format.keys import ROOT_SUMMARY, log_key
from safepoint.testing.faults import Fault, FaultyObjects, GatedObjects
from safepoint_server.access import OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings
from safepoint_server.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def agent_on(store: Store, metrics: Metrics) -> AsyncIterator[Agent]:
    server = create_server(OneStore(store), store, Settings.load({}), observer=metrics)
    async with Client(server) as client:
        yield Agent(client)


async def read(metrics: Metrics) -> dict[str, float]:
    """Every value by name and labels, as Prometheus would write it: `a_total{x="1"}`."""
    text = (await metrics.text()).decode()
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            values[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return values


async def test_calls_are_counted_by_tool_and_outcome_and_errors_by_code(place: Place) -> None:
    metrics = Metrics()
    async with place.process(observer=metrics) as store, agent_on(store, metrics) as agent:
        await agent.call("save_checkpoint", workspace="w", state={"a": 1})
        await agent.call("save_checkpoint", workspace="w", state={"a": 2})
        await agent.refused("load_checkpoint", workspace="none")
        await agent.refused("load_checkpoint", workspace=7)
        await agent.client.read_resource("safepoint://workspaces/w")
        values = await read(metrics)
    assert values['safepoint_calls_total{outcome="ok",tool="read_resource"}'] == 1
    assert values['safepoint_calls_total{outcome="ok",tool="save_checkpoint"}'] == 2
    assert values['safepoint_calls_total{outcome="refused",tool="load_checkpoint"}'] == 2
    assert values['safepoint_errors_total{code="workspace_not_found"}'] == 1
    assert values['safepoint_errors_total{code="invalid_arguments"}'] == 1
    assert values['safepoint_call_seconds_count{tool="save_checkpoint"}'] == 2
    assert (values["safepoint_save_bytes_count"], values["safepoint_save_bytes_sum"]) == (2, 14)


async def test_a_call_that_the_store_fails_is_told_from_one_that_its_caller_can_mend(
    place: Place,
) -> None:
    metrics, faulty = Metrics(), FaultyObjects(place.objects)
    async with place.process(faulty, observer=metrics) as store:
        async with agent_on(store, metrics) as agent:
            await agent.call("save_checkpoint", workspace="w", state={"a": 1})
            at = faulty.operations
            faulty.schedule = dict.fromkeys(range(at, at + 9), Fault.REFUSED)
            await agent.refused("load_checkpoint", workspace="w")
        faulty.schedule = {}
        values = await read(metrics)
    assert values['safepoint_calls_total{outcome="unavailable",tool="load_checkpoint"}'] == 1
    assert values['safepoint_errors_total{code="unavailable"}'] == 1
    assert values['safepoint_store_requests_total{outcome="unavailable",verb="get"}'] == 1
    assert values['safepoint_loads_total{outcome="unavailable"}'] == 1


async def test_commits_tell_sizes_conflicts_and_the_last_one(place: Place) -> None:
    metrics, gated = Metrics(), GatedObjects(place.objects)
    async with place.process(gated, observer=metrics) as store, place.process() as other:
        before = await read(metrics)
        work = store.workspace("work")
        first = await work.save(1)
        gate = gated.hold("put", log_key("work", 2))
        saving = asyncio.create_task(work.save(2))
        await gate.reached.wait()
        await other.workspace("work").save(3)
        gate.open()
        second = await saving
        values = await read(metrics)
    last = "safepoint_last_commit_timestamp_seconds"
    assert values[last] > before[last] > 0
    assert values['safepoint_commits_total{outcome="ok"}'] == 2
    assert values["safepoint_commit_conflicts_total"] == 1
    assert values["safepoint_commit_bytes_sum"] == first.stored_bytes + second.stored_bytes
    assert values['safepoint_store_requests_total{outcome="exists",verb="put"}'] == 1
    assert values['safepoint_store_bytes_total{direction="written"}'] > first.stored_bytes


async def test_lag_counts_from_the_first_commit_that_no_page_shows(place: Place) -> None:
    metrics, ticker = Metrics(), Ticker()
    async with place.process(observer=metrics, pages="counts", pace=ticker.pace()) as store:
        with metrics.watching(store):
            assert (await read(metrics))["safepoint_checkpoint_lag_seconds"] == 0
            await store.workspace("work").save(1)
            await ticker.pass_(3)
            await store.workspace("work").save(2)
            values = await read(metrics)
    assert values["safepoint_checkpoint_lag_seconds"] == 3
    assert values["safepoint_behind_objects"] == 2
    assert values["safepoint_open_stores"] == 1


async def test_what_a_store_counted_stays_counted_when_it_is_closed(place: Place) -> None:
    metrics = Metrics()
    for round_ in (1, 2):
        async with place.process(observer=metrics) as store:
            with metrics.watching(store):
                work = store.workspace("work")
                await work.save(1)
                await work.save(2)
        values = await read(metrics)
        assert values["safepoint_open_stores"] == values["safepoint_cache_bytes"] == 0
        hits = values["safepoint_cache_hits_total"]
        assert hits >= round_
    assert hits > 0


async def test_open_approvals_are_left_out_when_the_store_does_not_tell(place: Place) -> None:
    metrics, faulty = Metrics(), FaultyObjects(place.objects)
    name = "safepoint_open_approvals"
    async with place.process(faulty, observer=metrics, pages="counts") as store:
        with metrics.watching(store):
            await store.workspace("work").approvals.request("go", "May I?")
            assert (await read(metrics))[name] == 1
            faulty.schedule = {faulty.operations: Fault.REFUSED}
            values = await read(metrics)
            assert name not in values
            assert values["safepoint_open_stores"] == 1


async def test_open_approvals_of_a_hanging_store_hold_up_no_scrape_for_long(place: Place) -> None:
    metrics, gated = Metrics(patience=0.0), GatedObjects(place.objects)
    async with place.process(gated, observer=metrics, pages="counts") as store:
        with metrics.watching(store):
            gate = gated.hold("get", ROOT_SUMMARY)
            values = await read(metrics)
            gate.open()
    assert "safepoint_open_approvals" not in values


async def test_no_label_is_what_a_client_chose(place: Place) -> None:
    metrics, chosen = Metrics(), "chosen-by-the-client"
    async with place.process(observer=metrics, pages="counts") as store:
        with metrics.watching(store):
            server = create_server(OneStore(store), store, Settings.load({}), observer=metrics)
            async with Client(server) as client:
                calls: list[tuple[str, dict[str, Any]]] = [
                    ("save_checkpoint", {"workspace": chosen, "state": 1, "label": chosen}),
                    ("start_step", {"workspace": chosen, "step": chosen}),
                    ("request_approval", {"workspace": chosen, "name": chosen, "question": "?"}),
                    ("load_checkpoint", {"workspace": chosen, chosen: 1}),
                    ("save_checkpoint", {"workspace": chosen, "kind": chosen}),
                    (chosen, {}),
                ]
                for tool, arguments in calls:
                    await client.call_tool(tool, arguments)
            assert chosen not in (await metrics.text()).decode()

"""docs/observability.md, the dashboard and the alert rules tell of exactly what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client
from tests.server.conftest import Agent

from safepoint import Store
from safepoint_server.access import OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings
from safepoint_server.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")
DASHBOARD = json.loads((ROOT / "examples/observability/dashboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "examples/observability/alerts.yml").read_text("utf-8"))
OF_PROMETHEUS = {"up", "job", "instance", "le"}
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| (.+) \|$", re.MULTILINE)


@pytest.fixture
async def metrics() -> Metrics:
    """With a sample of each."""
    metrics = Metrics()
    async with Store.open("memory://", observer=metrics) as store:
        server = create_server(OneStore(store), store, Settings.load({}), observer=metrics)
        async with Client(server) as client:
            agent = Agent(client)
            await agent.call("save_checkpoint", workspace="w", state={})
            await agent.refused("load_checkpoint", workspace="none")
        with metrics.watching(store):
            await metrics.text()
            return metrics


async def test_every_metric_is_documented_with_type_labels_and_meaning(metrics: Metrics) -> None:
    documented = {name: tuple(rest) for name, *rest in ROW.findall(PAGE)}
    there = {}
    for metric in metrics.registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
        if name.startswith("process_"):
            assert f"`{name}`" in PAGE
        else:
            there[name] = (metric.type, labels, metric.documentation)
    assert documented.keys() == there.keys()
    for name, (kind, labels, meaning) in there.items():
        words = set(re.findall(r"\w+", documented[name][1]))
        assert documented[name] == (kind, documented[name][1], meaning)
        assert words == labels, name


def expressions() -> Iterator[str]:
    """Every query of the dashboard and of the rules."""
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (one["query"]["query"] for one in DASHBOARD["templating"]["list"][1:])
    yield from (rule["expr"] for rule in rules())


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


async def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_exist(
    metrics: Metrics,
) -> None:
    names, labels = {"up"}, set(OF_PROMETHEUS)
    for metric in metrics.registry.collect():
        names |= {sample.name for sample in metric.samples}
        labels |= {label for sample in metric.samples for label in sample.labels}
    for expression in expressions():
        asked = set(re.findall(r"\b((?:safepoint|process)_\w+|up\b)", expression))
        assert asked, expression
        assert asked <= names, expression
        used = re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expression)
        for list_ in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
            used += re.findall(r"\w+", list_)
        assert set(used) <= labels, expression


async def test_every_metric_is_on_the_dashboard(metrics: Metrics) -> None:
    shown = " ".join(expressions())
    for metric in metrics.registry.collect():
        if metric.name.startswith("safepoint_"):
            assert metric.name in shown, metric.name


def test_panels_have_titles_units_and_places_of_their_own() -> None:
    assert len({panel["title"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in panels())


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 5
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_file_that_the_page_links_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target

"""Spans of what a store does: which, below which, with what; and none that nobody collects."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.place import Place

from safepoint import Conflict, Pace, Unavailable
from safepoint.testing.faults import Fault, FaultyObjects
from safepoint_server.telemetry.spans import Spans

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Traced:
    """Spans, and those that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")
        self.spans = Spans(self.tracer)

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def of(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name == name]

    def clear(self) -> None:
        self._exporter.clear()


async def test_a_save_is_a_commit_with_its_requests_below_the_span_of_the_caller(
    place: Place,
) -> None:
    traced = Traced()
    async with place.process(observer=traced.spans) as store:
        work = store.workspace("work")
        await work.save(1)
        traced.clear()
        with traced.tracer.start_as_current_span("caller") as caller:
            saved = await work.save(2)
        commit = traced.of("safepoint.commit")[0]
        put = traced.of("safepoint.store.put")[0]
    assert commit.parent == caller.get_span_context()
    assert put.parent == commit.context
    assert dict(commit.attributes or {}) == {
        "safepoint.outcome": "ok",
        "safepoint.version": 2,
        "safepoint.bytes": saved.stored_bytes,
        "safepoint.attempts": 1,
    }
    assert commit.status.status_code is trace.StatusCode.UNSET


async def test_a_load_tells_version_and_bytes(place: Place) -> None:
    traced = Traced()
    async with place.process(observer=traced.spans) as store:
        await store.workspace("work").save({"a": 1})
        traced.clear()
        await store.workspace("work").load()
    (load,) = traced.of("safepoint.load")
    assert dict(load.attributes or {}) == {
        "safepoint.outcome": "ok",
        "safepoint.version": 1,
        "safepoint.bytes": len('{"a":1}'),
    }
    get = traced.of("safepoint.store.get")[0]
    assert get.parent == load.context
    assert (get.attributes or {})["safepoint.outcome"] == "absent"


async def test_failures_are_told_by_their_code_and_never_by_their_text(place: Place) -> None:
    traced, faulty = Traced(), FaultyObjects(place.objects)
    async with place.process(faulty, observer=traced.spans) as store:
        work = store.workspace("work")
        await work.save(1)
        with pytest.raises(Conflict):
            await work.save(2, expected_version=7)
        at = faulty.operations
        faulty.schedule = dict.fromkeys(range(at, at + 9), Fault.REFUSED)
        with pytest.raises(Unavailable):
            await work.load()
        faulty.schedule = {}
    refused = traced.of("safepoint.commit")[-1]
    failed = traced.of("safepoint.load")[-1]
    for span, code in ((refused, "version_conflict"), (failed, "unavailable")):
        assert (span.attributes or {})["error.type"] == span.status.description == code
        assert span.status.status_code is trace.StatusCode.ERROR
        assert list(span.events) == []


async def test_no_span_holds_a_name_or_a_key(place: Place) -> None:
    traced = Traced()
    async with place.process(observer=traced.spans, pages="full", pace=Pace()) as store:
        work = store.workspace("name-of-it")
        await work.save({"name-of-it": 1}, label="name-of-it")
        await work.artifacts.save("name-of-it", b"name-of-it")
        await work.load(label="name-of-it")
    assert traced.of("safepoint.store.put_stream")
    for span in traced.ended:
        assert "name-of-it" not in span.to_json()


async def test_what_follows_a_commit_is_no_part_of_it(place: Place) -> None:
    traced = Traced()
    async with place.process(observer=traced.spans, pages="counts") as store:
        with traced.tracer.start_as_current_span("caller"):
            await store.workspace("work").save(1)
        traced.clear()
    assert traced.of("safepoint.store.put")
    assert [span.parent for span in traced.of("safepoint.store.put")] == [None] * 4


def test_nothing_is_observed_unless_a_program_has_set_up_an_sdk() -> None:
    assert Spans.if_wanted() is None

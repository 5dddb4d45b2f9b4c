"""A document comes back as it was encoded, and nothing else is taken for one."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.errors import Unsupported
from safepoint.format.document import EMPTY, Decoder, Document, decode, encode, result_region
from safepoint.format.entries import (
    ApprovalEntry,
    ArtifactEntry,
    CheckpointEntry,
    ForkEntry,
    OriginEntry,
    ReferenceEntry,
    RequestEntry,
    RetentionEntry,
    RunEntry,
    StepEntry,
)
from safepoint.model import Actor

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAYBE_TEXT = st.none() | TEXT
NUMBER = st.integers(0, 2**53)
MAYBE = st.none() | NUMBER
ACTORS = st.builds(Actor, TEXT, TEXT, TEXT, TEXT, TEXT)
STEPS = st.builds(
    StepEntry,
    status=st.sampled_from(["pending", "running", "done", "failed", "skipped"]),
    title=MAYBE_TEXT,
    after=st.lists(TEXT, max_size=3).map(tuple),
    attempts=NUMBER,
    input=MAYBE_TEXT,
    token=MAYBE,
    lease_ms=MAYBE,
    holder=st.none() | ACTORS,
    started_ms=MAYBE,
    finished_ms=MAYBE,
    wake_ms=MAYBE,
    needs=st.lists(TEXT, max_size=3).map(tuple),
    finished_version=MAYBE,
    error=MAYBE_TEXT,
    retryable=st.none() | st.booleans(),
    retry_ms=MAYBE,
    summary=MAYBE_TEXT,
    mark=MAYBE_TEXT,
)
CHECKPOINTS = st.builds(
    CheckpointEntry,
    version=NUMBER,
    run=NUMBER,
    at_ms=NUMBER,
    kind=TEXT,
    label=MAYBE_TEXT,
    summary=MAYBE_TEXT,
    step=MAYBE_TEXT,
    size=NUMBER,
    sha256=TEXT,
    actor=ACTORS,
)
NAMED = st.lists(TEXT, max_size=3).map(tuple)
APPROVALS = st.builds(
    ApprovalEntry,
    status=st.sampled_from(["pending", "approved", "denied", "answered", "withdrawn"]),
    question=TEXT,
    options=NAMED,
    schema=MAYBE_TEXT,
    subject=MAYBE_TEXT,
    single_use=st.booleans(),
    used_by=MAYBE_TEXT,
    asked_by=st.none() | ACTORS,
    decided_by=st.none() | ACTORS,
    decided_ms=MAYBE,
    answer=MAYBE_TEXT,
)
ARTIFACTS = st.builds(
    ArtifactEntry,
    id=TEXT,
    revision=NUMBER,
    version=NUMBER,
    at_ms=NUMBER,
    size=NUMBER,
    sha256=TEXT,
    media_type=TEXT,
    actor=st.none() | ACTORS,
    executable=st.booleans(),
    until=MAYBE,
)
DOCUMENTS = st.builds(
    Document,
    version=NUMBER,
    run=NUMBER,
    created_ms=NUMBER,
    updated_ms=NUMBER,
    goal=MAYBE_TEXT,
    next_action=MAYBE_TEXT,
    summary=MAYBE_TEXT,
    state_sha256=TEXT,
    latest=st.none() | CHECKPOINTS,
    steps=st.dictionaries(TEXT, STEPS, max_size=3),
    checkpoints=st.lists(CHECKPOINTS, max_size=3).map(tuple),
    requests=st.lists(st.builds(RequestEntry, TEXT, TEXT, CHECKPOINTS), max_size=2).map(tuple),
    approvals=st.dictionaries(TEXT, APPROVALS, max_size=2),
    artifacts=st.dictionaries(TEXT, st.lists(ARTIFACTS, max_size=2).map(tuple), max_size=2),
    references=st.lists(st.builds(ReferenceEntry, TEXT, TEXT), max_size=2).map(tuple),
    run_first=NUMBER,
    runs=st.lists(st.builds(RunEntry, NUMBER, NUMBER), max_size=2).map(tuple),
    origin=st.none() | st.builds(OriginEntry, TEXT, NUMBER),
    forks=st.lists(st.builds(ForkEntry, TEXT, NUMBER), max_size=2).map(tuple),
    retention=st.none() | st.builds(RetentionEntry, MAYBE, MAYBE),
    pins=st.lists(NUMBER, max_size=3).map(tuple),
    floor=NUMBER,
    deleted=st.booleans(),
    regions=st.dictionaries(TEXT, st.binary(max_size=40), max_size=3),
)
ACTOR = Actor("tester")
ENTRY = CheckpointEntry(3, 1, 5, "step", "a", None, None, 2, "ab", ACTOR)
STEP = StepEntry(status="running", holder=ACTOR, after=("plan",))
FULL = Document(
    version=3,
    latest=ENTRY,
    steps={"fetch": STEP},
    checkpoints=(ENTRY,),
    requests=(RequestEntry("r", "f", ENTRY),),
    regions={"state": b"{}", result_region("fetch"): b"\x00\xff"},
)


def changed(**head: Any) -> bytes:
    """FULL with other fields in its head."""
    data = encode(FULL)
    (length,) = struct.unpack_from(">I", data, 1)
    old = orjson.loads(data[5 : 5 + length])
    fields = {**old, **head}
    text = orjson.dumps({name: value for name, value in fields.items() if value is not ...})
    return struct.pack(">BI", 1, len(text)) + text + data[5 + length :]


@given(DOCUMENTS)
def test_a_document_comes_back_as_it_was_encoded(document: Document) -> None:
    decoded = decode(encode(document))
    assert decoded == document
    assert list(decoded.steps) == list(document.steps)
    assert encode(decoded) == encode(document)


@given(DOCUMENTS, DOCUMENTS)
def test_a_changed_document_is_one_with_these_values_and_leaves_the_other_as_it_was(
    document: Document, other: Document
) -> None:
    before = encode(document)
    values: dict[str, Any] = {"version": other.version, "artifacts": dict(other.artifacts)}
    changed = document.changed(**values, regions={"a": b"b"})
    assert changed == replace(document, **values, regions={"a": b"b"})
    assert encode(changed) == encode(replace(document, **values, regions={"a": b"b"}))
    assert encode(document) == before


def test_a_document_does_not_take_what_is_no_field_of_it() -> None:
    with pytest.raises(TypeError, match="steeps"):
        EMPTY.changed(steeps={})


@given(DOCUMENTS, DOCUMENTS)
def test_documents_one_after_the_other_are_each_what_they_are_alone(
    one: Document, other: Document
) -> None:
    grown = replace(
        one,
        steps={**one.steps, **other.steps},
        checkpoints=one.checkpoints + other.checkpoints,
        requests=one.requests[1:] + other.requests,
        approvals={**other.approvals, **one.approvals},
        artifacts={**one.artifacts, **other.artifacts},
        pins=one.pins,
    )
    decoder = Decoder()
    for document in (one, grown, EMPTY, grown, other, one):
        decoded = decoder.decode(encode(document))
        assert decoded == document
        assert list(decoded.steps) == list(document.steps)
        assert encode(decoded) == encode(document)
        with pytest.raises(ValueError, match="not a document"):
            decoder.decode(changed(checkpoints=[{}]))


def test_what_the_document_before_had_is_not_read_again() -> None:
    decoder = Decoder()
    before = decoder.decode(encode(FULL))
    added = replace(ENTRY, version=4)
    changes = {"latest": added, "checkpoints": (ENTRY, added), "steps": {**FULL.steps, "new": STEP}}
    after = decoder.decode(encode(replace(FULL, **changes)))
    assert after.checkpoints == (ENTRY, added)
    assert after.checkpoints[0] is before.checkpoints[0]
    assert after.steps["fetch"] is before.steps["fetch"]


def test_the_empty_document_comes_back_too() -> None:
    assert decode(encode(EMPTY)) == EMPTY
    assert EMPTY.state is None


def test_what_clients_gave_is_stored_byte_for_byte() -> None:
    state = '{"b": 1.0, "a":  "é"}'.encode()
    assert state in encode(replace(FULL, regions={"state": state}))


def test_marking_a_step_leaves_the_bytes_of_the_state_where_they_were() -> None:
    other = replace(FULL, steps={"fetch": StepEntry(status="done")})
    assert encode(other).endswith(b"{}\x00\xff")


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(Unsupported, match="format 2"):
        decode(b"\x02" + encode(FULL)[1:])


@pytest.mark.parametrize(
    "head", [{"steps": {"fetch": {"unknown": 1}}}, {"unknown": 1}, {"origin": {"unknown": 1}}]
)
def test_a_field_of_a_newer_version_is_never_dropped_silently(head: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="holds unknown"):
        decode(changed(**head))


def test_missing_and_trailing_bytes_are_refused_at_every_length() -> None:
    data = encode(FULL)
    for length in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011 - any: the caller says which object
            decode(data[:length])
    with pytest.raises(ValueError, match="do not fill"):
        decode(data + b"\0")


@pytest.mark.parametrize(
    "head",
    [
        {"steps": ...},
        {"steps": []},
        {"steps": {"fetch": {"after": None}}},
        {"checkpoints": [{}]},
        {"checkpoints": None},
        {"latest": 1},
        {"requests": [{"id": "r"}]},
        {"regions": ...},
        {"regions": None},
        {"regions": [["state", "2"]]},
        {"regions": [["state", 1]]},
        {"regions": [["state", 999]]},
    ],
    ids=str,
)
def test_a_head_that_is_not_one_is_refused(head: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any: the caller says which object
        decode(changed(**head))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, Unsupported)):
        decode(data)


def test_the_stored_form_of_an_entry_takes_little_more_memory_than_its_text() -> None:
    entries = [StepEntry(status="done", title=f"step {n}") for n in range(1000)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        texts = [entry.stored for entry in entries]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(orjson.dumps(texts)) < 60_000
    assert after - before < 300_000

"""What is kept: whatever a workspace has a reason for can be loaded and listed from what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from safepoint.format.document import EMPTY, Document
from safepoint.format.entries import (
    ApprovalEntry,
    ArtifactEntry,
    CheckpointEntry,
    ForkEntry,
    RunEntry,
    StepEntry,
)
from safepoint.format.keys import BLOCK, block_of, chain_of, last_of_block
from safepoint.format.versions import Kept, Versions, existing, kept_of, with_kept
from safepoint.log.keeping import Keeping, keep, lasts, needed, protected, removable_below
from safepoint.model import Actor

HEAD = 1400
VERSION = st.integers(1, HEAD)
SOME = st.sets(VERSION, max_size=12)
FLOOR = st.integers(0, HEAD)


def checkpoint(version: int, **fields: Any) -> CheckpointEntry:
    plain: dict[str, Any] = {"kind": "step", "label": None}
    return CheckpointEntry(
        version, 1, version, summary=None, step=None, size=0, sha256="", actor=Actor("ann"),
        **{**plain, **fields},
    )  # fmt: skip


def step(token: int, status: str) -> StepEntry:
    return StepEntry(status=status, token=token)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A workspace at version 1,400, pruned before or not, with all kinds of reasons."""
    floor = draw(FLOOR)
    lasting = draw(SOME)
    kept = Kept(
        Versions.of(v for v in lasting if v < floor),
        Versions.of(v for v in draw(SOME) - lasting if v < floor),
    )
    running, done = draw(SOME), draw(SOME)
    steps = {f"r{v}": step(v, "running") for v in running}
    approvals = {
        f"a{v}": ApprovalEntry(status=draw(st.sampled_from(["pending", "approved", "withdrawn"])),
                               asked_version=v, decided_version=draw(st.none() | VERSION))
        for v in draw(SOME)
    }  # fmt: skip
    runs = tuple(RunEntry(n, v, ended_ms=v) for n, v in enumerate(sorted(draw(SOME)), start=1))
    return with_kept(
        replace(
            EMPTY,
            version=HEAD,
            floor=floor,
            latest=draw(st.none() | VERSION.map(checkpoint)),
            steps={**steps, **{f"d{v}": step(v, "done") for v in done}},
            approvals=approvals,
            runs=runs,
            forks=tuple(ForkEntry("fork", v) for v in draw(SOME)),
            pins=tuple(sorted(draw(SOME))),
            artifacts={"file": tuple(draw(st.lists(revisions(), max_size=6)))},
        ),
        kept,
    )


@st.composite
def revisions(draw: st.DrawFn) -> ArtifactEntry:
    version = draw(VERSION)
    until = draw(st.none() | st.integers(version + 1, HEAD + 1))
    return ArtifactEntry(f"id {version}", 1, version, 0, 0, "", "text/plain", until=until)


def after(document: Document, keeping: Keeping) -> Document:
    pruned = replace(document, floor=keeping.floor, artifacts=keeping.artifacts)
    return with_kept(pruned, keeping.kept)


@given(documents(), FLOOR, SOME, st.none() | st.integers(0, HEAD))
def test_nothing_goes_that_there_is_a_reason_for(
    document: Document, floor: int, lasting: set[int], since_ms: int | None
) -> None:
    keeping = keep(document, floor=floor, lasting=Versions.of(lasting), since_ms=since_ms)
    before, left = set(existing(document)), set(existing(after(document, keeping)))
    reasons = {
        HEAD,
        *document.pins,
        *lasting,
        *kept_of(document).lasting,
        *(fork.version for fork in document.forks),
        *(s.token for s in document.steps.values() if s.status == "running"),
        *(a.asked_version for a in document.approvals.values() if a.status != "withdrawn"),
        *(a.decided_version for a in document.approvals.values() if a.status != "withdrawn"),
        *(r.last_version for r in document.runs if since_ms is not None and r.ended_ms > since_ms),
        *([document.latest.version] if document.latest else []),
    }
    assert left >= before & reasons
    floor = max(floor, document.floor)
    assert left <= before  # what was pruned never comes back
    assert left == {v for v in before if v >= floor or v in reasons}
    assert set(keeping.gone) == before - left


@given(documents(), FLOOR, SOME)
def test_every_kept_version_and_its_place_in_the_index_can_be_rebuilt(
    document: Document, floor: int, lasting: set[int]
) -> None:
    keeping = keep(document, floor=floor, lasting=Versions.of(lasting), since_ms=None)
    new = after(document, keeping)
    need = needed(new, chain_of)
    for version in existing(new):
        assert all(one in need for one in chain_of(version))
        index = last_of_block(block_of(version))
        assert index > HEAD or all(one in need for one in chain_of(index))
    assert {v for v in need if v < new.floor} <= set(needed(document, chain_of))


@given(documents(), FLOOR, st.integers(1, HEAD + 1), st.integers(0, 700))
def test_what_may_be_removed_is_old_far_from_the_head_and_never_needed_again(
    document: Document, floor: int, young: int, later: int
) -> None:
    new = after(document, keep(document, floor=floor, lasting=Versions(), since_ms=None))
    below = removable_below(new, young=young)
    assert below <= max(0, min(young, new.floor, HEAD - 2 * BLOCK + 1))
    removed = set(range(1, below)) - set(needed(new, chain_of))
    grown = replace(new, version=HEAD + later)
    further = after(grown, keep(grown, floor=HEAD, lasting=Versions(), since_ms=None))
    for document_then in (grown, further):
        assert not removed & set(needed(document_then, chain_of))


@given(documents(), FLOOR, SOME)
def test_a_revision_of_an_artifact_stays_exactly_while_a_kept_version_has_it(
    document: Document, floor: int, lasting: set[int]
) -> None:
    keeping = keep(document, floor=floor, lasting=Versions.of(lasting), since_ms=None)
    left = existing(after(document, keeping))
    stay = [
        one
        for one in document.artifacts["file"]
        if any(v >= one.version and (one.until is None or v < one.until) for v in left)
    ]
    assert list(keeping.artifacts.get("file", ())) == stay
    assert keeping.dropped == len(document.artifacts["file"]) - len(stay)


@given(documents(), FLOOR, SOME)
def test_pruning_again_changes_nothing(document: Document, floor: int, lasting: set[int]) -> None:
    first = keep(document, floor=floor, lasting=Versions.of(lasting), since_ms=None)
    again = keep(after(document, first), floor=floor, lasting=Versions.of(lasting), since_ms=None)
    assert (again.gone, again.dropped, again.kept) == (Versions(), 0, first.kept)


def test_milestones_and_labelled_checkpoints_last() -> None:
    assert lasts(checkpoint(1, kind="milestone"))
    assert lasts(checkpoint(1, label="tried"))
    assert not lasts(checkpoint(1))


def test_what_lost_its_reason_goes_with_the_next_prune() -> None:
    pinned = replace(EMPTY, version=900, pins=(3,))
    once = after(pinned, keep(pinned, floor=800, lasting=Versions.of([5]), since_ms=None))
    assert list(kept_of(once).all) == [3, 5]
    unpinned = replace(once, pins=())
    keeping = keep(unpinned, floor=800, lasting=Versions(), since_ms=None)
    assert (list(keeping.gone), list(keeping.kept.all)) == ([3], [5])


def test_a_used_approval_and_a_finished_step_hold_nothing_but_their_answer() -> None:
    document = replace(
        EMPTY,
        version=50,
        steps={"done": step(7, "done")},
        approvals={"a": ApprovalEntry("approved", asked_version=3, decided_version=4,
                                      used_version=9)},
    )  # fmt: skip
    assert protected(document, since_ms=None) == {50, 3, 4, 9}

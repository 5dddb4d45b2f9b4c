"""Artifacts in the table: revisions in the order of commits, never lost but by retention."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import decode, encode
from safepoint.log.transitions import RemoveArtifact, Save, SaveArtifacts, StateChange
from safepoint.log.transitions.artifact import NewArtifact, as_at, current, rewound
from safepoint.log.transitions.base import Context
from safepoint.model import Actor, Limits

HOUR_MS = 3_600_000


def new(desk: Desk, name: str = "a/b.txt", body: str = "1", **changes: object) -> NewArtifact:
    """An upload that has just been done; `body` stands for its bytes."""
    made = NewArtifact(
        name,
        id=f"id {name} {body}",
        size=len(body),
        sha256=f"sha {body}",
        media_type="text/plain",
        executable=False,
        stored_bytes=100,
        uploaded_ms=desk.now_ms,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_save_puts_a_revision_into_the_table_and_another_ends_it() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk),)))
    desk(Save(StateChange(b"{}")))
    reply = desk(SaveArtifacts((new(desk, body="two"),)))
    first, second = desk.document.artifacts["a/b.txt"]
    assert (first.revision, first.version, first.until) == (1, 1, 3)
    assert (second.revision, second.version, second.until) == (2, 3, None)
    assert (second.size, second.sha256, second.actor) == (3, "sha two", Actor("ann"))
    assert reply.entries == (("a/b.txt", second, False),)
    assert desk.event == {
        "kind": "artifact",
        "artifact": "a/b.txt",
        "revision": 2,
        "files": None,
        "removed": None,
        "artifact_bytes": 3,
    }


def test_the_same_file_again_changes_nothing() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk, summary="said", step="fetch"),)))
    again = desk(SaveArtifacts((new(desk, id="another upload"),)))
    assert not desk.changed
    assert again.entries == (("a/b.txt", desk.document.artifacts["a/b.txt"][0], True),)


@pytest.mark.parametrize(
    "change", [{"executable": True}, {"media_type": "text/html"}, {"summary": "x"}, {"step": "x"}]
)
def test_what_is_said_anew_of_the_same_bytes_is_a_revision(change: dict[str, object]) -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk),)))
    desk(SaveArtifacts((new(desk, uploaded_ms=None, **change),)))
    first, second = desk.document.artifacts["a/b.txt"]
    assert (second.revision, second.id) == (2, first.id)


def test_each_version_has_its_revision() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk),)))
    desk(SaveArtifacts((new(desk, body="2"),)))
    desk(RemoveArtifact("a/b.txt"))
    desk(Save(StateChange(b"{}")))
    desk(SaveArtifacts((new(desk, body="3"),)))
    revisions = desk.document.artifacts["a/b.txt"]
    found = [entry and entry.revision for entry in (as_at(revisions, v) for v in range(7))]
    assert found == [None, 1, 2, None, None, 3, 3]


def test_a_removal_is_said_once_and_names_the_closest() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk),)))
    assert desk(RemoveArtifact("a/b.txt")) is False
    assert current(desk.document.artifacts["a/b.txt"]) is None
    assert desk(RemoveArtifact("a/b.txt")) is True
    assert not desk.changed
    with pytest.raises(NotFound) as caught:
        desk(RemoveArtifact("a/b.txd"))
    assert "'a/b.txt'" in caught.value.hint


def test_a_folder_is_what_was_saved_last_and_leaves_others_alone() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk, "code/x"), new(desk, "code/y")), "code/"))
    desk(SaveArtifacts((new(desk, "codex"), new(desk, "other/x"))))
    reply = desk(SaveArtifacts((new(desk, "code/x"), new(desk, "code/z")), "code/"))
    assert reply.removed == ("code/y",)
    assert [repeated for _, _, repeated in reply.entries] == [True, False]
    there = {name for name, entries in desk.document.artifacts.items() if current(entries)}
    assert there == {"code/x", "code/z", "codex", "other/x"}
    desk(SaveArtifacts((new(desk, "code/x"), new(desk, "code/z")), "code/"))
    assert not desk.changed


def test_an_upload_of_long_ago_does_not_get_in() -> None:
    desk = Desk()
    late, fresh = new(desk), new(desk, "b")
    desk.turn_clock(hours=12)
    desk(SaveArtifacts((fresh,)))
    desk.turn_clock(milliseconds=1)
    with pytest.raises(Conflict) as caught:
        desk(SaveArtifacts((late,)))
    assert caught.value.code == "upload_expired"


def test_an_upload_for_a_workspace_that_was_made_anew_does_not_get_in() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk),)))
    with pytest.raises(Conflict, match="was deleted"):
        desk(SaveArtifacts((new(desk, body="2"),), None, desk.document.created_ms - 1))


def test_an_object_that_no_revision_has_any_more_is_not_shared() -> None:
    desk = Desk()
    with pytest.raises(Conflict) as caught:
        desk(SaveArtifacts((new(desk, uploaded_ms=None),)))
    assert caught.value.code == "upload_expired"


@pytest.mark.parametrize("name", ["", "/a", "a//b", "../a", "a/..", "a\\b", "a\nb", "\ud800"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    desk = Desk()
    with pytest.raises(InvalidInput):
        desk(SaveArtifacts((new(desk, name),)))


def test_the_table_is_bounded() -> None:
    desk = Desk(limits=Limits(artifacts=2, artifact_revisions=4))
    desk(SaveArtifacts((new(desk, "a"), new(desk, "b"))))
    with pytest.raises(LimitExceeded, match="3 artifacts; the limit is 2"):
        desk(SaveArtifacts((new(desk, "c"),)))
    desk(RemoveArtifact("a"))
    desk(SaveArtifacts((new(desk, "c"),)))
    desk(SaveArtifacts((new(desk, "c", "2"),)))
    with pytest.raises(LimitExceeded, match="5 revisions"):
        desk(SaveArtifacts((new(desk, "c", "3"),)))


def test_a_rewind_makes_old_revisions_current_anew_and_ends_later_ones() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk, "kept"), new(desk, "back", "1"))))
    desk(SaveArtifacts((new(desk, "back", "2"), new(desk, "later"))))
    context = Context("work", 3, desk.now_ms + 5, Actor("bob"), Limits())
    table = rewound(desk.document.artifacts, 1, context)
    assert table["kept"] == desk.document.artifacts["kept"]
    assert current(table["later"]) is None
    one, two, three = table["back"]
    assert (two.until, three.revision, three.version, three.until) == (3, 3, 3, None)
    assert (three.id, three.actor) == (one.id, Actor("bob"))


def test_the_table_survives_the_stored_form() -> None:
    desk = Desk()
    desk(SaveArtifacts((new(desk, executable=True, step="s", summary="ü"),)))
    desk(SaveArtifacts((new(desk, body="2"),)))
    assert decode(encode(desk.document)).artifacts == desk.document.artifacts

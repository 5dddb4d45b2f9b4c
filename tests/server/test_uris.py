"""Addresses of resources: any name has one, and nothing else is let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint import NotFound
from safepoint_server.uris import ROOT, TEMPLATES, Kind, Target, parse_uri

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)


@given(kind=st.sampled_from(list(TEMPLATES)), name=NAMES, item=NAMES)
def test_every_name_has_an_address_that_leads_back(kind: Kind, name: str, item: str) -> None:
    has_item = kind in (Kind.STEP, Kind.CHECKPOINT, Kind.ARTIFACT)
    target = Target(kind, name, item if has_item else "")
    assert parse_uri(target.uri) == target
    assert target.uri.isascii()
    assert target.uri.count("/") == TEMPLATES[kind].count("/")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        (ROOT, Target(Kind.WORKSPACES)),
        (f"{ROOT}/a%7Cb%3Ac", Target(Kind.WORKSPACE, "a|b:c")),
        (f"{ROOT}/a|b:c,d&e", Target(Kind.WORKSPACE, "a|b:c,d&e")),
        (f"{ROOT}/größe/steps", Target(Kind.STEPS, "größe")),
        (f"{ROOT}/steps/steps", Target(Kind.STEPS, "steps")),
        (f"{ROOT}/w/steps/a%2Fb", Target(Kind.STEP, "w", "a/b")),
        (f"{ROOT}/w/checkpoints/12", Target(Kind.CHECKPOINT, "w", "12")),
        (f"{ROOT}/w/artifacts/..%2Fx", Target(Kind.ARTIFACT, "w", "../x")),
        (f"{ROOT}/100%25", Target(Kind.WORKSPACE, "100%")),
        (f"{ROOT}/%2525", Target(Kind.WORKSPACE, "%25")),
    ],
)
def test_addresses_are_read_once_and_literally(uri: str, target: Target) -> None:
    assert parse_uri(uri) == target


def test_a_version_is_a_number_and_all_else_a_label() -> None:
    versions = {item: Target(Kind.CHECKPOINT, "w", item).version for item in ("7", "v7", "9" * 13)}
    assert versions == {"7": 7, "v7": None, "9" * 13: None}


@pytest.mark.parametrize(
    "uri",
    [
        "", "safepoint:", "safepoint://", "safepoint://other", "safepoint://workspacesX/a",
        "SAFEPOINT://workspaces", "file:///etc/passwd", f"{ROOT}/", f"{ROOT}//", f"{ROOT}/a/",
        f"{ROOT}/a//steps", f"{ROOT}/a/artifacts", f"{ROOT}/a/artifacts/b/c", f"{ROOT}/a/state",
        f"{ROOT}/a/steps/b/c", f"{ROOT}?x", f"{ROOT}/a?version=1", f"{ROOT}/a#b", f"{ROOT}/a%",
        f"{ROOT}/a%2", f"{ROOT}/a%zz", f"{ROOT}/%ff", f"{ROOT}/%ed%a0%80", f"{ROOT}/a\0b",
        f"{ROOT}/a\nb", f"{ROOT}/\ud800", f"{ROOT}/" + "a" * 9000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_ours_is_not_there(uri: str) -> None:
    with pytest.raises(NotFound) as told:
        parse_uri(uri)
    assert told.value.code == "unknown_resource"

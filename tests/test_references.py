"""References: named when the state is saved, looked at only by what the caller hands in."""

from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Reference,
    ReferenceStatus,
    Unavailable,
)
from safepoint.outside.files import FileLook
from safepoint.outside.s3 import S3Look, split_location
from safepoint.references import check_references

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def files():
    look = FileLook(max_bytes=10_000)
    yield look
    look.close()


def written(path: Path, data: bytes) -> Reference:
    path.write_bytes(data)
    return Reference(str(path), hashlib.sha256(data).hexdigest(), len(data))


async def test_references_stay_until_replaced_and_empty_ones_clear_them(place: Place) -> None:
    one, other = Reference("/a", "0" * 64, 3), Reference("s3://b/k", etag="e", object_version="v")
    async with place.process() as store:
        work = store.workspace("work")
        await work.save({"n": 1})
        assert (await work.load()).references == ()
        await work.save({"n": 2}, references=[one, other])
        await work.save({"n": 3}, label="third")
    async with place.process() as store:
        work = store.workspace("work")
        assert (await work.load()).references == (one, other)
        await work.save({"n": 4}, references=[other])
        await work.save({"n": 5}, references=[])
        assert (await work.load()).references == ()
        assert (await work.load(version=4)).references == (other,)
        assert (await work.load(label="third")).references == (one, other)
    assert [one.kind, other.kind] == ["file", "s3"]


async def test_a_repeated_request_with_other_references_is_another_request(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        first = await work.save({"n": 1}, request_id="r", references=[Reference("/a")])
        again = await work.save({"n": 1}, request_id="r", references=[Reference("/a")])
        assert (again.version, again.repeated) == (first.version, True)
        for other in ([Reference("/b")], [], None):
            with pytest.raises(Conflict, match="request_id"):
                await work.save({"n": 1}, request_id="r", references=other)


async def test_what_is_too_much_or_names_nothing_is_refused_and_not_saved(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        with pytest.raises(LimitExceeded, match="101 references"):
            await work.save({}, references=[Reference(f"/{n}") for n in range(101)])
        for bad in (Reference("x" * 3000), Reference("/a", sha256="0" * 2000)):
            with pytest.raises(LimitExceeded):
                await work.save({}, references=[bad])
        for odd in (Reference(""), Reference("/a", size=-1), Reference("/\ud800")):
            with pytest.raises(InvalidInput):
                await work.save({}, references=[odd])
        with pytest.raises(NotFound):
            await work.load()


async def test_files_are_unchanged_changed_missing_or_not_checked(
    tmp_path: Path, files: FileLook
) -> None:
    same = written(tmp_path / "same", b"same")
    edited = written(tmp_path / "edited", b"before")
    (tmp_path / "edited").write_bytes(b"after!")
    grown = written(tmp_path / "grown", b"short")
    (tmp_path / "grown").write_bytes(b"longer")
    gone = written(tmp_path / "gone", b"gone")
    (tmp_path / "gone").unlink()
    large = written(tmp_path / "large", bytes(10_001))
    unknown = Reference(str(tmp_path / "same"))
    folder = Reference(str(tmp_path), "0" * 64)
    os.mkfifo(tmp_path / "pipe")
    pipe = Reference(str(tmp_path / "pipe"), "0" * 64)
    device = Reference("/dev/zero", "0" * 64)
    odd = [Reference("~nobody-here/file", "0"), Reference("/a\0b", "0")]
    asked = [same, edited, grown, gone, large, unknown, folder, pipe, device, *odd]
    checks = await check_references(asked, files)
    assert [check.reference for check in checks] == asked
    assert [check.status for check in checks] == [
        *("unchanged", "changed", "changed", "missing"),
        *("not_checked",) * 7,
    ]
    assert checks[2].reason == "it had 5 bytes and has 6"
    assert "10,001 bytes" in str(checks[4].reason)
    assert all(check.reason for check in checks[4:])


async def test_looking_at_a_file_gives_what_to_save_of_it(tmp_path: Path, files: FileLook) -> None:
    known = written(tmp_path / "file", b"contents")
    assert await files.look(Reference(known.location)) == known


async def test_what_takes_too_long_is_not_checked_and_holds_nothing_up() -> None:
    class Slow:
        async def look(self, reference: Reference) -> Reference:
            if reference.location == "/slow":
                await asyncio.Event().wait()
            return reference

    asked = [Reference("/slow", "1"), Reference("/fast", "1")]
    checks = await check_references(asked, Slow(), within=timedelta(milliseconds=50))
    assert [check.status for check in checks] == ["not_checked", "unchanged"]
    assert "took longer" in str(checks[0].reason)


async def test_a_failure_is_the_reason_and_a_digest_of_another_kind_is_no_proof() -> None:
    class Odd:
        async def look(self, reference: Reference) -> Reference:
            if reference.location == "/failing":
                raise Unavailable("the disk does not answer")
            return Reference(reference.location, etag="e")

    asked = [Reference("/failing", "1"), Reference("/other", "1")]
    checks = await check_references(asked, Odd())
    assert [check.status for check in checks] == [ReferenceStatus.NOT_CHECKED] * 2
    assert checks[0].reason == "the disk does not answer"


async def test_in_s3_nothing_is_asked_beyond_the_allowed_prefixes() -> None:
    """No request is made: the endpoint of the allowed one does not exist."""
    look = S3Look(["s3://bucket/allowed?endpoint=http://127.0.0.1:1"])
    asked = [
        "s3://bucket/other/key",
        "s3://bucket/allowedkey",
        "s3://other/allowed/key",
        "s3://bucket/allowed/../secret",
        "s3://bucket/",
        "s3://bucket/allowed/line\nbreak",
    ]
    checks = await check_references([Reference(one, etag="e") for one in asked], look)
    assert {check.status for check in checks} == {ReferenceStatus.NOT_CHECKED}
    reasons = [str(check.reason) for check in checks]
    assert all("may look at" in reason for reason in reasons[:3])
    assert all("not the address" in reason for reason in reasons[3:])
    look.close()
    assert split_location("s3://bucket/a/b c") == ("bucket", "a/b c")

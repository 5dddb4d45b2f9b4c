"""Opening a store: with which key, made or not, and what is listed in it."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.place import KEY, Place

from safepoint import (
    Actor,
    Damaged,
    InvalidInput,
    LimitExceeded,
    NotFound,
    SafepointError,
    Store,
    Unavailable,
    Unsupported,
    WrongKey,
    default_key_file,
)
from safepoint.crypto.keyring import KeyFile
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects

pytestmark = pytest.mark.anyio

MANIFEST = "safepoint/000001.json"
WORDS = "correct horse battery staple"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has never used Safepoint."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


async def begun(url: Any, **key: Any) -> None:
    """A store at `url` with one workspace."""
    async with Store.open(url, **key) as store:
        await store.workspace("work").save({"page": 3})


async def page_of(url: Any, **key: Any) -> Any:
    async with Store.open(url, create=False, **key) as store:
        return (await store.workspace("work").load()).state


# Keys


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs POSIX modes and XDG")
async def test_a_new_store_makes_the_users_key_file_once_and_for_the_user_alone(
    home: Path, tmp_path: Path
) -> None:
    await begun(tmp_path / "one")
    key_file = default_key_file()
    assert home in key_file.parents
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    text = key_file.read_text()
    await begun(tmp_path / "two")
    assert key_file.read_text() == text
    assert await page_of(tmp_path / "one") == {"page": 3}


async def test_a_new_store_makes_the_key_file_that_was_named(tmp_path: Path) -> None:
    await begun(tmp_path / "store", key_file=tmp_path / "keys" / "mine")
    assert await page_of(tmp_path / "store", key_file=tmp_path / "keys" / "mine") == {"page": 3}


@pytest.mark.parametrize("named", [False, True])
async def test_an_existing_store_without_its_key_file_gets_no_fresh_key(
    home: Path, tmp_path: Path, named: bool
) -> None:
    path = tmp_path / "mine" if named else default_key_file()
    key: dict[str, Any] = {"key_file": path} if named else {}
    await begun(tmp_path / "store", **key)
    path.unlink()
    with pytest.raises(WrongKey) as caught:
        await begun(tmp_path / "store", **key)
    assert caught.value.code == "no_key_file"
    assert not path.exists()


async def test_another_key_file_or_passphrase_does_not_open_it(tmp_path: Path) -> None:
    objects = MemoryObjects()
    (tmp_path / "other").write_text(KeyFile(os.urandom(32)).text())
    (tmp_path / "right").write_text(KEY.text())
    await begun(objects, key_file=tmp_path / "right")
    keys: list[dict[str, Any]] = [{"key_file": tmp_path / "other"}, {"passphrase": WORDS}]
    for key in keys:
        with pytest.raises(WrongKey, match="it opens by its key-file") as caught:
            await page_of(objects, **key)
        assert caught.value.code == "wrong_key"
        assert "data is intact" in caught.value.hint


async def test_a_passphrase_opens_it_from_anywhere() -> None:
    objects = MemoryObjects()
    await begun(objects, passphrase=WORDS)
    assert await page_of(objects, passphrase=WORDS) == {"page": 3}
    with pytest.raises(WrongKey, match="this passphrase does not open"):
        await page_of(objects, passphrase=WORDS + "!")


async def test_a_key_file_and_a_passphrase_together_are_refused(place: Place) -> None:
    with pytest.raises(InvalidInput, match="both given"):
        await begun(place.objects, key_file=place.key_file, passphrase=WORDS)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"SAFEPOINT-KEY-1-00-00", KEY.text()[:-4].encode()]
)
async def test_a_file_that_is_no_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises(InvalidInput, match="mine") as caught:
        await begun(MemoryObjects(), key_file=tmp_path / "mine")
    assert caught.value.code == "bad_key_file"


async def test_slots_are_added_and_removed_without_touching_the_data(
    place: Place, tmp_path: Path
) -> None:
    await begun(place.objects, key_file=place.key_file)
    async with place.process() as store:
        (first,) = await store.slots()
        words = await store.add_passphrase_slot(WORDS, label="Ann's head")
        other = await store.add_key_file_slot(tmp_path / "other", label="laptop")
        assert [(slot.kind, slot.label) for slot in await store.slots()] == [
            ("key-file", ""),
            ("passphrase", "Ann's head"),
            ("key-file", "laptop"),
        ]
        await store.remove_slot(first.id)
        assert await store.slots() == (words, other)
    for key in ({"passphrase": WORDS}, {"key_file": tmp_path / "other"}):
        assert await page_of(place.objects, **key) == {"page": 3}
    with pytest.raises(WrongKey):
        await page_of(place.objects, key_file=place.key_file)


async def test_the_last_slot_and_an_unknown_slot_are_not_removed(place: Place) -> None:
    async with place.process() as store:
        (only,) = await store.slots()
        with pytest.raises(InvalidInput, match="nothing would open the store"):
            await store.remove_slot(only.id)
        with pytest.raises(NotFound, match="no key slot 'x'"):
            await store.remove_slot("x")
        assert await store.slots() == (only,)


async def test_an_existing_key_file_becomes_a_slot_as_it_is(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(KeyFile(bytes(32)).text())
    async with place.process() as store:
        await store.add_key_file_slot(tmp_path / "other")
    assert (tmp_path / "other").read_text() == KeyFile(bytes(32)).text()
    async with place.process(key_file=tmp_path / "other"):
        pass


async def test_two_that_change_slots_at_once_both_get_theirs(place: Place, tmp_path: Path) -> None:
    async with place.process() as one, place.process() as other:
        await one.add_key_file_slot(tmp_path / "a", label="a")
        await other.add_key_file_slot(tmp_path / "b", label="b")
        assert [slot.label for slot in await one.slots()] == ["", "a", "b"]


async def test_secrets_are_in_no_object_and_no_repr(place: Place) -> None:
    async with place.process() as store:
        await store.workspace("work").save({"text": "very secret words"}, summary="very secret too")
        shown = repr(store) + repr(vars(store)) + repr(store.workspace("work").__dict__)
    for key in await place.objects.list("workspaces/") + await place.objects.list("safepoint/"):
        data = await place.objects.get(key)
        assert data is not None
        assert b"very secret" not in data
        assert KEY.secret.hex().encode() not in data
    assert KEY.secret.hex() not in shown


async def test_a_key_file_that_cannot_be_read_is_named(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        with pytest.raises(Unavailable, match="cannot be read") as caught:
            await store.add_key_file_slot(tmp_path)
        assert caught.value.code == "key_file_unreadable"


# Making and finding


async def test_a_store_that_is_not_there_is_not_made_when_it_must_exist(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(NotFound) as caught:
            await page_of(path, key_file=tmp_path / "key")
        assert caught.value.code == "store_not_found"
    assert list((tmp_path / "empty").rglob("*.json")) == []
    assert not (tmp_path / "key").exists()


async def test_workspaces_without_a_manifest_are_damage_and_not_a_fresh_start(
    place: Place,
) -> None:
    await begun(place.objects, key_file=place.key_file)
    await place.objects.delete(MANIFEST)
    for create in (True, False):
        with pytest.raises(Damaged) as caught:
            async with place.process(create=create):
                pass
        assert caught.value.code == "missing_manifest"
    assert await place.objects.list("safepoint/") == []


async def test_every_way_to_write_the_address_leads_to_the_same_store(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a store é%20"
    await begun(folder, key_file=place.key_file)
    for url in (str(folder), "a store é%20", "~/a store é%20", folder.as_uri()):
        assert await page_of(url, key_file=place.key_file) == {"page": 3}, url


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "file://host/x", "file:relative", "file:/one/slash", "", "a\0b"]
)
async def test_an_address_that_cannot_be_a_store_is_refused(url: str, home: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        await begun(url)
    assert caught.value.code == "bad_url"


async def test_a_memory_store_is_fresh_private_and_needs_no_key(home: Path) -> None:
    await begun("memory://")
    async with Store.open("memory://") as one, Store.open("memory://") as other:
        assert one.id != other.id
        await one.workspace("work").save(1)
        assert (await other.workspaces()).items == ()
    assert not home.exists()


async def test_a_copy_of_the_whole_store_opens_elsewhere(place: Place, tmp_path: Path) -> None:
    await begun(tmp_path / "store", key_file=place.key_file)
    (tmp_path / "store").rename(tmp_path / "moved")
    assert await page_of(tmp_path / "moved", key_file=place.key_file) == {"page": 3}


# What somebody with write access, and without a key, may try on the manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"store_id": None},
        {"store_id": "00"},
        {"store_id": "not hex"},
        {"slots": []},
        {"slots": None},
        {"slots": {}},
        {"slots": [None]},
        {"slots": [{"kind": "key-file"}]},
        {"generation": 7},
        {"format": 2},
        {"kind": "safepoint workspace"},
    ],
    ids=str,
)
async def test_an_altered_manifest_is_refused(place: Place, changes: dict[str, Any]) -> None:
    await begun(place.objects, key_file=place.key_file)
    data = await place.objects.get(MANIFEST)
    assert data is not None
    body = {n: v for n, v in orjson.loads(data).items() if n != "sha256"} | changes
    await place.objects.put(
        MANIFEST, _text({**body, "sha256": hashlib.sha256(_text(body)).hexdigest()})
    )
    with pytest.raises((Damaged, Unsupported), match=MANIFEST):
        await page_of(place.objects, key_file=place.key_file)


async def test_slots_that_somebody_slipped_in_later_are_not_listed(place: Place) -> None:
    async with place.process() as store:
        data = await place.objects.get(MANIFEST)
        assert data is not None
        body = {n: v for n, v in orjson.loads(data).items() if n != "sha256"}
        body["slots"][0]["label"] = "trust me"
        checksum = hashlib.sha256(_text(body)).hexdigest()
        await place.objects.put("safepoint/000002.json", _text({**body, "sha256": checksum}))
        with pytest.raises(Damaged):
            await store.slots()
        with pytest.raises(Damaged):
            await store.remove_slot(body["slots"][0]["id"])


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


# Listing


@pytest.fixture
async def seventy(place: Place) -> Place:
    """Seventy workspaces; every tenth is done, every seventh has failed for good."""
    async with place.process() as store:
        for number in range(70):
            work = store.workspace(f"{'Job' if number % 2 else 'task'} {number:02d}")
            await work.plan_steps(["only"], goal=f"goal {number}")
            if number % 10 == 0:
                await work.mark_step_done("only")
            elif number % 7 == 0:
                await work.mark_step_done("only", status="failed", retryable=False)
    return place


@pytest.mark.parametrize("limit", [1, 7, 32, 50, 70, 100])
async def test_pages_of_workspaces_hold_each_once(seventy: Place, limit: int) -> None:
    async with seventy.process() as store:
        names: list[str] = []
        cursor = None
        while True:
            page = await store.workspaces(limit=limit, cursor=cursor)
            names += [info.name for info in page.items]
            if (cursor := page.next_cursor) is None:
                break
            assert len(page.items) == limit
    assert len(names) == len(set(names)) == 70


async def test_workspaces_are_found_by_prefix_and_status(seventy: Place) -> None:
    async with seventy.process() as store:
        jobs = await store.workspaces("Job 1", limit=100)
        assert sorted(info.name for info in jobs.items) == [
            f"Job {n}" for n in (11, 13, 15, 17, 19)
        ]
        done = await store.workspaces(status="done", limit=100)
        assert {info.name[-2:] for info in done.items} == {f"{n:02d}" for n in range(0, 70, 10)}
        failed = await store.workspaces("task", status="failed", limit=2)
        assert len(failed.items) == 2
        rest = await store.workspaces("task", status="failed", limit=2, cursor=failed.next_cursor)
        numbers = [info.name[-2:] for info in (*failed.items, *rest.items)]
        assert sorted(numbers) == ["14", "28", "42", "56"]
        assert rest.next_cursor is None
        assert (await store.workspaces("nothing")).items == ()


async def test_a_line_of_the_list_says_where_the_work_stands(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        await work.plan_steps(["a", "b"], goal="publish")
        await work.mark_step_done("a")
        await work.save({"page": 3}, summary="so far", next_action="go on")
        (info,) = (await store.workspaces()).items
    assert (info.name, info.version, info.run, info.status) == ("work", 3, 1, "active")
    assert (info.goal, info.summary, info.next_action) == ("publish", "so far", "go on")
    assert (info.progress.done, info.progress.total) == (1, 2)
    assert info.state_bytes == len(b'{"page":3}')
    assert info.updated_at == place.now == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 1001}, {"limit": -1}, {"status": "finished"}], ids=str
)
async def test_a_wrong_question_to_the_list_is_refused(place: Place, wrong: dict[str, Any]) -> None:
    async with place.process() as store:
        with pytest.raises(InvalidInput):
            await store.workspaces(**wrong)


async def test_the_closest_names_are_found_best_first(seventy: Place) -> None:
    async with seventy.process() as store:
        assert (await store.closest_names("Job-11"))[0] == "Job 11"
        assert len(await store.closest_names("task", limit=2)) == 2
        assert await store.closest_names("zzzzzzzzzzzz") == ()


async def test_a_workspace_that_was_only_asked_for_is_not_listed(place: Place) -> None:
    async with place.process() as store:
        with pytest.raises(NotFound):
            await store.workspace("work").load()
        with pytest.raises(SafepointError):
            await store.workspace("work").save(1, expected_version=5)
        assert (await store.workspaces()).items == ()
        assert [name async for name in store.names()] == []


async def test_a_place_on_disk_given_as_a_value_serves_too(place: Place, tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    await begun(objects, key_file=place.key_file)
    assert await page_of(tmp_path / "store", key_file=place.key_file) == {"page": 3}


async def test_a_store_has_at_most_sixteen_slots(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store:
        for number in range(15):
            await store.add_key_file_slot(tmp_path / f"key {number}")
        with pytest.raises(LimitExceeded, match="16 key slots"):
            await store.add_key_file_slot(tmp_path / "one too many")
        assert len(await store.slots()) == 16


async def test_an_actor_is_unicode_text(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store:
        with pytest.raises(InvalidInput, match="actor"):
            store.workspace("work", actor=Actor("\ud800"))

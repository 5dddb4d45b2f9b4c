"""Artifacts through the public library, in memory and on disk: whole, in parts, as folders."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import (
    Conflict,
    Damaged,
    InvalidInput,
    LimitExceeded,
    Limits,
    NotFound,
    Store,
    Unavailable,
    Workspace,
)
from safepoint.filing.sealed import Chunks, SealedObjects
from safepoint.filing.sweep import orphans, sweep_artifacts
from safepoint.format.keys import artifacts_folder
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects, GatedObjects

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
DATA = bytes(range(256)) * (9 * MIB // 512)  # 4.5 MiB
DAY = timedelta(days=1)


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, LocalObjects(tmp_path / "store") if request.param == "disk" else None)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.process() as opened:
        yield opened


@pytest.fixture
def work(store: Store) -> Workspace:
    return store.workspace("work")


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def object_keys(store: Store) -> list[str]:
    return await store.objects.list(artifacts_folder("work"))


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 2 * MIB, len(DATA)])
async def test_what_was_saved_is_loaded_from_bytes_files_and_iterators(
    work: Workspace, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(DATA[:size])
    for name, source in (("a", DATA[:size]), ("b", path), ("c/d", pieces(DATA[:size]))):
        info = await work.artifacts.save(name, source)
        assert (info.size, info.sha256) == (size, hashlib.sha256(DATA[:size]).hexdigest())
        assert await work.artifacts.load(name) == DATA[:size]


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 0), (0, 1), (5, 10), (MIB - 3, 6), (MIB, MIB), (2 * MIB + 7, None), (len(DATA) - 1, 5),
     (len(DATA), 1), (len(DATA) + 9, None), (0, len(DATA)), (1, None)],
)  # fmt: skip
async def test_a_part_is_loaded_alone(work: Workspace, start: int, length: int | None) -> None:
    await work.artifacts.save("a", DATA)
    end = None if length is None else start + length
    assert await work.artifacts.load("a", start=start, length=length) == DATA[start:end]
    found = [c async for c in work.artifacts.read("a", start=start, length=length)]
    assert b"".join(found) == DATA[start:end]


async def test_an_artifact_tells_what_it_is(work: Workspace, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text("#!")
    script.chmod(0o755)
    info = await work.artifacts.save("run.py", script, step="build", summary="runs it")
    assert (info.revision, info.version, info.media_type) == (1, 1, "text/x-python")
    assert (info.step, info.summary) == ("build", "runs it")
    assert info.executable is (sys.platform != "win32")
    assert info.saved_by is not None
    assert info.saved_by.name == "tester"
    assert await work.artifacts.info("run.py") == info
    plain = await work.artifacts.save("x", b"", media_type="image/png", executable=True)
    assert (plain.media_type, plain.executable) == ("image/png", True)
    assert (await work.artifacts.save("notes.md", b"")).media_type == "text/markdown"
    assert (await work.artifacts.save("x.unheard", b"")).media_type == "application/octet-stream"


async def test_saving_the_same_bytes_again_changes_and_keeps_nothing(
    store: Store, work: Workspace
) -> None:
    first = await work.artifacts.save("a", DATA)
    again = await work.artifacts.save("a", DATA)
    streamed = await work.artifacts.save("a", pieces(DATA))
    assert (again.repeated, streamed.repeated) == (True, True)
    assert (streamed.revision, streamed.version) == (first.revision, first.version)
    assert len(await object_keys(store)) == 1
    assert (await work.history()).items[0].version == 1


async def test_revisions_and_versions_stay_readable(work: Workspace) -> None:
    await work.artifacts.save("a", b"one")
    await work.save({"n": 1})
    await work.artifacts.save("a", b"two")
    await work.artifacts.remove("a")
    load = work.artifacts.load
    assert [await load("a", revision=n) for n in (1, 2)] == [b"one", b"two"]
    assert [await load("a", version=n) for n in (1, 2, 3)] == [b"one", b"one", b"two"]
    for asked in ({}, {"version": 4}, {"revision": 3}):
        with pytest.raises(NotFound) as caught:
            await load("a", **asked)
        assert caught.value.code == "revision_not_found"
    with pytest.raises(NotFound) as caught:
        await load("a", version=9)
    assert caught.value.code == "version_not_found"
    with pytest.raises(NotFound) as caught:
        await load("b")
    assert caught.value.code == "artifact_not_found"
    removed = await work.artifacts.remove("a")
    assert (removed.repeated, removed.version) == (True, 4)
    revisions = await work.artifacts.revisions("a", limit=1)
    assert [info.revision for info in revisions.items] == [2]
    older = await work.artifacts.revisions("a", cursor=revisions.next_cursor)
    assert [(info.revision, info.until) for info in older.items] == [(1, 3)]


async def test_lists_are_of_what_is_current_by_name_and_page(work: Workspace) -> None:
    for name in ("b", "a/2", "a/1", "c"):
        await work.artifacts.save(name, name.encode())
    await work.artifacts.remove("c")
    page = await work.artifacts.list(limit=2)
    assert [info.name for info in page.items] == ["a/1", "a/2"]
    rest = await work.artifacts.list(limit=2, cursor=page.next_cursor)
    assert ([info.name for info in rest.items], rest.next_cursor) == (["b"], None)
    assert [info.name for info in (await work.artifacts.list("a/")).items] == ["a/1", "a/2"]
    assert [info.name for info in (await work.artifacts.list(version=2)).items] == ["a/2", "b"]
    assert (await work.load()).brief.artifacts == 3


async def test_concurrent_saves_of_one_name_are_revisions_in_the_order_of_commits(
    place: Place,
) -> None:
    async with place.process() as one, place.process() as two:
        saves = [
            store.workspace("work").artifacts.save("a", b"%d" % n)
            for n, store in enumerate((one, two) * 5)
        ]
        infos = sorted(await asyncio.gather(*saves), key=lambda info: info.version)
        assert [info.revision for info in infos] == list(range(1, 11))
        work = one.workspace("work")
        for info in infos:
            found = await work.artifacts.load("a", revision=info.revision)
            assert hashlib.sha256(found).hexdigest() == info.sha256


async def test_what_is_too_large_or_no_bytes_leaves_nothing(place: Place) -> None:
    async with place.process(limits=Limits(artifact_bytes=3 * MIB)) as store:
        work = store.workspace("work")
        await work.artifacts.save("a", DATA[: 3 * MIB])
        with pytest.raises(LimitExceeded, match="larger than 3,145,728 bytes"):
            await work.artifacts.save("b", DATA)

        async def texts() -> AsyncIterator[bytes]:
            yield "text"  # type: ignore[misc]

        with pytest.raises(InvalidInput, match="bytes, not of str"):
            await work.artifacts.save("b", texts())
        assert len(await object_keys(store)) == 1
        assert (await work.artifacts.list()).items[0].name == "a"


async def test_a_refused_commit_removes_what_was_uploaded(place: Place) -> None:
    async with place.process(limits=Limits(artifacts=1)) as store:
        work = store.workspace("work")
        await work.artifacts.save("a", b"1")
        with pytest.raises(LimitExceeded):
            await work.artifacts.save("b", b"2")
        assert len(await object_keys(store)) == 1


async def test_more_than_can_be_in_memory_is_not_loaded_at_once(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safepoint.artifacts.LOAD_BYTES", 1000)
    await work.artifacts.save("a", DATA)
    with pytest.raises(LimitExceeded):
        await work.artifacts.load("a")
    assert await work.artifacts.load("a", start=5, length=1000) == DATA[5:1005]


async def test_progress_is_told(work: Workspace, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    await work.artifacts.save("a", DATA, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))
    out: list[int] = []
    await work.artifacts.write_to("a", tmp_path / "a", progress=lambda n, total: out.append(n))
    assert (out, out[-1]) == (sorted(out), len(DATA))


async def test_a_file_is_written_whole_and_another_one_not_replaced_unasked(
    work: Workspace, tmp_path: Path
) -> None:
    await work.artifacts.save("a", DATA, executable=True)
    target = tmp_path / "out"
    assert not (await work.artifacts.write_to("a", target)).repeated
    assert target.read_bytes() == DATA
    assert (await work.artifacts.write_to("a", target)).repeated
    target.write_text("mine")
    with pytest.raises(Conflict) as caught:
        await work.artifacts.write_to("a", target)
    assert (caught.value.code, target.read_text()) == ("file_exists", "mine")
    await work.artifacts.write_to("a", target, replace=True)
    assert target.read_bytes() == DATA


async def test_an_object_that_is_missing_or_altered_is_damage(
    store: Store, work: Workspace
) -> None:
    await work.artifacts.save("a", DATA)
    (key,) = await object_keys(store)
    sealed = await store.objects.get(key)
    assert sealed is not None
    damages: list[tuple[str, bytes]] = [
        ("not_authentic", sealed[:3_000_000] + b"\0" + sealed[3_000_001:]),
        ("not_authentic", sealed[:-1]),
        ("truncated", sealed[: 58 + 2 * (MIB + 16)]),
        ("not_authentic", sealed + b"\0"),
        ("truncated", sealed[:20]),
        ("not_sealed", DATA),
    ]
    for code, data in damages:
        await store.objects.put(key, data)
        with pytest.raises(Damaged) as caught:
            await work.artifacts.load("a")
        assert caught.value.code == code
    await store.objects.delete(key)
    with pytest.raises(Damaged) as caught:
        await work.artifacts.load("a", start=9)
    assert caught.value.code == "missing_object"


async def test_a_byte_behind_a_last_segment_that_is_full_is_damage(
    store: Store, work: Workspace
) -> None:
    await work.artifacts.save("a", DATA[: 2 * MIB])
    (key,) = await object_keys(store)
    sealed = await store.objects.get(key)
    assert sealed is not None
    await store.objects.put(key, sealed + b"\0")
    with pytest.raises(Damaged) as caught:
        await work.artifacts.load("a")
    assert caught.value.code == "truncated"


async def test_bytes_that_are_sealed_rightly_but_not_those_of_the_table_are_damage(
    store: Store, work: Workspace
) -> None:
    await work.artifacts.save("a", DATA)
    log = store.open_log("work").log
    entry = (await log.head()).document.artifacts["a"][0]
    assert log.codec is not None
    objects = SealedObjects(store.objects, log.codec)
    await objects.put("a", Chunks(pieces(DATA[1:] + b"x")), object_id=entry.id)
    with pytest.raises(Damaged) as caught:
        await work.artifacts.load("a")
    assert caught.value.code == "wrong_digest"
    found = bytearray()

    async def read() -> None:
        async for chunk in work.artifacts.read("a"):
            found.extend(chunk)

    with pytest.raises(Damaged):
        await read()
    assert len(found) < len(DATA), "the end comes only when all was right"


async def test_a_range_of_a_truncated_object_is_damage(store: Store, work: Workspace) -> None:
    await work.artifacts.save("a", DATA)
    (key,) = await object_keys(store)
    sealed = await store.objects.get(key)
    assert sealed is not None
    await store.objects.put(key, sealed[: 58 + 4 * (MIB + 16)])
    assert await work.artifacts.load("a", start=MIB, length=MIB) == DATA[MIB : 2 * MIB]
    with pytest.raises(Damaged):
        await work.artifacts.load("a", start=4 * MIB)
    await store.objects.put(key, sealed[: 58 + 3 * (MIB + 16)])
    with pytest.raises(Damaged):
        await work.artifacts.load("a", start=3 * MIB, length=5)


async def test_objects_that_were_swapped_do_not_open(store: Store, work: Workspace) -> None:
    await work.artifacts.save("a", b"1")
    await work.artifacts.save("b", b"2")
    one, two = await object_keys(store)
    data = await store.objects.get(one)
    assert data is not None
    await store.objects.put(two, data)
    with pytest.raises(Damaged) as caught:
        await work.artifacts.load("b")
    assert caught.value.code == "key_mismatch"


async def test_a_reader_may_stop_early_and_a_writer_be_cancelled(
    store: Store, work: Workspace
) -> None:
    await work.artifacts.save("a", DATA)
    async with aclosing(work.artifacts.read("a")) as chunks:
        assert await anext(chunks)
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(MIB)
        begun.set()
        await asyncio.Event().wait()

    saving = asyncio.create_task(work.artifacts.save("b", endless()))
    await begun.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert len(await object_keys(store)) == 1
    assert await work.artifacts.load("a", length=3) == DATA[:3]


# What a process leaves that dies or is not answered at any of its operations.


async def operations_of_a_save(place: Place) -> int:
    counting = FaultyObjects(place.objects)
    async with place.process(counting) as store:
        before = counting.operations
        await store.workspace("counted").artifacts.save("a", pieces(DATA))
        return counting.operations - before


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_save_is_all_or_nothing_whatever_happens_at_any_operation(
    place: Place, fault: Fault
) -> None:
    for at in range(await operations_of_a_save(place)):
        name = f"work {fault} {at}"
        faulty = FaultyObjects(place.objects)
        told = False
        try:
            async with place.process(faulty) as store:
                faulty.schedule = {faulty.operations + at: fault}
                await store.workspace(name).artifacts.save("a", pieces(DATA))
                told = True
        except (Crash, Unavailable):
            pass
        await faulty.land()
        async with place.process() as store:
            work = store.workspace(name)
            head = await store.open_log(name).log.head()
            there = "a" in head.document.artifacts
            assert there or not told
            if there:
                assert await work.artifacts.load("a") == DATA
            again = await work.artifacts.save("a", DATA)
            assert await work.artifacts.load("a") == DATA
            assert again.revision == 1
            log = store.open_log(name).log
            left = len(await orphans(log))
            assert await sweep_artifacts(log, older_than=-DAY) == left
            assert await orphans(log) == []
            assert await work.artifacts.load("a") == DATA


async def test_a_sweep_leaves_what_is_named_or_young(place: Place) -> None:
    async with place.process() as store:
        work, log = store.workspace("work"), store.open_log("work").log
        await work.artifacts.save("a", b"1")
        await work.artifacts.save("a", b"2")
        await work.artifacts.remove("a")
        orphan = artifacts_folder("work") + "a/" + "0" * 32
        await store.objects.put(orphan, b"left by a process that died")
        assert await orphans(log) == [orphan]
        assert await sweep_artifacts(log, older_than=DAY) == 0
        assert await sweep_artifacts(log, older_than=-DAY) == 1
        assert await sweep_artifacts(log, older_than=-DAY) == 0
        assert await work.artifacts.load("a", revision=1) == b"1"


async def test_a_sweep_by_age_counts_from_the_end_of_the_upload(tmp_path: Path) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    async with place.process() as store:
        work, log = store.workspace("work"), store.open_log("work").log
        await work.save({})
        old, young = (artifacts_folder("work") + f"a/{n * 32}" for n in "01")
        for key in (old, young):
            await store.objects.put(key, b"left")
        path = tmp_path / "store" / old
        then = path.stat().st_mtime - DAY.total_seconds() - 60
        os.utime(path, (then, then))
        assert await sweep_artifacts(log, older_than=DAY) == 1
        assert await orphans(log) == [young]


async def test_a_commit_that_comes_in_between_is_not_swept(place: Place) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        await store.workspace("work").save({})
        gate = gated.hold("list", artifacts_folder("work"), acted=True)
        await other.workspace("work").artifacts.save("a", b"1")
        sweeping = asyncio.create_task(sweep_artifacts(store.open_log("work").log, older_than=-DAY))
        await gate.reached.wait()
        await other.workspace("work").artifacts.save("b", b"2")
        gate.open()
        assert await sweeping == 0
        assert await store.workspace("work").artifacts.load("b") == b"2"


async def test_a_commit_that_was_held_up_for_long_is_refused_before_a_sweep_may_take_its_object(
    place: Place,
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        work = store.workspace("work")
        await work.save({})
        gate = gated.hold("put")
        saving = asyncio.create_task(work.artifacts.save("a", b"1"))
        await gate.reached.wait()
        await other.workspace("work").save({"n": 1})
        place.now += timedelta(hours=13)
        gate.open()
        with pytest.raises(Conflict) as caught:
            await saving
        assert caught.value.code == "upload_expired"
        assert await object_keys(store) == []


def tree(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "a/b").mkdir(parents=True)
    (made / "a/b/large").write_bytes(DATA)
    (made / "run.sh").write_text("#!/bin/sh")
    (made / "run.sh").chmod(0o755)
    (made / "Größe 😀").write_bytes(b"")
    for n in range(30):
        (made / f"a/{n}").write_bytes(b"%d" % n)
    return made


async def test_a_folder_comes_back_exactly(work: Workspace, folder: Path, tmp_path: Path) -> None:
    saved = await work.artifacts.save_folder("code", folder)
    assert (len(saved.saved), saved.version, saved.skipped) == (33, 1, ())
    restored = await work.artifacts.restore_folder("code", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(folder)
    assert (restored.files, restored.unchanged, restored.size) == (33, 0, saved.size)
    again = await work.artifacts.restore_folder("code", tmp_path / "out")
    assert again.unchanged == 33


async def test_a_folder_that_changed_is_saved_as_it_is_now_in_one_commit(
    work: Workspace, folder: Path, tmp_path: Path
) -> None:
    await work.artifacts.save_folder("code", folder)
    await work.artifacts.save("other", b"stays")
    (folder / "a/3").unlink()
    (folder / "a/4").write_text("new")
    saved = await work.artifacts.save_folder("code/", folder)
    assert ([info.name for info in saved.saved], saved.removed) == (["code/a/4"], ("code/a/3",))
    assert (saved.version, saved.unchanged) == (3, 31)
    await work.artifacts.restore_folder("code", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(folder)
    await work.artifacts.restore_folder("code", tmp_path / "old", version=1)
    assert tree(tmp_path / "old")["a/3"] == (b"3", False)
    repeated = await work.artifacts.save_folder("code", folder)
    assert (repeated.saved, repeated.version) == ((), 3)
    assert await work.artifacts.load("other") == b"stays"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_links_are_skipped_and_named_never_followed(
    work: Workspace, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    saved = await work.artifacts.save_folder("code", folder)
    assert saved.skipped == (("link", "a symbolic link"), ("out", "a symbolic link"))
    assert len(saved.saved) == 33


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_a_folder_is_not_restored_through_a_link(
    work: Workspace, folder: Path, tmp_path: Path
) -> None:
    await work.artifacts.save_folder("code", folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    for replace in (False, True):
        with pytest.raises((InvalidInput, Conflict)):
            await work.artifacts.restore_folder("code", tmp_path / "out", replace=replace)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "out/run.sh").exists()


async def test_a_folder_is_not_restored_over_other_files(
    work: Workspace, folder: Path, tmp_path: Path
) -> None:
    await work.artifacts.save_folder("code", folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.sh").write_text("mine")
    with pytest.raises(Conflict) as caught:
        await work.artifacts.restore_folder("code", tmp_path / "out")
    assert caught.value.code == "file_exists"
    assert tree(tmp_path / "out") == {"run.sh": (b"mine", False)}
    await work.artifacts.restore_folder("code", tmp_path / "out", replace=True)
    assert tree(tmp_path / "out") == tree(folder)


async def test_a_file_and_a_folder_of_one_name_are_not_restored(
    work: Workspace, tmp_path: Path
) -> None:
    await work.artifacts.save("x/a", b"1")
    await work.artifacts.save("x/a/b", b"2")
    with pytest.raises(Conflict) as caught:
        await work.artifacts.restore_folder("x", tmp_path / "out")
    assert caught.value.code == "cannot_restore"


async def test_an_empty_or_missing_folder_is_not_saved(work: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "none"):
        with pytest.raises(NotFound):
            await work.artifacts.save_folder("code", tmp_path / name)
    with pytest.raises(NotFound):
        await work.artifacts.restore_folder("none", tmp_path / "out")

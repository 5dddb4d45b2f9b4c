"""Copies, exports and imports carry artifacts: whole, checked, on from where they stopped."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Conflict, Damaged, InvalidInput, Store
from safepoint.crypto.keyring import KeyFile
from safepoint.filing.sweep import sweep_artifacts
from safepoint.format.keys import artifacts_folder
from safepoint.objects.base import ObjectStore
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, Crash, Fault, FaultyObjects, GatedObjects
from safepoint.transfer import (
    copy_store,
    copy_workspaces,
    export_workspace,
    import_workspace,
)

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * 10_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def others(tmp_path: Path) -> Callable[[], Place]:
    """Another place, empty each time that it is called."""
    (tmp_path / "other").mkdir()
    return lambda: Place(tmp_path / "other")


async def fill(store: Store) -> None:
    artifacts = store.workspace("work").artifacts
    await artifacts.save("a.txt", b"one", summary="first")
    await store.workspace("work").save({"n": 1}, label="half")
    await artifacts.save("a.txt", b"two")
    await artifacts.save("d/large.bin", LARGE, executable=True)
    await artifacts.save("gone", b"gone")
    await artifacts.remove("gone")


async def is_whole(store: Store) -> bool:
    load = store.workspace("work").artifacts.load
    found = [await load("a.txt", revision=n) for n in (1, 2)]
    found += [await load("d/large.bin"), await load("gone", revision=1)]
    return found == [b"one", b"two", LARGE, b"gone"]


async def keys_of(objects: ObjectStore) -> list[str]:
    return await objects.list(artifacts_folder("work"))


async def test_a_copy_has_every_revision_byte_for_byte(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        orphan = artifacts_folder("work") + "a.txt/" + "0" * 32
        await store.objects.put(orphan, b"left by a process that died")
        counting = CountingObjects(store.objects)
        told: list[tuple[int, int]] = []
        copied = await copy_store(store, target, on_progress=lambda n, of: told.append((n, of)))
        (one,) = copied.workspaces
        assert (one.artifacts, one.artifact_bytes > len(LARGE)) == (4, True)
        assert told[-1] == (one.version + 4,) * 2
        for key in await keys_of(target):
            assert await target.get(key) == await counting.get(key)
        assert orphan not in await keys_of(target)
        again = await copy_store(store, target)
        assert again.workspaces[0].artifacts == 0
    async with place.process(target) as store:
        assert await is_whole(store)


async def test_a_copy_into_another_store_is_sealed_anew(
    place: Place, others: Callable[[], Place]
) -> None:
    other = others()
    other.key_file.write_text(KeyFile(bytes(32)).text())
    async with place.process() as source, other.process() as target:
        await fill(source)
        copied = await copy_workspaces(source, target, ["work"])
        assert copied.workspaces[0].artifacts == 4
        assert await is_whole(target)
        (old, *_), (new, *_) = await keys_of(source.objects), await keys_of(target.objects)
        assert (old, await source.objects.get(old)) != (new, await target.objects.get(old))
        assert (await copy_workspaces(source, target, ["work"])).workspaces[0].artifacts == 0
        await source.workspace("work").artifacts.save("new", b"new")
        assert (await copy_workspaces(source, target, ["work"])).workspaces[0].artifacts == 1
        assert await target.workspace("work").artifacts.load("new") == b"new"


@pytest.mark.parametrize("anew", [False, True])
async def test_a_copy_that_died_anywhere_is_a_store_and_goes_on(
    place: Place, others: Callable[[], Place], anew: bool
) -> None:
    async with place.process() as source:
        await fill(source)
        at = 0
        while True:
            target = others()
            if anew:
                target.key_file.write_text(KeyFile(bytes(32)).text())
            try:
                faulty = FaultyObjects(target.objects)
                if anew:
                    async with target.process(faulty) as store:
                        faulty.schedule = {faulty.operations + at: Fault.CRASH_AFTER}
                        await copy_workspaces(source, store, ["work"])
                else:
                    faulty.schedule = {at: Fault.CRASH_AFTER}
                    await copy_store(source, faulty)
                break
            except* Crash:
                pass
            if anew:
                async with target.process() as store:
                    await copy_workspaces(source, store, ["work"])
            else:
                await copy_store(source, target.objects)
            async with target.process() as store:
                assert await is_whole(store)
            at += 1
    assert at > 10


async def test_what_a_sweep_takes_from_a_copy_under_way_is_brought_again(place: Place) -> None:
    target = GatedObjects(MemoryObjects())
    async with place.process() as source:
        await fill(source)
        gate = target.hold("put", "workspaces/work/log/99999998-00000001")
        copying = asyncio.create_task(copy_store(source, target))
        await gate.reached.wait()
        assert len(await keys_of(target)) == 4
        async with place.process(target.inner) as store:
            log = store.open_log("work").log
            assert await sweep_artifacts(log, older_than=-timedelta(days=1)) == 4
        gate.open()
        await copying
    async with place.process(target.inner) as store:
        assert await is_whole(store)


async def test_a_damaged_artifact_is_not_copied(place: Place) -> None:
    async with place.process() as source:
        await fill(source)
        key = next(key for key in await keys_of(source.objects) if "large" in key)
        data = await source.objects.get(key)
        assert data is not None
        await source.objects.put(key, data[:1_500_000] + b"\0" + data[1_500_001:])
        target = MemoryObjects()
        with pytest.raises(Damaged):
            await copy_store(source, target)
        assert key not in await keys_of(target)
        await source.objects.delete(key)
        with pytest.raises(Conflict, match="is gone"):
            await copy_store(source, target)


async def test_an_export_has_the_files_and_an_import_brings_them_back(
    place: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    async with place.process() as store:
        await fill(store)
        exported = await export_workspace(store, "work", folder)
        assert exported.artifacts == 2
        assert (folder / "artifacts/a.txt").read_bytes() == b"two"
        assert (folder / "artifacts/d/large.bin").read_bytes() == LARGE
        assert os.access(folder / "artifacts/d/large.bin", os.X_OK)
        listed = json.loads((folder / "artifacts.json").read_text())["artifacts"]
        assert [line["name"] for line in listed] == ["a.txt", "d/large.bin"]
        (folder / "artifacts/a.txt").write_bytes(b"edited")
        imported = await import_workspace(store, folder, name="again")
        assert (imported.artifacts, imported.version) == (2, 2)
        again = store.workspace("again").artifacts
        assert await again.load("a.txt") == b"edited"
        large = await again.info("d/large.bin")
        assert (large.executable, large.size) == (True, len(LARGE))
        assert (await import_workspace(store, folder, name="again")).repeated


async def test_an_import_that_died_anywhere_goes_on(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    async with place.process() as store:
        await fill(store)
        await export_workspace(store, "work", folder)
    at = 0
    while True:
        faulty = FaultyObjects(place.objects)
        try:
            async with place.process(faulty) as store:
                faulty.schedule = {faulty.operations + at: Fault.CRASH_AFTER}
                await import_workspace(store, folder, name=f"n{at}")
            break
        except (Crash, BaseExceptionGroup):
            pass
        async with place.process() as store:
            await import_workspace(store, folder, name=f"n{at}")
            artifacts = store.workspace(f"n{at}").artifacts
            assert await artifacts.load("a.txt") == b"two"
            assert len((await artifacts.revisions("a.txt")).items) == 1
        at += 1
    assert at > 5


async def test_a_workspace_of_files_alone_is_exported_and_imported(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        await store.workspace("work").artifacts.save("A", b"1")
        await store.workspace("work").artifacts.save("a", b"2")
        await export_workspace(store, "work", tmp_path / "out")
        assert sorted(os.listdir(tmp_path / "out/artifacts")) == ["%41", "a"]
        await import_workspace(store, tmp_path / "out", name="again")
        again = store.workspace("again").artifacts
        assert (await again.load("A"), await again.load("a")) == (b"1", b"2")


async def test_an_import_follows_no_link_out_of_its_folder(place: Place, tmp_path: Path) -> None:
    async with place.process() as store:
        await store.workspace("work").artifacts.save("a", b"1")
        await export_workspace(store, "work", tmp_path / "out")
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "out/artifacts/a").unlink()
        (tmp_path / "out/artifacts/a").symlink_to(tmp_path / "secret")
        with pytest.raises(InvalidInput):
            await import_workspace(store, tmp_path / "out", name="again")
        lines = json.loads((tmp_path / "out/artifacts.json").read_text())
        lines["artifacts"][0]["file"] = "../../secret"
        (tmp_path / "out/artifacts.json").write_text(json.dumps(lines))
        with pytest.raises(InvalidInput):
            await import_workspace(store, tmp_path / "out", name="again")

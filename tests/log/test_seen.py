"""The newest versions seen are remembered outside the store, so that a rollback is noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.place import Place

from safepoint import Damaged
from safepoint.format.keys import log_folder, log_key
from safepoint.log.log import Log
from safepoint.log.seen import SeenHeads
from safepoint.testing.faults import GatedObjects

pytestmark = pytest.mark.anyio

ONE, OTHER = "one", "other"


async def test_what_was_noted_is_known_to_the_next_process(tmp_path: Path) -> None:
    seen = SeenHeads(tmp_path / "seen")
    seen.note(ONE, 3)
    seen.note(OTHER, 9)
    await seen.close()
    again = SeenHeads(tmp_path / "seen")
    assert (await again.version(ONE), await again.version(OTHER)) == (3, 9)


async def test_it_never_goes_back(tmp_path: Path) -> None:
    ahead, behind = SeenHeads(tmp_path), SeenHeads(tmp_path)
    ahead.note(ONE, 5)
    ahead.note(ONE, 4)
    assert await ahead.version(ONE) == 5
    behind.note(ONE, 2)
    await ahead.close()
    await behind.close()
    assert await SeenHeads(tmp_path).version(ONE) == 5


async def test_without_a_folder_it_remembers_for_this_process(tmp_path: Path) -> None:
    seen = SeenHeads(None)
    assert await seen.version(ONE) == 0
    seen.note(ONE, 3)
    await seen.close()
    assert await seen.version(ONE) == 3


async def test_of_many_workspaces_the_last_are_kept_in_memory_and_all_on_disk(
    tmp_path: Path,
) -> None:
    seen = SeenHeads(tmp_path, remembered=2)
    names = [f"work-{number}" for number in range(5)]
    for name in names:
        seen.note(name, 7)
    await seen.close()
    assert [await SeenHeads(tmp_path).version(name) for name in names] == [7] * 5
    for file in tmp_path.iterdir():
        file.unlink()
    assert [await seen.version(name) for name in names] == [0, 0, 0, 7, 7]


async def test_what_could_not_be_written_is_kept_in_memory_and_written_later(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "seen"
    folder.write_text("not a folder")
    seen = SeenHeads(folder, remembered=1)
    for name in (ONE, OTHER):
        seen.note(name, 7)
    await seen.flush()
    assert [await seen.version(name) for name in (ONE, OTHER)] == [7, 7]
    folder.unlink()
    await seen.close()
    assert [await SeenHeads(folder).version(name) for name in (ONE, OTHER)] == [7, 7]


@pytest.mark.parametrize("text", ["", "three", "\0", "-"])
async def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = SeenHeads(tmp_path).path(ONE)
    assert path is not None
    path.write_text(text)
    assert await SeenHeads(tmp_path).version(ONE) == 0


async def test_a_folder_that_cannot_be_written_fails_no_commit(place: Place) -> None:
    (place.folder / "file").write_text("not a folder")
    async with place.process(seen=place.folder / "file" / "seen") as store:
        assert (await store.workspace("work").save(1)).version == 1


async def saved(place: Place, versions: int, **options: Any) -> None:
    async with place.process(**options) as store:
        for _ in range(versions):
            await store.workspace("work").save({"n": versions})


@pytest.mark.parametrize("deleted", [[3], [3, 2], [3, 2, 1]])
async def test_a_store_that_lost_its_newest_records_is_refused(
    place: Place, deleted: list[int]
) -> None:
    await saved(place, 3, seen=place.folder / "seen")
    for version in deleted:
        await place.objects.delete(log_key("work", version))
    async with place.process(seen=place.folder / "seen") as store:
        work = store.workspace("work")
        for attempt in (work.load(), work.save(1), work.start_step("send")):
            with pytest.raises(Damaged, match="but version 3 was seen before") as caught:
                await attempt
            assert caught.value.code == "rolled_back"
        (listed,) = (await store.workspaces()).items
        assert listed.status == "damaged"
        assert "but version 3 was seen before" in str(listed.summary)


async def test_who_has_only_read_notices_too(place: Place) -> None:
    await saved(place, 3)
    async with place.process(seen=place.folder / "seen") as store:
        await store.workspace("work").load()
    for version in (3, 2):
        await place.objects.delete(log_key("work", version))
    async with place.process(seen=place.folder / "seen") as store:
        with pytest.raises(Damaged, match="version 2 was seen before"):
            await store.workspace("work").load()


async def test_who_has_never_seen_more_takes_the_store_as_it_is(place: Place) -> None:
    await saved(place, 3, seen=place.folder / "seen")
    await place.objects.delete(log_key("work", 3))
    async with place.process(seen=place.folder / "of another user") as store:
        assert (await store.workspace("work").load()).version == 2


async def test_one_can_go_on_from_an_old_copy_on_purpose(place: Place) -> None:
    await saved(place, 3, seen=place.folder / "seen")
    await place.objects.delete(log_key("work", 3))
    async with place.process(seen=place.folder / "seen") as store:
        with pytest.raises(Damaged) as caught:
            await store.workspace("work").load()
        (memory,) = (path for path in (place.folder / "seen").rglob("*") if path.is_file())
    assert memory.name in caught.value.hint
    memory.unlink()
    async with place.process(seen=place.folder / "seen") as store:
        assert (await store.workspace("work").save(1)).version == 3


async def test_what_is_remembered_holds_no_names(place: Place) -> None:
    await saved(place, 1, seen=place.folder / "seen")
    paths = [str(path.relative_to(place.folder)) for path in (place.folder / "seen").rglob("*")]
    assert paths
    assert not any("work" in path for path in paths)


async def test_a_workspace_that_was_deleted_is_no_fresh_start(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.process(seen=tmp_path / "seen") as store:
        await store.workspace("work").save({"weeks": 3})
    for key in await place.objects.list("workspaces/"):
        await place.objects.delete(key)
    async with place.process(seen=tmp_path / "seen") as store:
        with pytest.raises(Damaged, match="version 1 was seen") as refused:
            await store.workspace("work").load()
        assert refused.value.code == "rolled_back"
        with pytest.raises(Damaged):
            await store.workspace("work").save({"weeks": 0})
    async with place.process(seen=tmp_path / "another machine") as store:
        assert (await store.workspace("work").save({"weeks": 0})).version == 1


async def test_what_this_process_commits_while_it_looks_elsewhere_is_no_rollback(
    place: Place,
) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store:
        work = store.workspace("work")
        await work.save(1)
        gate = gated.hold("list", log_folder("work"), acted=True)
        looking = asyncio.create_task(Log("work", store.shared).head())
        await gate.reached.wait()
        await work.save(2)
        await work.save(3)
        gate.open()
        assert (await looking).version == 1

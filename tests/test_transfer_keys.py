"""Copies of stores whose keys were rotated: they hold what is needed, and open."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.place import Place
from tests.rotating import everything, grow, states

from safepoint import Conflict
from safepoint.format.keys import keys_folder
from safepoint.transfer import copy_store

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_copy_holds_the_newest_keys_only_and_opens(place: Place, tmp_path: Path) -> None:
    await grow(place)
    copy = Place(tmp_path)
    async with place.process() as store:
        await store.keys.rotate(keep_old=True)
        await store.keys.rotate_store_key(keep_old=True)
        await copy_store(store, copy.objects)
    assert len(await everything(copy.objects, keys_folder("work"))) == 1
    assert len(await everything(copy.objects, "safepoint/")) == 1
    assert await states(copy) == await states(place)


async def test_an_earlier_copy_takes_new_data_keys_and_what_they_seal(
    place: Place, tmp_path: Path
) -> None:
    await grow(place)
    copy = Place(tmp_path)
    async with place.process() as store:
        await copy_store(store, copy.objects)
        await store.keys.rotate()
        await store.workspace("work").save({"n": 4})
        await copy_store(store, copy.objects)
    assert await states(copy) == await states(place)


async def test_copies_that_were_rotated_each_for_itself_are_not_mixed(
    place: Place, tmp_path: Path
) -> None:
    await grow(place)
    copy = Place(tmp_path)
    async with place.process() as store:
        await copy_store(store, copy.objects)
        async with copy.process() as there:
            await there.keys.rotate()
        await store.keys.rotate()
        with pytest.raises(Conflict) as caught:
            await copy_store(store, copy.objects)
        assert caught.value.code == "history_differs"


async def test_a_copy_from_before_a_new_store_key_is_left_as_it_is(
    place: Place, tmp_path: Path
) -> None:
    await grow(place)
    copy = Place(tmp_path)
    async with place.process() as store:
        await copy_store(store, copy.objects)
        before = await everything(copy.objects)
        await store.keys.rotate_store_key()
        with pytest.raises(Conflict) as caught:
            await copy_store(store, copy.objects)
        assert caught.value.code == "store_key_changed"
    assert await everything(copy.objects) == before
    assert await states(copy) == [{"n": 1}, {"n": 2}]

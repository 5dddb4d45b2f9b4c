"""Nothing readable lies in the store, and nothing that was stored runs when it is loaded."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from tests.integrations.langgraph.values import Chain, at, checkpoint, metadata

from safepoint import Unsupported
from safepoint.integrations.langgraph import SafepointSaver, StrictSerializer

pytestmark = pytest.mark.anyio

SECRET = "ENIGMA-7731"


@dataclasses.dataclass
class Plan:
    """A class of the user's own."""

    page: int


async def back(saver: SafepointSaver, value: Any) -> Any:
    await Chain(saver, "t").put({"x": value})
    found = await saver.aget_tuple(at("t"))
    assert found is not None
    return found.checkpoint["channel_values"]["x"]


async def test_no_value_name_or_metadata_lies_readable_on_disk(
    tmp_path: Path, key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "store"
    async with SafepointSaver.open(folder, key_file=key_file, pages="full") as saver:
        chain = Chain(saver, "thread", f"child:{SECRET}")
        await chain.put({SECRET: SECRET * 9}, run_id=SECRET, owner=SECRET)
        await chain.write((SECRET, SECRET), task=SECRET, path=SECRET)
        await chain.put({SECRET: SECRET * 10}, owner=SECRET)
        await saver.acopy_thread("thread", "copy")
        await saver.aprune(["thread"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 6
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET not in str(path)
    assert SECRET not in caplog.text


async def test_a_class_that_was_not_allowed_comes_back_as_plain_data(
    saver: SafepointSaver,
) -> None:
    assert await back(saver, Plan(3)) == {"page": 3}


async def test_a_class_that_was_allowed_comes_back_as_it_was(saver: SafepointSaver) -> None:
    allowing = SafepointSaver(saver.store, allowed=[Plan])
    assert await back(allowing, Plan(3)) == Plan(3)
    assert await back(allowing, HumanMessage("hello")) == HumanMessage("hello")


async def test_it_is_strict_whatever_the_environment_says(saver: SafepointSaver) -> None:
    clone = saver.with_allowlist({(Plan.__module__, Plan.__name__)})
    assert isinstance(clone, SafepointSaver)
    assert await back(clone, Plan(3)) == Plan(3)
    assert await back(saver, Plan(3)) == {"page": 3}
    lenient = JsonPlusSerializer(allowed_msgpack_modules=True)
    assert not isinstance(lenient, StrictSerializer)


class Call:
    """What pickles as a call of os.mkdir."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.folder,))


async def test_a_stored_call_is_not_made(saver: SafepointSaver, tmp_path: Path) -> None:
    """Even one that an earlier, lenient serializer had stored."""
    made = tmp_path / "made"

    class Lenient(JsonPlusSerializer):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            if obj == "pickle":
                return "pickle", pickle.dumps(Call(made))
            if obj == "json":
                call = {"lc": 2, "type": "constructor", "id": ["os", "mkdir"], "args": [str(made)]}
                return "json", json.dumps(call).encode()
            return super().dumps_typed(obj)

    lenient = SafepointSaver(saver.store, serde=Lenient())
    for kind in ("pickle", "json"):
        await Chain(lenient, kind).put({"x": kind})
        with pytest.raises(Unsupported, match="may run code"):
            await saver.aget_tuple(at(kind))
    assert not made.exists()


async def test_a_list_filter_reads_no_values(saver: SafepointSaver) -> None:
    """Only metadata are read of what does not match."""

    class Unreadable(StrictSerializer):
        def loads_typed(self, data: tuple[str, bytes]) -> Any:
            raise AssertionError("a value was read")

    for number in range(5):
        made = checkpoint(str(number), {"x": 1}, {"x": 1})
        await saver.aput(at("t"), made, metadata(number), {"x": 1})
    looking = SafepointSaver(saver.store, serde=Unreadable())
    assert [one async for one in looking.alist(at("t"), filter={"step": 9})] == []

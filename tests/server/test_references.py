"""References over MCP: told on load, within what the operator allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from safepoint import InvalidInput, Store
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio


def allowing(folder: Path) -> Settings:
    return Settings.load({"SAFEPOINT_ALLOWED_PATHS": str(folder)})


async def test_each_reference_is_told_on_load_what_needs_attention_first(
    agent_on, tmp_path: Path
) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    allowed.mkdir()
    for name in ("same", "edited", "gone"):
        (allowed / name).write_text(name)
    outside.write_text("secret")
    (allowed / "link").symlink_to(outside)
    names = ["same", "edited", "gone"]
    asked = [str(allowed / name) for name in names]
    async with (
        Store.open("memory://") as store,
        agent_on(store, settings=allowing(allowed)) as agent,
    ):
        odd = [str(outside), str(allowed / "link"), "s3://bucket/key"]
        saved = await agent.call(
            "save_checkpoint", workspace="book", state={"n": 1}, references=[*asked, *odd]
        )
        assert len(saved["warnings"]) == 3
        assert "secret" not in str(saved)
        (allowed / "edited").write_text("EDITED")
        (allowed / "gone").unlink()
        loaded = await agent.call("load_checkpoint", workspace="book")
        told = {one["location"]: one["status"] for one in loaded["references"]}
        assert told == {
            asked[0]: "unchanged",
            asked[1]: "changed",
            asked[2]: "missing",
            **dict.fromkeys(odd, "not_checked"),
        }
        assert loaded["references"][-1]["status"] == "unchanged"
        await agent.call("save_checkpoint", workspace="book", state={"n": 2}, references=[])
        assert "references" not in await agent.call("load_checkpoint", workspace="book")


async def test_without_an_allowed_place_nothing_outside_is_looked_at(
    agent_on, tmp_path: Path
) -> None:
    """The digest is right: only the permission is missing."""
    (tmp_path / "file").write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    known = {"path": str(tmp_path / "file"), "sha256": empty, "size": 0}
    async with Store.open("memory://") as store:
        for settings, status in (
            (Settings.load({}), "not_checked"),
            (allowing(tmp_path), "unchanged"),
        ):
            async with agent_on(store, settings=settings) as agent:
                await agent.call("save_checkpoint", workspace="book", state={}, references=[known])
                (told,) = (await agent.call("load_checkpoint", workspace="book"))["references"]
                assert told["status"] == status


async def test_many_references_are_cut_to_size_and_counted(agent_on, tmp_path: Path) -> None:
    async with Store.open("memory://") as store, agent_on(store) as agent:
        names = ["/" + "x" * 1000 + str(number) for number in range(100)]
        await agent.call("save_checkpoint", workspace="book", state={}, references=names)
        loaded = await agent.call("load_checkpoint", workspace="book")
        assert len(loaded["references"]) == 20
        assert loaded["omitted"]["references"] == 80
        assert agent.last_bytes < 10_000
        refused = await agent.refused(
            "save_checkpoint", workspace="book", state={}, references=[*names, "/one more"]
        )
        assert "101 references" in refused


@pytest.mark.parametrize(
    "bad", [7, None, {"sha256": "x"}, {"location": 3}, {"location": "/a", "who": "me"}, ["/a"]]
)
async def test_what_is_no_reference_is_refused_and_nothing_saved(agent, bad: object) -> None:
    told = await agent.refused(
        "save_checkpoint", workspace="book", state={}, references=["/a", bad]
    )
    assert "references[1]" in told
    assert "no workspace" in await agent.refused("load_checkpoint", workspace="book")


async def test_a_list_given_as_text_is_taken(agent) -> None:
    await agent.call("save_checkpoint", workspace="book", state={}, references='["/a"]')
    loaded = await agent.call("load_checkpoint", workspace="book")
    assert [one["location"] for one in loaded["references"]] == ["/a"]


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    settings = Settings.load({"SAFEPOINT_ALLOWED_S3": "s3://one/prefix  s3://two"})
    assert settings.allowed_s3 == ("s3://one/prefix", "s3://two")
    with pytest.raises(InvalidInput, match="SAFEPOINT_ALLOWED_S3"):
        Settings.load({"SAFEPOINT_ALLOWED_S3": "https://bucket"})

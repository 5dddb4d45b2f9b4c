"""Tokens in a store: what is kept of them, and what faults, other keys and strangers do to them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place
from tests.rotating import FAULTS, everything, interrupt, store_key_numbers

from safepoint import Actor, Damaged, InvalidInput, NotFound, Store, Unavailable, WrongKey
from safepoint.format.tokens import new_token, read_token
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Fault, FaultyObjects
from safepoint.transfer import copy_store

pytestmark = pytest.mark.anyio

OPERATOR = Actor("operator")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def opens(store: Store, text: str) -> bool:
    """Whether the token is known by its secret, and valid."""
    token_id, digest = read_token(text)
    found = await store.tokens.find(token_id)
    return found is not None and found.opens_with(digest) and found.token.valid_at(store.now())


@pytest.mark.parametrize("given", [{"workspaces": "billing-*"}, {"scopes": "read"}])
async def test_a_text_is_no_list_of_its_letters(place: Place, given: dict[str, str]) -> None:
    async with place.process() as store:
        with pytest.raises(InvalidInput, match="are lists"):
            await store.tokens.create("anna", **{"scopes": ["read"], **given}, by=OPERATOR)
        assert await store.tokens.list() == ()


async def test_a_token_is_stored_without_its_secret_and_found_by_its_id(place: Place) -> None:
    async with place.process() as store:
        text, token = await store.tokens.create(
            "anna",
            ["read", "write"],
            by=OPERATOR,
            tenant="acme",
            workspaces=["billing-*"],
            expires_at=place.now + timedelta(days=1),
        )
        assert (token.name, token.scopes, token.created_by) == (
            "anna",
            ("read", "write"),
            "operator",
        )
    async with place.process() as store:
        assert await store.tokens.list() == (token,)
        assert await opens(store, text)
        place.now += timedelta(days=1)
        assert not await opens(store, text)
    secret = text.split("_")[2]
    for key in await everything(place.objects):
        data = await place.objects.get(key) or b""
        for told in (secret, "anna", "billing", "acme", read_token(text)[1].hex()):
            assert told.encode() not in data
            assert told not in key


async def test_a_revoked_token_opens_nothing_and_stays_listed(place: Place) -> None:
    async with place.process() as store:
        text, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        other, _ = await store.tokens.create("ben", ["read"], by=OPERATOR)
        revoked = await store.tokens.revoke(token.id, by=OPERATOR)
        place.now += timedelta(hours=1)
        assert await store.tokens.revoke(token.id, by=Actor("late")) == revoked
    async with place.process() as store:
        assert not await opens(store, text)
        assert await opens(store, other)
        assert revoked in await store.tokens.list()
        assert (revoked.revoked_by, revoked.name) == ("operator", "anna")
        with pytest.raises(NotFound, match="there is no token"):
            await store.tokens.revoke("a" * 16, by=OPERATOR)
        with pytest.raises(InvalidInput):
            await store.tokens.revoke("../../../etc/passwd", by=OPERATOR)


async def test_deleting_the_revocation_does_not_bring_the_token_back(place: Place) -> None:
    async with place.process() as store:
        text, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        await store.tokens.revoke(token.id, by=OPERATOR)
        (newest,) = await place.objects.list(f"tokens/{token.id}/")
        await place.objects.delete(newest)
        assert not await opens(store, text)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_anywhere_leaves_a_token_valid_or_revoked(place: Place, fault: Fault) -> None:
    """Whatever is interrupted can be repeated, and no token that nobody has is in the way."""
    async with place.process() as store:
        kept, _ = await store.tokens.create("kept", ["read"], by=OPERATOR)
    for at in range(40):
        async with place.process() as store:
            text, token = await store.tokens.create(f"number {at}", ["read"], by=OPERATOR)
        if not await interrupt(
            place, at, fault, lambda store, one=token.id: store.tokens.revoke(one, by=OPERATOR)
        ):
            break
        async with place.process() as store:
            assert await opens(store, text) or not await opens(store, text)
            assert (await store.tokens.revoke(token.id, by=OPERATOR)).revoked_at is not None
            assert not await opens(store, text)
    else:
        pytest.fail("revoking never came to its end")
    assert at > 2
    for at in range(40):
        if not await interrupt(
            place, at, fault, lambda store: store.tokens.create("new", ["read"], by=OPERATOR)
        ):
            break
    assert 1 <= at < 40
    async with place.process() as store:
        assert await opens(store, kept)
        assert all(token.name in ("kept", "new") for token in await store.tokens.list()
                   if token.revoked_at is None or token.name == "kept")  # fmt: skip
        report = await store.verify()
        assert report.ok
        assert report.foreign == report.orphans == 0


async def test_two_who_revoke_at_once_agree(place: Place) -> None:
    async with place.process() as store, place.process() as other:
        _, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        first, second = await asyncio.gather(
            store.tokens.revoke(token.id, by=Actor("one")),
            other.tokens.revoke(token.id, by=Actor("two")),
        )
        assert first == second == (await store.tokens.list())[0]


async def test_tokens_outlive_a_new_store_key(place: Place) -> None:
    async with place.process() as store:
        text, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        gone, ended = await store.tokens.create("ben", ["read"], by=OPERATOR)
        await store.tokens.revoke(ended.id, by=OPERATOR)
        (before,) = await place.objects.list(f"tokens/{token.id}/")
        old = await place.objects.get(before)
        assert (await store.keys.rotate_store_key()).finished
        assert await opens(store, text)
    assert set((await store_key_numbers(place)).values()) == {1}
    async with place.process() as store:
        assert await opens(store, text)
        assert not await opens(store, gone)
        (now,) = await place.objects.list(f"tokens/{token.id}/")
        await place.objects.delete(now)
        await place.objects.put(before, old or b"")
        assert not await opens(store, text)
        assert "a store key that was replaced" in (await store.verify()).notes[0]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_rotation_that_stops_anywhere_keeps_every_token(place: Place, fault: Fault) -> None:
    for at in range(200):
        async with place.process() as store:
            text, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        reached = await interrupt(place, at, fault, lambda store: store.keys.rotate_store_key())
        async with place.process() as store:
            assert await opens(store, text)
            assert (await store.keys.rotate_store_key()).finished
            assert await opens(store, text)
            await store.tokens.revoke(token.id, by=OPERATOR)
        for key in await place.objects.list(f"tokens/{token.id}/"):
            await place.objects.delete(key)
        if not reached:
            break
    assert 10 < at < 199


async def test_who_holds_a_replaced_store_key_makes_no_token(place: Place) -> None:
    async with place.process() as stale, place.process() as store:
        _, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
        await store.keys.rotate_store_key()
        with pytest.raises(WrongKey, match="store key was changed"):
            await stale.tokens.create("ben", ["read"], by=OPERATOR)
        with pytest.raises(WrongKey, match="store key was changed"):
            await stale.tokens.find(token.id)
        assert await store.tokens.list() == (token,)


async def test_a_token_of_another_place_or_store_is_not_taken(place: Place) -> None:
    async with place.process() as store, Store.open("memory://") as other:
        _, first = await store.tokens.create("anna", ["read"], by=OPERATOR)
        _, second = await store.tokens.create("ben", ["read"], by=OPERATOR)
        _, foreign = await other.tokens.create("eve", ["admin"], by=OPERATOR)
        theirs = f"tokens/{foreign.id}/000001.json"
        await place.objects.put(theirs, await other.objects.get(theirs) or b"")
        moved = await place.objects.get(f"tokens/{first.id}/000001.json") or b""
        await place.objects.put(f"tokens/{second.id}/000001.json", moved)
        for token_id in (foreign.id, second.id):
            with pytest.raises(Damaged):
                await store.tokens.find(token_id)
        report = await store.verify()
        assert [problem.key for problem in report.problems] == sorted(
            [theirs, f"tokens/{second.id}/000001.json"]
        )
        assert all("the token is refused" in problem.effect for problem in report.problems)
        assert report.tokens == 1


async def test_verify_counts_tokens_and_tells_what_does_not_belong_there(place: Place) -> None:
    async with place.process() as store:
        await store.tokens.create("anna", ["read"], by=OPERATOR)
        await place.objects.put("tokens/readme.txt", b"hello")
        report = await store.verify()
        assert (report.ok, report.tokens, report.foreign) == (True, 1, 1)
        assert len(await store.tokens.list()) == 1


async def test_a_copy_of_a_store_lets_nobody_in(place: Place) -> None:
    """What is revoked here would stay valid there."""
    target = MemoryObjects()
    async with place.process() as store:
        await store.workspace("work").save({})
        await store.tokens.create("anna", ["read"], by=OPERATOR)
        copied = await copy_store(store, target)
    assert copied.left_out == ("tokens",)
    async with place.process(target) as copy:
        assert await copy.tokens.list() == ()
        assert (await copy.verify()).ok


async def test_a_store_that_fails_is_not_a_token_that_is_unknown(place: Place) -> None:
    async with place.process() as store:
        _, token = await store.tokens.create("anna", ["read"], by=OPERATOR)
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty) as store:
        faulty.schedule = {faulty.operations: Fault.TIMED_OUT}
        with pytest.raises(Unavailable):
            await store.tokens.find(token.id)


def test_a_typo_is_told_from_a_token_that_is_not_known() -> None:
    text, token_id, digest = new_token(lambda count: bytes(range(count)))
    assert read_token(text) == (token_id, digest)
    assert len(text) == 88
    for at in range(len("safepoint_"), len(text)):
        for wrong in (text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1 :], text[:at]):
            with pytest.raises(InvalidInput) as caught:
                read_token(wrong)
            assert text[11:40] not in caught.value.message + caught.value.hint
    for wrong in ("", text.upper(), f" {text}", text + "a", text + "\n"):
        with pytest.raises(InvalidInput):
            read_token(wrong)


async def test_a_token_needs_a_name_and_a_future(place: Place) -> None:
    async with place.process() as store:
        for name in ("", " ", "two\nlines", "x" * 300):
            with pytest.raises(InvalidInput):
                await store.tokens.create(name, ["read"], by=OPERATOR)
        with pytest.raises(InvalidInput, match="expired already"):
            await store.tokens.create("anna", ["read"], by=OPERATOR, expires_at=place.now)
        assert await store.tokens.list() == ()

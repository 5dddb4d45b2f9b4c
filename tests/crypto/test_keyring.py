"""Key slots: whoever has one of the keys opens the store, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.crypto import keyring
from safepoint.crypto.keyring import (
    KeyFile,
    Passphrase,
    Unlock,
    add_slot,
    open_slots,
    rewrap_slots,
    slots_of,
)
from safepoint.errors import Damaged, InvalidInput, SafepointError, Unsupported, WrongKey
from safepoint.keysource import KeySource

STORE_ID = bytes(range(16))
STORE_KEY = bytes(range(100, 132))
FILE = KeyFile(bytes(range(32)))
WORDS = Passphrase("correct horse battery staple")


def slot_for(unlock: Unlock, label: str = "") -> dict[str, Any]:
    at = "2026-01-01T00:00:00+00:00"
    return add_slot(unlock, STORE_KEY, STORE_ID, label=label, at=at, random=os.urandom)


FILE_SLOT = slot_for(FILE, "laptop")
WORDS_SLOT = slot_for(WORDS, "me")


@given(st.binary(min_size=32, max_size=32))
def test_a_key_file_comes_back_from_its_text(secret: bytes) -> None:
    text = KeyFile(secret).text()
    assert KeyFile.parse(text, source="it") == KeyFile(secret)
    assert KeyFile.parse(text.replace("\n", "\r\n").upper(), source="it") == KeyFile(secret)


def test_a_key_file_with_any_character_of_its_key_altered_is_refused() -> None:
    line = FILE.text().splitlines()[-1]
    for position, char in enumerate(line):
        altered = line[:position] + ("0" if char != "0" else "1") + line[position + 1 :]
        with pytest.raises(InvalidInput, match="the key of Ann") as caught:
            KeyFile.parse(altered, source="the key of Ann")
        assert caught.value.code == "bad_key_file"


@pytest.mark.parametrize(
    "text",
    ["", "# only words\n", FILE.text()[:-2], FILE.text() * 2, "SAFEPOINT-KEY-1-", "\0", "-" * 99],
)
def test_what_is_no_key_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        KeyFile.parse(text, source="it")


def test_secrets_are_in_no_repr() -> None:
    assert FILE.secret.hex() not in repr(FILE)
    assert "horse" not in repr(WORDS)


@pytest.mark.parametrize("words", ["", "1234567"])
def test_a_passphrase_of_less_than_eight_characters_is_refused(words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Passphrase(words)
    assert caught.value.code == "weak_passphrase"


@pytest.mark.parametrize("unlock", [FILE, WORDS], ids=["key file", "passphrase"])
def test_each_of_several_slots_gives_the_same_store_key(unlock: Unlock) -> None:
    slots = [slot_for(KeyFile(bytes(32))), WORDS_SLOT, FILE_SLOT]
    assert open_slots(slots, unlock, STORE_ID) == STORE_KEY


@pytest.mark.parametrize(
    "unlock",
    [KeyFile(bytes(32)), Passphrase("correct horse battery stable")],
    ids=["key file", "passphrase"],
)
def test_a_wrong_key_opens_nothing(unlock: Unlock) -> None:
    assert open_slots([FILE_SLOT, WORDS_SLOT], unlock, STORE_ID) is None


def test_a_key_of_one_kind_does_not_try_slots_of_another() -> None:
    assert open_slots([WORDS_SLOT], FILE, STORE_ID) is None
    assert open_slots([{"kind": "some newer kind"}, FILE_SLOT], FILE, STORE_ID) == STORE_KEY


def test_a_slot_belongs_to_its_store() -> None:
    with pytest.raises(Damaged):
        open_slots([FILE_SLOT], FILE, bytes(16))


def test_two_slots_of_one_passphrase_have_different_salts() -> None:
    assert slot_for(WORDS)["argon2id"]["salt"] != WORDS_SLOT["argon2id"]["salt"]


@pytest.mark.parametrize(
    "costs",
    [
        {"memory_kib": 19 * 1024 - 1},
        {"memory_kib": 1024 * 1024 + 1},
        {"memory_kib": 2**40},
        {"passes": 1},
        {"passes": 17},
        {"passes": 2**31},
        {"passes": -(2**31)},
        {"lanes": 0},
        {"lanes": 17},
        {"memory_kib": 65536.0},
        {"memory_kib": "65536"},
        {"lanes": None},
    ],
    ids=str,
)
def test_costs_that_safepoint_never_asks_for_are_refused_before_any_work(
    costs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(keyring, "Argon2id")
    slot = {**WORDS_SLOT, "argon2id": {**WORDS_SLOT["argon2id"], **costs}}
    with pytest.raises(Unsupported) as caught:
        open_slots([slot], WORDS, STORE_ID)
    assert caught.value.code == "key_cost"


@pytest.mark.parametrize(
    "slot",
    [
        None,
        {},
        {"kind": "passphrase"},
        {**WORDS_SLOT, "wrapped": "not base64!"},
        {**WORDS_SLOT, "wrapped": None},
        {**WORDS_SLOT, "wrapped": ""},
        {**WORDS_SLOT, "argon2id": None},
        {**WORDS_SLOT, "argon2id": {**WORDS_SLOT["argon2id"], "salt": "AAAA"}},
        {**WORDS_SLOT, "argon2id": {**WORDS_SLOT["argon2id"], "salt": "?"}},
    ],
)
def test_a_slot_that_cannot_be_one_is_damage(slot: Any) -> None:
    with pytest.raises(SafepointError) as caught:
        open_slots([slot], WORDS, STORE_ID)
    assert isinstance(caught.value, Damaged)


def test_slots_are_listed_without_what_they_wrap() -> None:
    listed = slots_of({"slots": [FILE_SLOT, WORDS_SLOT]})
    assert [(slot.kind, slot.label) for slot in listed] == [
        ("key-file", "laptop"),
        ("passphrase", "me"),
    ]
    assert FILE_SLOT["wrapped"] not in repr(listed)
    assert STORE_KEY.hex() not in repr(FILE_SLOT)


def test_many_threads_may_open_by_passphrase_at_once() -> None:
    """In a process of its own: when it fails, it waits for ever."""
    code = """
from concurrent.futures import ThreadPoolExecutor
from safepoint.crypto.keyring import Passphrase
words = Passphrase("correct horse battery staple")
with ThreadPoolExecutor(4) as threads:
    made = list(threads.map(lambda n: words.new_kek(b"s" * 16, random=bytes)[1], range(4)))
print(len(set(made)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1\n"


# One passphrase, typed on different keyboards

COMPOSED, DECOMPOSED = "blühende pferde", "bl\u0075\u0308hende pferde"


def source(words: str) -> KeySource:
    return KeySource(passphrase=words)


def opens(words: str, slots: list[dict[str, Any]]) -> bool:
    return any(
        open_slots(slots, unlock, STORE_ID) == STORE_KEY for unlock in source(words).existing(slots)
    )


@pytest.mark.parametrize("made", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
def test_a_new_slot_opens_however_the_same_characters_are_typed(made: str, typed: str) -> None:
    assert COMPOSED != DECOMPOSED
    slot = slot_for(source(made).for_new_store(os.urandom))
    assert opens(typed, [slot])


def test_a_slot_that_was_made_of_the_words_as_typed_still_opens_by_them() -> None:
    assert opens(DECOMPOSED, [slot_for(Passphrase(DECOMPOSED))])
    assert not opens(COMPOSED, [slot_for(Passphrase(DECOMPOSED))])


def test_rewrapped_slots_keep_id_and_label_and_open_the_new_key() -> None:
    new, other = bytes(32), slot_for(KeyFile(bytes(32)))
    old_form = slot_for(Passphrase(DECOMPOSED), "typed")
    slots = [FILE_SLOT, other, old_form]
    kept = rewrap_slots(slots, [FILE, Passphrase(DECOMPOSED)], STORE_ID, new, random=os.urandom)
    assert [(slot["id"], slot["label"]) for slot in kept] == [
        (FILE_SLOT["id"], "laptop"), (old_form["id"], "typed")
    ]  # fmt: skip
    assert open_slots(kept, FILE, STORE_ID) == new
    assert open_slots(kept, Passphrase(DECOMPOSED), STORE_ID) == new
    assert open_slots(slots, FILE, STORE_ID) == STORE_KEY


def test_a_key_that_opens_no_slot_is_told_before_any_is_rewrapped() -> None:
    with pytest.raises(WrongKey) as caught:
        rewrap_slots([FILE_SLOT], [FILE, WORDS], STORE_ID, bytes(32), random=os.urandom)
    assert caught.value.code == "no_such_slot"

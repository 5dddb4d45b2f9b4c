"""Names become segments that every file system and S3 keep apart; versions become keys."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from safepoint.errors import InvalidInput
from safepoint.format import keys

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "names.json").read_text("utf-8"))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
AWKWARD = st.text(
    st.sampled_from("aAbnoculptrx019.%~-_ /\\:|$éÉß\u017f\u0131\u0130\u212a\u0301\u00b9\x00\n😀")
)
LONG = st.builds(lambda text, times: text * times, ANY_TEXT | AWKWARD, st.integers(1, 300))
THREAD_IDS = st.builds(
    "|".join,
    st.lists(st.builds("{}:{}".format, st.sampled_from(["agent", "sub graph"]), st.uuids())),
)
NAMES = ANY_TEXT | AWKWARD | LONG | THREAD_IDS
SEGMENTS = st.text(st.sampled_from("a.%~-_0e2Af "), max_size=12) | st.text(max_size=12)

# Windows: "Naming Files, Paths, and Namespaces". S3: "Object key naming guidelines", but for `%`
# and `~`, which it advises against only because they look different in a URL.
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"
}


def complaints(segment: str) -> list[str]:
    """What any of S3, Linux, macOS and Windows has against this as the name of a folder."""
    base = segment.split(".")[0].rstrip(" ").casefold()
    rules = {
        "empty": not segment,
        "longer than 200 bytes": len(segment.encode()) > 200,
        "a character beyond ASCII": not segment.isascii(),
        "a control character": any(ord(char) < 32 or ord(char) == 127 for char in segment),
        "a character that Windows refuses": bool(set(segment) & set('<>:"/\\|?*')),
        "a character that S3 advises against": bool(set(segment) & set("&$@=;+, {}^`[]#")),
        "an upper-case letter": segment != segment.casefold(),
        "a dot or space at its end": segment.endswith((".", " ")),
        "hidden": segment.startswith("."),
        "a relative path": ".." in segment,
        "a device": base in WINDOWS_DEVICES,
        "not one form under normalisation": unicodedata.normalize("NFD", segment)
        != unicodedata.normalize("NFC", segment),
    }
    return [rule for rule, broken in rules.items() if broken]


@given(NAMES)
@example("")
@example("con")
@example("a" * 201)
def test_every_name_becomes_a_legal_segment(name: str) -> None:
    assert complaints(keys.encode_name(name)) == []


@given(NAMES)
def test_a_name_comes_back_or_only_its_hash_was_kept(name: str) -> None:
    segment = keys.encode_name(name)
    assert keys.decode_name(segment) == (None if "~" in segment else name)
    assert ("~" in segment) == (len(segment) > 135 and bool(re.search("~[0-9a-f]{64}$", segment)))


@given(NAMES, NAMES)
@example("Case", "case")
@example("é", "e\u0301")
@example("\u212a", "k")
@example("a.", "a")
@example("a" * 300, "a" * 299 + "b")
def test_two_names_never_share_a_folder_even_where_case_and_accents_fold(
    one: str, two: str
) -> None:
    assume(one != two)
    folded = {
        unicodedata.normalize(form, keys.encode_name(name)).casefold()
        for name in (one, two)
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    }
    assert len(folded) == 2


@given(SEGMENTS)
@example("%41")
@example("%61")
@example("~" + "0" * 64)
@example("a" * 134 + "~" + "0" * 64)
def test_a_segment_is_either_written_by_safepoint_or_refused(segment: str) -> None:
    with contextlib.suppress(InvalidInput):
        name = keys.decode_name(segment)
        assert name is None or keys.encode_name(name) == segment


@pytest.mark.parametrize(
    "segment",
    [
        "", ".", "..", ".a", "a.", "a..b", "A", "con", "nul.txt", "com1", "%6", "%zz", "%2E", "%61",
        "%ff", "%ed%a0%80", "a%", "a b", "a/b", "é", "a~b", "%%", "a" * 201, "%63onx", "a%2eb",
        "~" + "0" * 64, "abc~" + "0" * 64, "a" * 136 + "~" + "0" * 64, "a" * 135 + "~" + "A" * 64,
        "a" * 135 + "~" + "0" * 63, "A" * 135 + "~" + "0" * 64, "%c3" * 45 + "~" + "0" * 64,
        "a" * 135 + "~" + "0" * 64 + "\n",
    ],
)  # fmt: skip
def test_foreign_segments_are_refused(segment: str) -> None:
    with pytest.raises(InvalidInput, match="not a name that Safepoint wrote"):
        keys.decode_name(segment)


@given(LONG)
def test_a_long_name_keeps_a_readable_start(name: str) -> None:
    segment = keys.encode_name(name)
    assume("~" in segment)
    head = segment.split("~")[0]
    assert 124 <= len(head) <= 135
    start = re.sub("%(..)", lambda found: chr(int(found[1], 16)), head).encode("latin-1").decode()
    assert name.startswith(start)


def test_only_the_start_of_a_long_name_is_shown_and_all_of_it_counts() -> None:
    segments = {keys.encode_name("report " * 1000 + str(number)) for number in range(100)}
    assert len(segments) == 100
    assert all(segment.startswith("report%20report%20") for segment in segments)


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "x" * 300 + "\ud800"])
def test_half_a_surrogate_pair_is_not_a_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="not Unicode text") as caught:
        keys.encode_name(name)
    assert caught.value.code == "invalid_name"
    assert caught.value.hint


@pytest.mark.parametrize("pair", VECTORS, ids=lambda pair: pair["segment"][:40])
def test_the_segments_of_these_names_stay_for_ever(pair: dict[str, str]) -> None:
    assert keys.encode_name(pair["name"]) == pair["segment"]
    assert keys.decode_name(pair["segment"]) == (None if "~" in pair["segment"] else pair["name"])


def test_folders_of_these_names_can_be_made_and_stay_apart(tmp_path: Path) -> None:
    for pair in VECTORS:
        folder = tmp_path / keys.encode_name(pair["name"])
        folder.mkdir()
        (folder / "name").write_text(pair["name"], "utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p["segment"] for p in VECTORS)
    for path in tmp_path.iterdir():
        with (path / "name").open(encoding="utf-8", newline="") as written:
            assert keys.encode_name(written.read()) == path.name


VERSIONS = st.integers(1, keys.VERSION_MAX)


@given(NAMES, VERSIONS)
def test_a_log_key_tells_its_version(name: str, version: int) -> None:
    key = keys.log_key(name, version)
    assert key.startswith(keys.log_folder(name))
    assert key.startswith(keys.workspace_folder(name) + "/")
    assert keys.version_of(key) == version
    assert keys.version_of(key.rpartition("/")[2]) == version


@given(VERSIONS, VERSIONS)
def test_newer_versions_sort_first(one: int, two: int) -> None:
    assert (keys.log_key("w", one) < keys.log_key("w", two)) == (one > two)


def test_keys_look_as_documented() -> None:
    assert keys.log_key("My job", 42) == "workspaces/%4dy%20job/log/99999957-00000042"
    assert keys.keys_key("w", 3) == "workspaces/w/keys/000003.json"
    assert keys.keys_key("w", 3).startswith(keys.keys_folder("w"))
    assert keys.manifest_key(1) == "safepoint/000001.json"
    assert keys.manifest_key(1).startswith(keys.MANIFEST_FOLDER)
    assert keys.generation_of(keys.manifest_key(17)) == 17
    assert keys.generation_of(keys.keys_key("w", 999_999)) == 999_999


@pytest.mark.parametrize(
    "key",
    [
        "", "00000001", "99999998-00000002", "99999999-00000000", "100000000-00000001",
        "99999998-1", "99999998-00000001 ", "99999998-00000001\n", "99999998-0000000\u0661",
        "99999998-00000001.stump", "workspaces/w/log/", "99999998-00000001/x",
    ],
)  # fmt: skip
def test_what_is_not_a_log_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="not the key of a commit record"):
        keys.version_of(key)


@pytest.mark.parametrize(
    "key", ["", "000000.json", "1.json", "000001.json.bak", "0000001.json", "00000\u0661.json"]
)
def test_what_is_not_a_manifest_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="not the key of a manifest"):
        keys.generation_of(key)


@pytest.mark.parametrize("version", [0, -1, 100_000_000])
def test_versions_out_of_range_have_no_key(version: int) -> None:
    for function in (keys.block_of, keys.index_in_block, keys.base_of, keys.chain_of):
        with pytest.raises(InvalidInput, match="no version"):
            function(version)
    with pytest.raises(InvalidInput, match="no version"):
        keys.log_key("w", version)


@pytest.mark.parametrize("generation", [0, -1, 1_000_000])
def test_generations_out_of_range_have_no_key(generation: int) -> None:
    with pytest.raises(InvalidInput, match="no generation"):
        keys.manifest_key(generation)


@given(VERSIONS)
def test_a_version_lies_in_its_block(version: int) -> None:
    block = keys.block_of(version)
    assert keys.first_of_block(block) <= version <= keys.last_of_block(block)
    assert version == keys.first_of_block(block) + keys.index_in_block(version)
    assert keys.first_of_block(block + 1) == keys.last_of_block(block) + 1
    assert keys.last_of_block(block) - keys.first_of_block(block) + 1 == keys.BLOCK == 256


@given(VERSIONS)
def test_a_chain_starts_whole_stays_in_its_block_and_is_short(version: int) -> None:
    chain = keys.chain_of(version)
    assert 1 <= len(chain) <= 9
    assert chain[0] == keys.first_of_block(keys.block_of(version))
    assert chain[-1] == version
    assert keys.base_of(chain[0]) is None
    assert [keys.base_of(link) for link in chain[1:]] == list(chain[:-1])


def test_the_first_block_has_these_chains() -> None:
    assert keys.chain_of(1) == (1,)
    assert keys.chain_of(2) == (1, 2)
    assert keys.chain_of(8) == (1, 5, 7, 8)
    assert keys.chain_of(256) == (1, 129, 193, 225, 241, 249, 253, 255, 256)
    assert keys.chain_of(257) == (257,)


def test_the_bases_that_the_next_commits_need_are_on_the_heads_chain() -> None:
    for version in range(1, 600):
        following = keys.base_of(version + 1)
        assert following is None or following in keys.chain_of(version)

"""Where things lie in a store: names of workspaces as key segments, and the arithmetic of versions.

One version has exactly one legal key, and its delta chain follows from the number alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from safepoint.errors import InvalidInput

__all__ = [
    "BLOCK",
    "GENERATION_MAX",
    "LOG_WIDTH",
    "MANIFEST_FOLDER",
    "ROOT_PAGE",
    "ROOT_SUMMARY",
    "SEGMENT_MAX",
    "VERSION_MAX",
    "WORKSPACES_FOLDER",
    "artifact_key",
    "artifacts_folder",
    "base_of",
    "block_of",
    "chain_of",
    "decode_name",
    "encode_name",
    "first_of_block",
    "generation_of",
    "index_in_block",
    "keys_folder",
    "keys_key",
    "last_of_block",
    "log_folder",
    "log_key",
    "manifest_key",
    "newest_generation",
    "page_key",
    "summary_key",
    "version_of",
    "workspace_folder",
]

BLOCK: Final = 256
LOG_WIDTH: Final = 8
VERSION_MAX: Final = 10**LOG_WIDTH - 1
GENERATION_WIDTH: Final = 6
GENERATION_MAX: Final = 10**GENERATION_WIDTH - 1
MANIFEST_FOLDER: Final = "safepoint/"
WORKSPACES_FOLDER: Final = "workspaces/"
ROOT_PAGE: Final = "index.html"
ROOT_SUMMARY: Final = "summary"
SEGMENT_MAX: Final = 200

_HEAD_MAX: Final = SEGMENT_MAX - 1 - 64  # "~" and a SHA-256 in hex follow
_PLAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_ESCAPED = re.compile(rb"[^a-z0-9_.-]|\A\.|\.\Z|(?<=\.)\.|\.(?=\.)")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
_HASHED = re.compile(r"([^~]+)~[0-9a-f]{64}")
_SEGMENT = re.compile(r"(?:[a-z0-9_.-]|%[0-9a-f]{2})+")
_LOG_NAME = re.compile(r"([0-9]{8})-([0-9]{8})")
_GENERATION_NAME = re.compile(r"([0-9]{6})\.json")


def encode_name(name: str) -> str:
    """The key segment of a workspace's name: injective, ASCII, at most 200 bytes.

    Literal are `a-z 0-9 _ -` and single inner dots; every other byte of the UTF-8 form, upper-case
    letters among them, becomes `%xx`, so that no file system folds, normalises, reserves or trims
    two names into one. Names that Windows reserves get their first letter escaped, the empty name
    is `%`. What would be longer keeps a readable start and ends in `~` and the SHA-256 of the name.

    Raises:
        InvalidInput: the name holds half of a surrogate pair, so it is not Unicode text.
    """
    if len(name) <= SEGMENT_MAX and _PLAIN.fullmatch(name) and not _RESERVED.match(name):
        return name
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            "the workspace name is not Unicode text: it holds half of a surrogate pair",
            hint="Use a name of ordinary characters.",
            code="invalid_name",
        ) from None
    if not raw:
        return "%"
    text = _escape(raw[: SEGMENT_MAX + 1])  # one byte never takes less than one character
    if len(text) <= SEGMENT_MAX:
        return text
    return f"{_head(text)}~{hashlib.sha256(raw).hexdigest()}"


def decode_name(segment: str) -> str | None:
    """The name whose segment this is, or None when the segment holds only the name's hash.

    The inverse of `encode_name`, strictly: no second segment decodes to the same name.

    Raises:
        InvalidInput: `encode_name` cannot have made this segment.
    """
    if segment == "%":
        return ""
    hashed = _HASHED.fullmatch(segment)
    try:
        if hashed is not None:
            if _is_head(hashed[1]):
                return None
        elif _SEGMENT.fullmatch(segment):
            name = _unescape(segment).decode()
            if encode_name(name) == segment:
                return name
    except UnicodeDecodeError:
        pass
    raise InvalidInput(
        f"{segment[:SEGMENT_MAX]!r} is not a name that Safepoint wrote",
        hint="Only Safepoint may create folders in workspaces/; move this one away.",
        code="invalid_name",
    )


def _escape(raw: bytes) -> str:
    text = _ESCAPED.sub(lambda found: b"%%%02x" % found[0][0], raw).decode("ascii")
    return f"%{ord(text[0]):02x}{text[1:]}" if _RESERVED.match(text) else text


def _unescape(segment: str) -> bytes:
    return re.sub(
        rb"%([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), segment.encode("ascii")
    )


def _head(text: str) -> str:
    """As many whole characters of an escaped name as leave room for its hash."""
    end = _HEAD_MAX
    while "%" in text[end - 2 : end] or (text[end] == "%" and text[end + 1] in "89ab"):
        end -= 1
    return text[:end]


def _is_head(head: str) -> bool:
    """Whether some name longer than a segment starts this way.

    Two continuations decide it: four escaped bytes show every place where a head may end, dots
    show the heads whose last dot is escaped for the sake of the dot behind it.
    """
    if not _SEGMENT.fullmatch(head):
        return False
    start = _unescape(head)
    start.decode()
    return any(
        _head(_escape((start + more)[: SEGMENT_MAX + 1])) == head
        for more in ("\U00010000".encode() * SEGMENT_MAX, b"." * SEGMENT_MAX)
    )


def workspace_folder(name: str) -> str:
    """`workspaces/<name>`, without a slash at the end."""
    return WORKSPACES_FOLDER + encode_name(name)


def log_folder(name: str) -> str:
    return f"{workspace_folder(name)}/log/"


def log_key(name: str, version: int) -> str:
    """The only key that this version may have. Newer versions sort first."""
    _check(version)
    return f"{log_folder(name)}{VERSION_MAX - version:08d}-{version:08d}"


def version_of(log_key: str) -> int:
    """The version whose commit record this key, or its last segment, names.

    Raises:
        InvalidInput: it is not the key of a commit record.
    """
    found = _LOG_NAME.fullmatch(log_key.rpartition("/")[2])
    if found is not None:
        version = int(found[2])
        if version >= 1 and int(found[1]) + version == VERSION_MAX:
            return version
    raise _foreign(log_key, "commit record")


def summary_key(segment: str) -> str:
    """The summary of the workspace whose name has become this key segment."""
    return f"{WORKSPACES_FOLDER}{segment}/summary"


def page_key(segment: str) -> str:
    """The page of the workspace whose name has become this key segment."""
    return f"{WORKSPACES_FOLDER}{segment}/index.html"


def artifacts_folder(name: str) -> str:
    return f"{workspace_folder(name)}/artifacts/"


def artifact_key(name: str, artifact: str, object_id: str) -> str:
    """The object of one revision of a workspace's artifact: its random id, in hex, comes last."""
    return f"{artifacts_folder(name)}{encode_name(artifact)}/{object_id}"


def manifest_key(generation: int) -> str:
    """The store manifest's key: `safepoint/000001.json` and onward."""
    return f"{MANIFEST_FOLDER}{_generation_name(generation)}"


def keys_folder(name: str) -> str:
    return f"{workspace_folder(name)}/keys/"


def keys_key(name: str, generation: int) -> str:
    """The workspace manifest's key: `workspaces/<name>/keys/000001.json` and onward."""
    return f"{keys_folder(name)}{_generation_name(generation)}"


def generation_of(manifest_key: str) -> int:
    """The generation that the key of a store or workspace manifest, or its last segment, names.

    Raises:
        InvalidInput: it is not the key of a manifest.
    """
    found = _GENERATION_NAME.fullmatch(manifest_key.rpartition("/")[2])
    if found is not None and int(found[1]) >= 1:
        return int(found[1])
    raise _foreign(manifest_key, "manifest")


def block_of(version: int) -> int:
    """The block, counted from 0, that this version lies in."""
    _check(version)
    return (version - 1) // BLOCK


def index_in_block(version: int) -> int:
    """0 to 255; index 0 is stored whole."""
    _check(version)
    return (version - 1) % BLOCK


def first_of_block(block: int) -> int:
    return block * BLOCK + 1


def last_of_block(block: int) -> int:
    return (block + 1) * BLOCK


def base_of(version: int) -> int | None:
    """The version whose document this one's is a delta of; None for one that is stored whole."""
    index = index_in_block(version)
    return version - (index & -index) if index else None


def chain_of(version: int) -> tuple[int, ...]:
    """The versions that rebuild this one, whole one first, itself last: at most nine."""
    chain = [version]
    while (base := base_of(chain[-1])) is not None:
        chain.append(base)
    return tuple(reversed(chain))


def _check(version: int) -> None:
    if not 1 <= version <= VERSION_MAX:
        raise InvalidInput(
            f"there is no version {version}: versions are 1 to {VERSION_MAX}",
            hint="Start a new run before a workspace reaches its last version.",
            code="version_out_of_range",
        )


def newest_generation(keys: Iterable[str]) -> str | None:
    """The key with the highest generation; keys that are no manifest's are passed over."""
    best: tuple[int, str] | None = None
    for key in keys:
        with contextlib.suppress(InvalidInput):
            found = (generation_of(key), key)
            best = max(best, found) if best else found
    return best[1] if best else None


def _generation_name(generation: int) -> str:
    if not 1 <= generation <= GENERATION_MAX:
        raise InvalidInput(
            f"there is no generation {generation}: generations are 1 to {GENERATION_MAX}",
            hint="Copy the store to a new place to start counting afresh.",
            code="generation_out_of_range",
        )
    return f"{generation:06d}.json"


def _foreign(key: str, kind: str) -> InvalidInput:
    return InvalidInput(
        f"{key!r} is not the key of a {kind}",
        hint="Only Safepoint may write here; move the object away.",
        code="invalid_key",
    )

"""Values as bytes, and small plain ones as JSON that lies in the index and compresses with it."""

from __future__ import annotations

import base64
import math
from typing import Any, NamedTuple

import orjson
from langgraph.checkpoint.serde.base import SerializerProtocol

from safepoint.values import dataclass

__all__ = ["Blob", "NewWrite", "pack", "unpack"]

_MAX_INT = 2**63
_MAX_DEPTH = 32


class Blob(NamedTuple):
    """A serialised value: the serializer's word for its kind, and the bytes."""

    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NewWrite:
    """A write with its number: LangGraph's for special channels, else the place in the list."""

    task: str
    path: str
    idx: int
    channel: str
    blob: Blob


def pack(value: dict[str, Any], serde: SerializerProtocol) -> Any:
    """As it stands in the index: the object itself, or else kind and base64. Tuples in it become
    lists, as in every saver that keeps JSON."""
    if _is_plain(value, _MAX_DEPTH):
        return value
    kind, data = serde.dumps_typed(value)
    return [kind, base64.b64encode(data).decode("ascii")]


def unpack(packed: Any, serde: SerializerProtocol) -> Any:
    if isinstance(packed, dict):
        return orjson.loads(orjson.dumps(packed))  # the caller may change its copy
    kind, data = packed
    return serde.loads_typed((kind, base64.b64decode(data)))


def _is_plain(value: Any, depth: int) -> bool:
    """Whether JSON gives the value back, but for tuples."""
    if isinstance(value, dict):
        return depth > 0 and all(
            type(name) is str and _is_text(name) and _is_plain(item, depth - 1)
            for name, item in value.items()
        )
    if type(value) in (list, tuple):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    if type(value) is str:
        return _is_text(value)
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int:
        return -_MAX_INT <= value < _MAX_INT
    return value is None or type(value) is bool


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)

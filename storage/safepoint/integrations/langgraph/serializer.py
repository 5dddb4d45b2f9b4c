"""The serializer of SafepointSaver: msgpack, with an allow-list of what may be made on load."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from safepoint.errors import Unsupported

__all__ = ["StrictSerializer"]

_KINDS = ("null", "bytes", "bytearray", "msgpack")


class StrictSerializer(JsonPlusSerializer):
    """LangGraph's serializer, always strict: on load only LangGraph's list of safe types (dates,
    UUIDs, messages and the like) and the classes in `allowed` are made. What is of another class
    comes back as the plain data that it was stored as. Nothing is pickled or unpickled.
    """

    def __init__(self, allowed: Iterable[type | tuple[str, str]] = ()) -> None:
        super().__init__(
            pickle_fallback=False,
            allowed_json_modules=None,
            allowed_msgpack_modules=tuple(allowed) or None,
        )

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Raises Unsupported for a kind that this serializer does not write."""
        if data[0] not in _KINDS:
            raise Unsupported(
                f"a value was stored as {data[0]!r}, which is not loaded: it may run code",
                hint=f"Only {', '.join(_KINDS)} are. Give SafepointSaver a `serde` of your own "
                "to read others.",
                code="unsafe_value",
            )
        return super().loads_typed(data)

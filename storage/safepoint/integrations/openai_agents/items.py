"""A session's items as the text of one JSON list: the state of its workspace.

Items are joined, compared and cut as text: what is there is not parsed to add to it. That works
because stored JSON is compact: between two items there is a comma and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import Document
from safepoint.format.jsontext import decode_json, encode_json

__all__ = ["cut_last", "decode", "encode", "inner", "joined", "listed"]


def encode(items: Iterable[object]) -> bytes:
    """The items, as they stand between the brackets of the list: one gives the same bytes in any
    company.

    Raises InvalidInput for what JSON cannot hold, LimitExceeded for what is nested too deeply.
    """
    return b",".join(map(_encoded, items))


def decode(text: bytes) -> list[Any]:
    """The items that stand between the brackets."""
    return cast("list[Any]", decode_json(listed(text)))


def inner(document: Document) -> bytes:
    """The items of a document, as they stand between the brackets; empty while there are none.

    Raises Conflict (`not_a_session`) when its state is something else than a list.
    """
    state = document.state
    if state is None or not document.exists:
        return b""
    if not state.startswith(b"["):
        raise Conflict(
            "the state of this workspace is not the list of items of a session; nothing was "
            "changed",
            hint="Give the session a workspace of its own, or rewind this one to a version that "
            "was one.",
            code="not_a_session",
        )
    return state[1:-1]


def listed(text: bytes) -> bytes:
    """The list."""
    return b"[%b]" % text


def joined(*texts: bytes) -> bytes:
    """The items of several texts, in order."""
    return b",".join(text for text in texts if text)


def cut_last(text: bytes) -> tuple[Any, bytes]:
    """The last of the items, of which there is one, and the text of those before it."""
    items = decode(text)
    last = encode(items[-1:])
    if text == last:
        return items[-1], b""
    if text.endswith(b"," + last):
        return items[-1], text[: -len(last) - 1]
    return items[-1], encode(items[:-1])  # written by others, as one list


def _encoded(item: object) -> bytes:
    try:
        return encode_json(item)
    except InvalidInput as error:
        if error.code != "not_json":
            raise
        return encode_json(_plain(item, error))


def _plain(item: object, error: InvalidInput) -> object:
    """The same with dictionaries, texts and numbers of subclasses as what json makes of them."""
    try:
        return json.loads(json.dumps(item, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise error from None

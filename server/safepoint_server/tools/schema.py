"""The JSON Schemas that clients see, without what only costs a model tokens."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from safepoint_server.tools.base import Reply

__all__ = ["input_schema", "output_schema"]

UNSAID: Final = frozenset({"title", "additionalProperties", "minimum", "minLength", "maxLength"})
TYPES: Final = {str: "string", int: "integer", bool: "boolean", list: "array"}


@cache
def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Schema of arguments, with descriptions and defaults. What is optional may be left out.

    All servers of a process share it.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_Plain)
    definitions = schema.pop("$defs", {})
    return {key: _walk(value, key, definitions) for key, value in _kept(schema)}


def output_schema(reply: type[Reply]) -> dict[str, Any]:
    """Schema of a reply: the names and types of the fields that are always there.

    What may be absent, and what lies inside objects and arrays, is left to be read: a model that
    lists the tools pays for every word here.
    """
    kind: Any = reply  # each is a dataclass
    hints = get_type_hints(kind)
    always = [field.name for field in fields(kind) if field.default is MISSING]
    return {"type": "object", "properties": {name: _shallow(hints[name]) for name in always}}


class _Plain(GenerateJsonSchema):
    """Every default of an argument is JSON already, and to encode it takes a third of all time."""

    def encode_default(self, dft: Any) -> Any:
        return dft


def _shallow(hint: Any) -> dict[str, Any]:
    """The JSON type of a hint such as `str`, `list[str] | None`, a Reply or Any."""
    (kind,) = [arm for arm in get_args(hint) if arm is not NoneType] if _is_union(hint) else [hint]
    if kind is Any:
        return {}
    return {"type": TYPES.get(get_origin(kind) or kind, "object")}


def _is_union(hint: Any) -> bool:
    return isinstance(hint, UnionType)


def _walk(node: Any, place: str, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_walk(item, "", definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if place == "properties":  # its keys are names of fields, one of which may be "title"
        return {name: _walk(item, "", definitions) for name, item in node.items()}
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        node = {**definitions[name], **{key: node[key] for key in node if key != "$ref"}}
    kinds = [kind for kind in node.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return _walk(
            {**kinds[0], **{key: node[key] for key in node if key != "anyOf"}},
            place,
            definitions,
        )
    if kinds:
        node = {**node, "anyOf": kinds}
    return {key: _walk(value, key, definitions) for key, value in _kept(node)}


def _kept(node: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a model can use. What it may not send is said when it sends it: unknown names, too
    short texts and too small numbers are refused by name."""
    return [
        (key, value)
        for key, value in node.items()
        if key not in UNSAID and not (key == "default" and not value)
    ]

"""The JSON Schemas that clients see: pydantic's, without what only costs a model tokens."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

__all__ = ["input_schema", "output_schema"]

SILENT: Final = frozenset({"title", "description", "default", "additionalProperties"})


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Schema of arguments, with descriptions and defaults. What is optional may be left out."""
    return _lean(model.model_json_schema(by_alias=True), frozenset({"title"}))


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Schema of a reply: the names and types of its fields; what lies inside objects and arrays
    is left to be read.

    Fields that may be absent are not required.
    """
    schema = _lean(model.model_json_schema(by_alias=True, mode="serialization"), SILENT)
    schema["properties"] = {name: _shallow(item) for name, item in schema["properties"].items()}
    return schema


def _shallow(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": schema["type"]} if "type" in schema else {}


def _lean(schema: dict[str, Any], dropped: frozenset[str]) -> dict[str, Any]:
    definitions = schema.pop("$defs", {})
    return {key: _walk(value, key, definitions, dropped) for key, value in _kept(schema, dropped)}


def _walk(node: Any, place: str, definitions: dict[str, Any], dropped: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_walk(item, "", definitions, dropped) for item in node]
    if not isinstance(node, dict):
        return node
    if place == "properties":  # its keys are names of fields, one of which may be "title"
        return {name: _walk(item, "", definitions, dropped) for name, item in node.items()}
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        node = {**definitions[name], **{key: node[key] for key in node if key != "$ref"}}
    kinds = [kind for kind in node.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return _walk(
            {**kinds[0], **{key: node[key] for key in node if key != "anyOf"}},
            place,
            definitions,
            dropped,
        )
    return {key: _walk(value, key, definitions, dropped) for key, value in _kept(node, dropped)}


def _kept(node: dict[str, Any], dropped: frozenset[str]) -> list[tuple[str, Any]]:
    return [
        (key, value)
        for key, value in node.items()
        if key not in dropped and not (key == "default" and value is None)
    ]

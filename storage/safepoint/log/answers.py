"""Flat answer schemas, as MCP's dialogs allow, and whether an answer fits one. Pure.

An object of properties that are strings, numbers, integers, booleans or one of some texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from safepoint.errors import InvalidInput

__all__ = ["check_answer", "check_schema"]

MAX_PROPERTIES: Final = 50
MAX_CHOICES: Final = 100
_SHARED: Final = frozenset({"type", "title", "description", "default"})
_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "string": _SHARED | {"minLength", "maxLength", "format", "enum", "enumNames"},
    "number": _SHARED | {"minimum", "maximum"},
    "integer": _SHARED | {"minimum", "maximum"},
    "boolean": _SHARED,
}
_TOP: Final = frozenset(
    {"type", "properties", "required", "title", "description", "additionalProperties", "$schema"}
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def check_schema(schema: Any) -> None:
    """Raises InvalidInput (`bad_schema`) unless `schema` is one that a person can be shown."""
    if not isinstance(schema, dict):
        raise _bad_schema("it is not an object")
    _only(schema, _TOP, "the schema")
    if schema.get("type") != "object":
        raise _bad_schema('its type is not "object"')
    if schema.get("additionalProperties", False) is not False:
        raise _bad_schema("additionalProperties can only be false")
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not 1 <= len(properties) <= MAX_PROPERTIES:
        raise _bad_schema(f"it needs 1 to {MAX_PROPERTIES} properties")
    for name, one in properties.items():
        if not name or not name.isprintable():
            raise _bad_schema("a property's name is empty or not printable")
        _check_property(name, one)
    required = schema.get("required", [])
    if not isinstance(required, list | tuple) or any(
        not isinstance(name, str) or name not in properties for name in required
    ):
        raise _bad_schema("required is a list of names of its properties")
    _texts(schema, ("title", "description"), "the schema")


def check_answer(schema: Mapping[str, Any], answer: Any) -> None:
    """Raises InvalidInput (`bad_answer`), naming every property that does not fit."""
    if not isinstance(answer, dict):
        raise _bad_answer(["it is not an object of properties"], schema)
    properties = schema["properties"]
    wrong = [f"{name!r} is not asked for" for name in answer if name not in properties]
    wrong += [f"{name!r} is missing" for name in schema.get("required", ()) if name not in answer]
    for name, value in answer.items():
        if name in properties and (why := _misfit(properties[name], value)):
            wrong.append(f"{name!r} {why}")
    if wrong:
        raise _bad_answer(wrong, schema)


def _check_property(name: str, one: Any) -> None:
    where = f"property {name!r}"
    if not isinstance(one, dict):
        raise _bad_schema(f"{where} is not an object")
    kind = one.get("type")
    if not isinstance(kind, str) or kind not in _TAKES:
        raise _bad_schema(f"the type of {where} is not one of {', '.join(_TAKES)}")
    _only(one, _TAKES[kind], where)
    _texts(one, ("title", "description"), where)
    if kind == "string":
        _check_string(one, where)
    elif kind in ("number", "integer"):
        bounds = [one[bound] for bound in ("minimum", "maximum") if bound in one]
        if not all(_is_number(bound) for bound in bounds) or bounds != sorted(bounds):
            raise _bad_schema(f"minimum and maximum of {where} are not numbers in order")
    if "default" in one and (why := _misfit(one, one["default"])):
        raise _bad_schema(f"the default of {where} {why}")


def _check_string(one: Mapping[str, Any], where: str) -> None:
    lengths = [one[bound] for bound in ("minLength", "maxLength") if bound in one]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in lengths)
    if not whole or lengths != sorted(lengths):
        raise _bad_schema(f"minLength and maxLength of {where} are not whole numbers in order")
    if "format" in one and (not isinstance(one["format"], str) or one["format"] not in _FORMATS):
        raise _bad_schema(f"the format of {where} is not one of {', '.join(_FORMATS)}")
    choices = one.get("enum")
    if choices is not None and (
        not isinstance(choices, list | tuple)
        or not 1 <= len(choices) <= MAX_CHOICES
        or not all(isinstance(choice, str) for choice in choices)
        or len(set(choices)) < len(choices)
    ):
        raise _bad_schema(f"the enum of {where} is not 1 to {MAX_CHOICES} different texts")
    shown = one.get("enumNames")
    if shown is not None and (
        choices is None
        or not isinstance(shown, list | tuple)
        or len(shown) != len(choices)
        or not all(isinstance(name, str) for name in shown)
    ):
        raise _bad_schema(f"enumNames of {where} are not one text for each of its enum")


def _misfit(one: Mapping[str, Any], value: Any) -> str | None:
    """Why `value` is not what this property asks for; None when it is."""
    kind = one["type"]
    if kind == "boolean":
        return None if isinstance(value, bool) else "is not true or false"
    if kind == "string":
        return _string_misfit(one, value)
    if not _is_number(value):
        return "is not a number"
    if kind == "integer" and value != math.floor(value):
        return "is not a whole number"
    if "minimum" in one and value < one["minimum"]:
        return f"is below {one['minimum']}"
    if "maximum" in one and value > one["maximum"]:
        return f"is above {one['maximum']}"
    return None


def _string_misfit(one: Mapping[str, Any], value: Any) -> str | None:
    if not isinstance(value, str):
        return "is not text"
    if "enum" in one and value not in one["enum"]:
        return f"is not one of {', '.join(map(repr, one['enum'][:10]))}"
    if len(value) < one.get("minLength", 0):
        return f"has fewer than {one['minLength']} characters"
    if "maxLength" in one and len(value) > one["maxLength"]:
        return f"has more than {one['maxLength']} characters"
    if "format" in one and not _FORMATS[one["format"]](value):
        return f"is not of the form {one['format']}"
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def _is_date_time(text: str) -> bool:
    """RFC 3339. Python reads at most six digits of a second, and no small letters."""
    if _DATE_TIME.fullmatch(text) is None:
        return False
    plain = re.sub(r"\.[0-9]+", "", text.upper()).replace("Z", "+00:00")
    return _parses(datetime.fromisoformat, plain)


def _is_uri(text: str) -> bool:
    if not text.isascii() or any(char.isspace() for char in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) and bool(parts.netloc or parts.path)


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_FORMATS: Final = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": _is_uri,
    "date": _is_date,
    "date-time": _is_date_time,
}


def _only(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    if unknown := sorted(given.keys() - known):
        raise _bad_schema(f"{where} has {', '.join(map(repr, unknown[:5]))}, which is not allowed")


def _texts(given: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name in given and not isinstance(given[name], str):
            raise _bad_schema(f"the {name} of {where} is not text")


def _bad_schema(why: str) -> InvalidInput:
    return InvalidInput(
        f"the answer schema cannot be shown to a person: {why}",
        hint='Give a flat JSON Schema such as {"type": "object", "properties": {"amount": '
        '{"type": "integer", "minimum": 1}}, "required": ["amount"]}.',
        code="bad_schema",
    )


def _bad_answer(wrong: list[str], schema: Mapping[str, Any]) -> InvalidInput:
    return InvalidInput(
        f"the answer does not fit the question: {'; '.join(wrong[:5])}",
        hint=f"It takes {', '.join(list(schema['properties'])[:20])}. Nothing was decided.",
        code="bad_answer",
    )

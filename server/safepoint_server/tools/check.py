"""Turns what a client sent into a tool's arguments, or says in a line what is wrong with it.

The SDK drops arguments it does not know and shows the values it refuses; neither happens here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from safepoint import InvalidInput
from safepoint.format.jsontext import decode_json
from safepoint_server.names import show_name
from safepoint_server.tools.base import Arguments

__all__ = ["check_arguments"]

A = TypeVar("A", bound=Arguments)
MAX_PROBLEMS: Final = 4


def check_arguments(tool: str, model: type[A], raw: Mapping[str, Any]) -> A:
    """The arguments of `tool`, checked.

    Null for an optional argument that is not JSON means "not given". A string that is the JSON of
    an object or array stands for it where JSON is expected: some clients send objects so.

    Raises:
        InvalidInput: names what is wrong and never shows a value.
    """
    names = list(model.model_fields)
    for name in raw:
        if name not in names:
            raise _unknown(tool, name, names, raw)
    try:
        return model.model_validate(_prepared(model, raw))
    except ValidationError as error:
        problems = [_problem(line) for line in error.errors(include_url=False, include_input=False)]
    except RecursionError:
        problems = ["an argument is nested too deeply"]
    told = "; ".join(dict.fromkeys(problems[:MAX_PROBLEMS]))
    raise InvalidInput(
        f"{tool} refused its arguments: {told}",
        hint=f"Correct them and call again. {_usage(tool, model)}",
        code="invalid_arguments",
    )


def _prepared(model: type[Arguments], raw: Mapping[str, Any]) -> dict[str, Any]:
    prepared: dict[str, Any] = {}
    for name, value in raw.items():
        optional = not model.model_fields[name].is_required()
        # A model that fills in all arguments must not wipe its state with a null.
        if value is None and optional and (name == "state" or name not in model.json_fields):
            continue
        spelled = isinstance(value, str) and name in model.json_fields | model.list_fields
        prepared[name] = _parsed(value) if spelled else value
    return prepared


def _parsed(text: str) -> Any:
    """The object or array that a text spells, else the text itself."""
    stripped = text.strip()
    if stripped[:1] + stripped[-1:] not in ("{}", "[]"):
        return text
    try:
        return decode_json(stripped.encode())
    except (InvalidInput, ValueError, RecursionError):
        return text


def _unknown(tool: str, name: str, names: list[str], given: Mapping[str, Any]) -> InvalidInput:
    close = difflib.get_close_matches(name[:50], names, cutoff=0.5)
    close.sort(key=lambda one: one in given)  # rather one that is still missing
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return InvalidInput(
        f"{tool} has no argument {show_name(name)}, and nothing was done",
        hint=f"{meant}It takes: {', '.join(names)}.",
        code="unknown_argument",
    )


def _usage(tool: str, model: type[Arguments]) -> str:
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    return f"{tool} needs {', '.join(required) or 'nothing'} and takes {', '.join(optional)}."


def _problem(line: Mapping[str, Any]) -> str:
    """pydantic's words for one error, which never hold the value, after the argument's name."""
    place = ""
    for part in line["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part[:50]}" if place else part[:50]
    kind, words = str(line["type"]), str(line["msg"])
    if kind == "missing":
        return f"{place} is missing"
    if kind == "extra_forbidden":
        return f"{place} is not known"
    if kind == "string_unicode":
        return f"{place} must be valid Unicode (it holds half of a surrogate pair)"
    words = words.removeprefix("Value error, ").removeprefix("Input should ")
    words = words if words.startswith("must ") else f"must {words[:1].lower()}{words[1:]}"
    return f"{place} {words.removeprefix('must must ')}"

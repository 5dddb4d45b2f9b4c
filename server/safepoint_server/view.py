"""What a model sees of a state too large to show: its outline, and parts by JMESPath. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from safepoint import InvalidInput
from safepoint.format.jsontext import encode_json

__all__ = ["OUTLINE_BYTES", "examples", "outline", "select"]

OUTLINE_BYTES: Final = 2500
MAX_EXPRESSION: Final = 500
BUDGET: Final = 5_000_000
MAX_KEY_CHARS: Final = 60
MAX_KEYS: Final = 40
MAX_DEPTH: Final = 3
PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def outline(value: Any, max_bytes: int = OUTLINE_BYTES) -> Any:
    """The shape of any JSON value in at most about `max_bytes`: keys, types, sizes, lengths.

    Levels and keys are left out, with counts, until it fits.
    """
    for depth, keys in ((MAX_DEPTH, MAX_KEYS), (2, MAX_KEYS), (2, 12), (1, MAX_KEYS), (1, 12)):
        shape = _shape(value, depth, keys)
        if len(encode_json(shape)) <= max_bytes:
            return shape
    return _shape(value, 0, 0)


def _shape(value: Any, depth: int, keys: int) -> Any:
    if isinstance(value, dict):
        if depth == 0 or not value:
            return f"object of {_count(len(value), 'key')}, {_size(value)}"
        shape = {
            _short(key): _shape(child, depth - 1, keys) for key, child in list(value.items())[:keys]
        }
        if len(value) > keys:
            shape["…"] = f"{_count(len(value) - keys, 'more key')}"
        return shape
    if isinstance(value, list | tuple):
        text = f"array of {_count(len(value), 'item')}, {_size(value)}"
        if depth == 0 or not value or not isinstance(value[0], dict | list | tuple):
            return text
        return {text: [_shape(value[0], depth - 1, keys)]}
    if isinstance(value, str):
        return f"string of {_count(len(value), 'character')}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "number"


def _size(value: Any) -> str:
    return f"{len(encode_json(value))} bytes"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(key: str) -> str:
    return key if len(key) <= MAX_KEY_CHARS else f"{key[: MAX_KEY_CHARS - 1]}…"


def examples(value: Any, limit: int = 3) -> list[str]:
    """Expressions for `select` that work on this very value."""
    if isinstance(value, list | tuple):
        return ["[-5:]", "[0]", "length(@)"][:limit]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for key, child in value.items():
        if len(key) > MAX_KEY_CHARS:
            continue
        name = key if PLAIN_KEY.fullmatch(key) else encode_json(key).decode()
        found.append(f"{name}[-5:]" if isinstance(child, list | tuple) else name)
    found.sort(key=lambda expression: not expression.endswith("[-5:]"))
    return [*found[: limit - 1], "keys(@)"]


def select(value: Any, expression: str, budget: int = BUDGET) -> Any:
    """The part of `value` that a JMESPath expression names; null where it names nothing.

    Costs at most about `budget` visits and items: an expression can double a list at every step.

    Raises:
        InvalidInput: it is too long, no JMESPath, does not fit this value, or makes too much.
    """
    import jmespath  # type: ignore[import-untyped]  # lazy: few calls select
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

    if len(expression) > MAX_EXPRESSION:
        raise InvalidInput(
            f"select has {len(expression)} characters, and {MAX_EXPRESSION} are the most",
            hint="Select a larger part with a shorter expression.",
            code="invalid_select",
        )
    try:
        found = _interpreter(budget).visit(jmespath.compile(expression).parsed, value)
    except InvalidInput:
        raise
    except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError) as error:
        raise InvalidInput(
            f"select is not a JMESPath expression that fits this state ({type(error).__name__})",
            hint="Examples for this state: " + ", ".join(examples(value) or ["@"]),
            code="invalid_select",
        ) from None
    if _more_nodes_than(found, budget):
        raise _too_much()
    return found


def _too_much() -> InvalidInput:
    return InvalidInput(
        "select makes more than can be returned",
        hint="Select a smaller part, without copying it.",
        code="invalid_select",
    )


def _interpreter(budget: int) -> Any:
    from jmespath.visitor import TreeInterpreter  # type: ignore[import-untyped]

    class Bounded(TreeInterpreter):  # type: ignore[misc]
        """Evaluates as jmespath does and stops when the results become too many."""

        left = budget

        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            result = super().visit(node, *args, **kwargs)
            self.left -= 1 + (len(result) if isinstance(result, str | list) else 0)
            if self.left < 0:
                raise _too_much()
            return result

    return Bounded()


def _more_nodes_than(value: Any, most: int) -> bool:
    """Counts before anything is encoded: the parts of a selected value may be shared many times."""
    pending = [value]
    count = 0
    while pending:
        item = pending.pop()
        count += 1
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
        if count + len(pending) > most:
            return True
    return False

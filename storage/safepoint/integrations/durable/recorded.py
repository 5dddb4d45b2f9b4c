"""What of a call is recorded: a fingerprint of its input, and its result as JSON."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from safepoint.errors import InvalidInput
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.model import JSON, UNSET, Unset
from safepoint.values import dataclass

__all__ = ["PLAIN", "Codec", "checked_input", "dataclass_codec", "error_text", "input_of"]

T = TypeVar("T")
_ERROR_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """Turns results into JSON, and recorded JSON into results; both must fit for ever."""

    encode: Callable[[T], JSON]
    decode: Callable[[JSON], T]

    def as_recorded(self, result: T, *, max_depth: int) -> JSON:
        """The JSON that any later process will find: tuples are lists in it, nothing is shared.

        Raises InvalidInput when the result is not JSON.
        """
        try:
            data = self.encode(result)
        except Exception as error:  # the edge: a codec is somebody else's
            raise InvalidInput(
                f"its codec does not take the result: {error_text(error)}",
                hint="Give the codec that fits the result.",
                code="not_json",
            ) from error
        return decode_json(encode_json(data, max_depth=max_depth))


def _as_it_is(value: Any) -> Any:
    return value


PLAIN: Codec[Any] = Codec(_as_it_is, _as_it_is)


def dataclass_codec(kind: Callable[..., T]) -> Codec[T]:
    """For a dataclass whose fields are JSON, lists and objects included."""

    def encode(value: T) -> JSON:
        fields = dataclasses.fields(value)  # type: ignore[arg-type]
        return {field.name: getattr(value, field.name) for field in fields}

    def decode(data: JSON) -> T:
        if not isinstance(data, dict):
            raise InvalidInput(
                "what was recorded for this step is not an object",
                hint="Record another kind of result under another step name.",
            )
        return kind(**data)

    return Codec(encode, decode)


def input_of(function: Callable[..., Any], args: tuple[Any, ...]) -> JSON | Unset:
    """What the call works on: its arguments, those of a partial too; UNSET without any."""
    keywords: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        args = (*function.args, *args)
        keywords = {**function.keywords, **keywords}
        function = function.func
    if not args and not keywords:
        return UNSET
    return [list(args), keywords] if keywords else list(args)


def checked_input(step: str, value: JSON | Unset, *, max_depth: int) -> JSON | Unset:
    """The same value. Raises InvalidInput, with the way out, when it is not JSON."""
    if isinstance(value, Unset):
        return value
    try:
        encode_json(value, max_depth=max_depth)
    except InvalidInput as error:
        raise InvalidInput(
            f"the arguments of step {step!r} are not JSON, so that a change of them could not be "
            f"noticed: {error.message}",
            hint="Pass input=, JSON that stands for what the step works on (None if nothing could "
            "change); with @durable_step, name such arguments in unrecorded=.",
            code=error.code,
        ) from None
    return value


def error_text(error: BaseException) -> str:
    """What is recorded of an exception: its type and message, cut, never its traceback."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    data = text.encode(errors="backslashreplace")
    whole = data[:_ERROR_BYTES].decode(errors="ignore")
    return whole if len(data) <= _ERROR_BYTES else f"{whole} …"

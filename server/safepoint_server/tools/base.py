"""What a tool is: its words, its argument and reply models, and the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.types import ContentBlock
from pydantic import AfterValidator, ConfigDict, Field

from safepoint import JSON, UNSET, Unset
from safepoint.values import dataclass
from safepoint_server.scopes import Scope
from safepoint_server.tools.call import Call

__all__ = ["AnyJson", "Arguments", "Reply", "Text", "ToolSpec", "WorkspaceName"]


class Arguments(ArgModelBase):
    """The arguments of one tool. Unknown names are refused.

    `json_fields` may hold any JSON, null included; elsewhere null means "not given". For these
    and the `list_fields` a string that is the JSON of an object or array stands for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    json_fields: ClassVar[frozenset[str]] = frozenset()
    list_fields: ClassVar[frozenset[str]] = frozenset()

    def given(self, name: str) -> JSON | Unset:
        """The value of a JSON field, or UNSET when the caller did not name it."""
        return getattr(self, name) if name in self.model_fields_set else UNSET


class Reply:
    """The reply of one tool, or a part of one. Each kind is a frozen dataclass of JSON values.

    A field that is None is left out, unless it may hold any JSON: then UNSET leaves it out.
    """

    __slots__ = ()

    def data(self) -> dict[str, Any]:
        """The reply as plain JSON values, in the order of the fields."""
        data: dict[str, Any] = {}
        kind: Any = type(self)
        for name, takes_json in _fields(kind):
            value = getattr(self, name)
            if takes_json:
                if value is not UNSET:
                    data[name] = value
            elif value is not None:
                data[name] = value if type(value) in _PLAIN else _data(value)
        return data

    def attached(self) -> list[ContentBlock]:
        """What goes with the reply besides its data, such as links to resources."""
        return []


_PLAIN: Final = (str, int, bool)


def _data(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Reply):
        return value.data()
    if isinstance(value, list):
        return [item.data() if isinstance(item, Reply) else item for item in value]
    return value


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, bool], ...]:
    """Names, and whether None is a value of its own there."""
    return tuple((field.name, field.default is UNSET) for field in fields(kind))


A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True)
class ToolSpec(Generic[A, R]):
    """One tool. `description` begins with when to call it; `event` names it in the log. `scope` is
    what a caller needs to be offered it and to call it. `destructive` says that it takes away what
    others work with, though nothing is erased."""

    name: str
    description: str
    arguments: type[A]
    reply: type[R]
    run: Callable[[A, Call], Awaitable[R]]
    event: str
    scope: Scope = Scope.WRITE
    read_only: bool = False
    idempotent: bool = False
    destructive: bool = False


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


Text = Annotated[str, AfterValidator(_text)]
"""Free text from a model: valid Unicode without NUL."""

WorkspaceName = Annotated[str, Field(description="Its name: one per task")]
AnyJson = Any

Cursor = Annotated[str, Field(description="The last next_cursor")]

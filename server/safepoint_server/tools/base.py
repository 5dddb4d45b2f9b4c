"""What a tool is: its words, its argument and reply models, and the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from safepoint import JSON, UNSET, Unset
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


class Reply(BaseModel):
    """The reply of one tool. A field that is None is left out; `json_fields` only if unset."""

    model_config = ConfigDict(frozen=True)
    json_fields: ClassVar[frozenset[str]] = frozenset()

    def data(self) -> dict[str, Any]:
        """The reply as plain JSON values, in the order of the fields."""
        return _plain(self)


def _plain(model: BaseModel) -> dict[str, Any]:
    json_fields: frozenset[str] = getattr(model, "json_fields", frozenset())
    data: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name in json_fields:
            if name in model.model_fields_set:
                data[name] = value
        elif isinstance(value, BaseModel):
            data[name] = _plain(value)
        elif isinstance(value, list):
            data[name] = [_plain(v) if isinstance(v, BaseModel) else v for v in value]
        elif value is not None:
            data[name] = value
    return data


A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True)
class ToolSpec(Generic[A, R]):
    """One tool. `description` begins with when to call it; `event` names it in the log."""

    name: str
    description: str
    arguments: type[A]
    reply: type[R]
    run: Callable[[A, Call], Awaitable[R]]
    event: str
    read_only: bool = False
    idempotent: bool = False


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


Text = Annotated[str, AfterValidator(_text)]
"""Free text from a model: valid Unicode without NUL."""

WorkspaceName = Annotated[str, Field(description="Its name: one per task")]
AnyJson = Any

Cursor = Annotated[str, Field(description="The last next_cursor")]

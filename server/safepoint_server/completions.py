"""Completions: what may be entered for a variable of an address or an argument of a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp.types import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    PromptReference,
)

from safepoint import InvalidInput, NotFound
from safepoint_server.names import is_workspace_name
from safepoint_server.prompts import PROMPTS
from safepoint_server.tools.call import Call
from safepoint_server.uris import TEMPLATES, Kind

__all__ = ["complete"]

MOST: Final = 100
LOOKED_AT: Final = 1000

_VARIABLES: Final = {
    (Kind.STEP, "step"): Kind.STEP,
    (Kind.CHECKPOINT, "version"): Kind.CHECKPOINT,
    (Kind.ARTIFACT, "artifact"): Kind.ARTIFACT,
}
_ARGUMENTS: Final = {"workspace": Kind.WORKSPACE, "from": Kind.CHECKPOINT, "to": Kind.CHECKPOINT}


async def complete(params: CompleteRequestParams, call: Call) -> CompleteResult:
    """At most 100 values that begin with what was entered, the likeliest first. None for what
    cannot be completed, and for a workspace that is not there.

    Raises:
        NotFound: there is no such prompt or template.
    """
    kind = _kind(params)
    entered = params.argument.value
    given = (params.context and params.context.arguments) or {}
    name = given.get("workspace" if isinstance(params.ref, PromptReference) else "name", "")
    try:
        found = await _values(kind, name, entered, call)
    except (InvalidInput, NotFound):
        found = Completion(values=[], total=0, has_more=False)
    call.note["items"] = len(found.values)
    return CompleteResult(completion=found)


def _kind(params: CompleteRequestParams) -> Kind | None:
    """What is to be completed; None for something that anything may be entered for."""
    argument = params.argument.name
    if isinstance(params.ref, PromptReference):
        prompt = PROMPTS.get(params.ref.name)
        if prompt is None:
            raise _unknown("prompt", params.ref.name, PROMPTS)
        return _ARGUMENTS.get(argument) if argument in prompt.completed else None
    for kind, template in TEMPLATES.items():
        if template == params.ref.uri:
            return Kind.WORKSPACE if argument == "name" else _VARIABLES.get((kind, argument))
    raise _unknown("resource template", params.ref.uri, TEMPLATES.values())


def _unknown(what: str, name: str, known: Iterable[str]) -> NotFound:
    return NotFound(
        f"There is no {what} {name[:100]!r}",
        hint=f"There are {', '.join(known)}.",
        code="unknown_reference",
    )


async def _values(kind: Kind | None, name: str, entered: str, call: Call) -> Completion:
    match kind:
        case Kind.WORKSPACE:
            names = await call.store.recent_names()
            return _beginning(entered, filter(is_workspace_name, names))
        case Kind.STEP:
            steps = await call.workspace(name).steps(limit=LOOKED_AT)
            return _beginning(entered, (s.name for s in steps.items), more=steps.next_cursor)
        case Kind.CHECKPOINT:
            page = await call.workspace(name).checkpoints(limit=LOOKED_AT)
            both = ((info.label, str(info.version)) for info in page.items)
            values = dict.fromkeys(value for pair in both for value in pair if value)
            return _beginning(entered, values, more=page.next_cursor)
        case Kind.ARTIFACT:
            files = await call.workspace(name).artifacts.list(limit=LOOKED_AT)
            return _beginning(entered, (i.name for i in files.items), more=files.next_cursor)
        case _:
            return Completion(values=[], total=0, has_more=False)


def _beginning(entered: str, values: Iterable[str], *, more: str | None = None) -> Completion:
    """Those that begin so, whatever their case. With `more`, there are values not looked at."""
    start = entered.casefold()
    found = [value for value in values if value.casefold().startswith(start)]
    return Completion(
        values=found[:MOST],
        total=None if more else len(found),
        has_more=bool(more) or len(found) > MOST,
    )

"""save_checkpoint."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from safepoint import JSON, UNSET, InvalidInput, Reference, Unset
from safepoint.values import dataclass
from safepoint_server.names import check_step_name
from safepoint_server.tools.base import AnyJson, Arguments, Reply, Text, ToolSpec, WorkspaceName
from safepoint_server.tools.call import Call
from safepoint_server.tools.references import described
from safepoint_server.tools.replies import timestamp

__all__ = ["SAVE", "state_or_patch", "state_warnings"]

LARGE_STATE = 256 * 1024


class SaveArguments(Arguments):
    json_fields: ClassVar = frozenset({"state"})
    list_fields: ClassVar = frozenset({"references"})

    workspace: WorkspaceName
    state: Annotated[
        AnyJson, Field(description="JSON object: all a successor needs. Left out: unchanged")
    ] = None
    merge: Annotated[bool, Field(description="Change only these keys; null deletes one")] = False
    label: Annotated[Text | None, Field(description="To load it by")] = None
    summary: Annotated[Text | None, Field(description="What was done")] = None
    next_action: Annotated[Text | None, Field(description="One sentence")] = None
    kind: Literal["step", "milestone"] = "step"
    step: Annotated[Text | None, Field(description="Step it belongs to")] = None
    expected_version: Annotated[
        int | None, Field(ge=0, description="Refuse if at another version")
    ] = None
    request_id: Annotated[Text | None, Field(max_length=200, description="Same id: saved once")] = (
        None
    )
    references: Annotated[list[Any] | None, Field(description="Paths, s3:// URLs")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReply(Reply):
    workspace: str
    version: int
    run: int
    saved_at: str
    label: str | None = None
    state_bytes: int
    stored_bytes: int
    sha256: str
    repeated: bool | None = None
    warnings: list[str] | None = None


async def save_checkpoint(args: SaveArguments, call: Call) -> SaveReply:
    workspace = call.workspace(args.workspace)
    if args.step is not None:
        check_step_name(args.step)
    state, patch = state_or_patch(args, args.merge)
    references: list[Reference] | None = None
    unknown: list[str] = []
    if args.references is not None:
        references, unknown = await described(args.references, call.references)
    saved = await workspace.save(
        state,
        patch=patch,
        label=args.label or None,
        summary=args.summary,
        next_action=args.next_action,
        kind=args.kind,
        step=args.step,
        expected_version=args.expected_version,
        request_id=args.request_id or None,
        references=references,
    )
    call.note |= {"version": saved.version, "bytes": saved.state_bytes}
    call.note |= {"stored": saved.stored_bytes}
    warnings = [*saved.warnings, *unknown]
    warnings += await state_warnings(args.given("state"), saved.state_bytes)
    return SaveReply(
        workspace=saved.workspace,
        version=saved.version,
        run=saved.run,
        saved_at=timestamp(saved.saved_at),
        label=saved.label,
        state_bytes=saved.state_bytes,
        stored_bytes=saved.stored_bytes,
        sha256=saved.sha256,
        repeated=saved.repeated or None,
        warnings=warnings or None,
    )


def state_or_patch(args: Arguments, merge: bool) -> tuple[JSON | Unset, JSON | Unset]:
    """The state to store whole and the merge patch to apply; at most one of them is given."""
    state = args.given("state")
    if not merge:
        return state, UNSET
    if not isinstance(state, dict):
        raise InvalidInput(
            "merge=true changes the keys of the state, and state is not a JSON object",
            hint="Give state as an object with the keys to change, or leave merge out.",
            code="invalid_arguments",
        )
    return UNSET, state


async def state_warnings(state: JSON | Unset, state_bytes: int | None) -> list[str]:
    """A warning of a state that is text, which often is JSON that was cut or mistyped, and one that
    names where the state seems to hold credentials, never what they are.

    A state that is large, or whose size is not known, is searched off the event loop.
    """
    if isinstance(state, Unset):
        return []
    from safepoint_server.credentials import credential_paths  # patterns that take long to compile

    if state_bytes is None or state_bytes > LARGE_STATE:
        paths = await asyncio.to_thread(credential_paths, state)
    else:
        paths = credential_paths(state)
    warnings = []
    if isinstance(state, str):
        warnings.append(
            "The whole state is now this text, for it is no JSON object or array. If one was "
            "meant, correct it and save again: the version before has the state before."
        )
    if paths:
        warnings.append(
            f"This looks like credentials: {', '.join(paths)}. It was saved, encrypted. Keep "
            "secrets out of state: save again without them, and name where they are kept instead."
        )
    return warnings


SAVE = ToolSpec(
    name="save_checkpoint",
    description=(
        "Call at every safe point: when you learned or decided something, before anything risky "
        "or a hand-over, and when your context is about to be or was compacted. A new name starts "
        "a workspace. On a version conflict load, redo your change, save again."
    ),
    arguments=SaveArguments,
    reply=SaveReply,
    run=save_checkpoint,
    event="save",
)

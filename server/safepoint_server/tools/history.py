"""fork_workspace, rewind_workspace and start_new_run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from pydantic import Field

from safepoint import InvalidInput, PastEffect
from safepoint.values import dataclass
from safepoint_server.names import check_workspace_name
from safepoint_server.reporting import reporting
from safepoint_server.tools.base import AnyJson, Arguments, Reply, Text, ToolSpec
from safepoint_server.tools.call import Call
from safepoint_server.tools.replies import cut
from safepoint_server.tools.save import state_warnings

__all__ = ["FORK", "NEW_RUN", "REWIND"]

EFFECTS: Final = 12
NAMES: Final = 20
OUTSIDE: Final = "What the steps in `effects` did outside stands. "


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectReply(Reply):
    step: str
    was: str
    now: str | None = None
    attempts: int
    idempotency_key: str
    result: str | None = None
    held_by: str | None = None


class ForkArguments(Arguments):
    workspace: str
    new_name: Text
    version: int | None = None
    label: Text | None = None
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkReply(Reply):
    workspace: str
    version: int
    origin_version: int
    state_bytes: int
    artifacts: int | None = None
    steps_done: int | None = None
    repeated: bool | None = None
    advice: str
    effects: list[EffectReply] | None = None
    more_effects: int | None = None


async def fork_workspace(args: ForkArguments, call: Call) -> ForkReply:
    check_workspace_name(args.new_name)
    call.store.check_inside(args.new_name)
    workspace = call.workspace(args.workspace)
    async with reporting(call.report) as told:
        forked = await workspace.fork(
            args.new_name,
            version=args.version,
            label=args.label or None,
            reason=args.reason,
            progress=told,
        )
    call.note |= {"version": forked.origin_version, "bytes": forked.state_bytes}
    shown, more = _effects(forked.effects)
    check = (
        "The steps in `effects` were under way in the origin or ran there later, under the keys "
        "shown; the fork's keys are others, so check outside before running them here. "
    )
    return ForkReply(
        workspace=forked.workspace,
        version=forked.version,
        origin_version=forked.origin_version,
        state_bytes=forked.state_bytes,
        artifacts=forked.artifacts or None,
        steps_done=forked.done or None,
        repeated=forked.repeated or None,
        advice=f"{check if shown else ''}Work on in the fork by its name.",
        effects=shown,
        more_effects=more,
    )


class RewindArguments(Arguments):
    workspace: str
    version: int | None = None
    label: Text | None = None
    reason: Text | None = None
    expected_version: Annotated[int | None, Field(description="Refuse if at another")] = None
    request_id: Annotated[Text | None, Field(max_length=200, description="Same id: once")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindReply(Reply):
    workspace: str
    version: int
    run: int
    to_version: int
    state_bytes: int
    sha256: str | None = None
    repeated: bool | None = None
    advice: str
    effects: list[EffectReply] | None = None
    more_effects: int | None = None
    dropped: list[str] | None = None


async def rewind_workspace(args: RewindArguments, call: Call) -> RewindReply:
    done = await call.workspace(args.workspace).rewind(
        version=args.version,
        label=args.label or None,
        reason=args.reason,
        expected_version=args.expected_version,
        request_id=args.request_id or None,
    )
    call.note |= {"version": done.version, "bytes": done.state_bytes}
    shown, more = _effects(done.effects)
    other = f"Steps of run {done.to_run} did not come back. " if done.to_run != done.run else ""
    return RewindReply(
        workspace=done.workspace,
        version=done.version,
        run=done.run,
        to_version=done.to_version,
        state_bytes=done.state_bytes,
        sha256=done.sha256 or None,
        repeated=done.repeated or None,
        advice=f"{OUTSIDE if shown else ''}{other}Call load_checkpoint.",
        effects=shown,
        more_effects=more,
        dropped=list(done.dropped[:NAMES]) or None,
    )


class NewRunArguments(Arguments):
    json_fields: ClassVar = frozenset({"state"})
    list_fields: ClassVar = frozenset({"carry"})

    workspace: str
    carry: Annotated[str | list[Text], Field(description="state, nothing, or top-level keys")] = (
        "state"
    )
    state: Annotated[AnyJson, Field(description="Another one")] = None
    reason: Text | None = None
    run: Annotated[int | None, Field(ge=1, description="Run to end: makes a repeat harmless")] = (
        None
    )
    even_if_running: Annotated[bool, Field(description="Cuts holders off")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRunReply(Reply):
    workspace: str
    run: int
    version: int
    state_bytes: int
    sha256: str | None = None
    repeated: bool | None = None
    advice: str
    effects: list[EffectReply] | None = None
    more_effects: int | None = None
    warnings: list[str] | None = None


async def start_new_run(args: NewRunArguments, call: Call) -> NewRunReply:
    if isinstance(args.carry, str) and args.carry not in ("state", "nothing"):
        raise InvalidInput(
            "carry is 'state', 'nothing' or a list of top-level keys",
            hint="To carry one key on, give a list with it.",
            code="invalid_arguments",
        )
    state = args.given("state")
    made = await call.workspace(args.workspace).start_new_run(
        carry=args.carry,
        state=state,
        reason=args.reason,
        run=args.run,
        even_if_running=args.even_if_running,
    )
    call.note |= {"version": made.version, "bytes": made.state_bytes}
    shown, more = _effects(made.effects)
    return NewRunReply(
        workspace=made.workspace,
        run=made.run,
        version=made.version,
        state_bytes=made.state_bytes,
        sha256=made.sha256 or None,
        repeated=made.repeated or None,
        advice=f"{OUTSIDE if shown else ''}Plan the new run with plan_steps.",
        effects=shown,
        more_effects=more,
        warnings=await state_warnings(state, None) or None,
    )


def _effects(effects: Sequence[PastEffect]) -> tuple[list[EffectReply] | None, int | None]:
    shown = [
        EffectReply(
            step=effect.step,
            was=effect.was,
            now=effect.now,
            attempts=effect.attempts,
            idempotency_key=effect.idempotency_key,
            result=effect.result,
            held_by=cut(effect.held_by.name, 100) if effect.held_by else None,
        )
        for effect in effects[:EFFECTS]
    ]
    return shown or None, max(0, len(effects) - EFFECTS) or None


FORK = ToolSpec(
    name="fork_workspace",
    description=(
        "Call to try another way and keep this one as it is: makes a workspace of its own from a "
        "version (default: now). A repeat answers the same."
    ),
    arguments=ForkArguments,
    reply=ForkReply,
    run=fork_workspace,
    event="fork",
    idempotent=True,
)
REWIND = ToolSpec(
    name="rewind_workspace",
    description=(
        "Call when an earlier version was right: adds a version with its state, steps and files. "
        "Nothing is erased; effects outside are listed, not undone; holders of steps are cut off."
    ),
    arguments=RewindArguments,
    reply=RewindReply,
    run=rewind_workspace,
    event="rewind",
    idempotent=True,
    destructive=True,
)
NEW_RUN = ToolSpec(
    name="start_new_run",
    description=(
        "Call when a round of work is over or load_checkpoint advises it: fresh steps and "
        "approvals, with the state you carry on."
    ),
    arguments=NewRunArguments,
    reply=NewRunReply,
    run=start_new_run,
    event="new_run",
    idempotent=True,
    destructive=True,
)

"""Runs of the SDK that wait for people: saved with their questions, resumed with the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from agents import Agent, RunContextWrapper, RunResult, RunResultStreaming, RunState

from safepoint.integrations.openai_agents.calls import calls_of
from safepoint.integrations.openai_agents.pending import Discard, Keep, Pending, Take
from safepoint.integrations.openai_agents.settled import settled
from safepoint.log.log import off_loop
from safepoint.values import dataclass
from safepoint.workspace import Workspace

__all__ = ["SavedRunState", "discard_run_state", "load_run_state", "save_run_state"]


@dataclass(frozen=True, slots=True)
class SavedRunState:
    """A run state that is durable. `approvals` are the names of its questions, of which people have
    answered none or some; `repeated` says that exactly this state waited there already."""

    workspace: str
    version: int
    schema_version: str
    approvals: tuple[str, ...]
    repeated: bool


async def save_run_state(
    workspace: Workspace,
    run: RunResult | RunResultStreaming | RunState[Any, Any],
    *,
    expires_in: timedelta | None = None,
    context_serializer: Callable[[Any], Mapping[str, Any]] | None = None,
    strict_context: bool = False,
) -> SavedRunState:
    """Save an interrupted run and ask for each tool call that needs approval, in one commit.

    The questions are approvals of `workspace`, named after the ids of the calls, for one use, with
    the call as subject; unanswered ones expire after `expires_in`. The workspace holds one run
    state: another takes its place, and its open questions are withdrawn. Idempotent. The other
    arguments are those of RunState.to_json.

    Raises:
        LimitExceeded: the run state is larger than a state may be.
        agents.UserError: the SDK cannot serialise it.
    """
    state = run if isinstance(run, RunState) else run.to_state()
    found = state.to_json(context_serializer=context_serializer, strict_context=strict_context)
    text = json.dumps(found, separators=(",", ":")).encode()
    calls = tuple(call for call, _ in calls_of(state.get_interruptions()))
    command = Keep(text, str(found["$schemaVersion"]), calls, expires_in)
    done = await settled(workspace.handle.commit(command, size=len(text)))
    return SavedRunState(
        workspace.name,
        done.head.version,
        command.schema,
        tuple(call.name for call in calls),
        repeated=not done.reply,
    )


async def load_run_state(
    workspace: Workspace,
    agent: Agent[Any],
    *,
    again: bool = False,
    context_override: Mapping[str, Any] | RunContextWrapper[Any] | None = None,
    context_deserializer: Callable[[Mapping[str, Any]], Any] | None = None,
    strict_context: bool = False,
) -> RunState[Any, Agent[Any]]:
    """The run state with people's answers in it, to be passed to Runner.run, once.

    Calls that were approved run, those denied or not answered in time are rejected, with the
    person's comment as what the model is told. Loading uses up the answers in one commit; a second
    process, or the next one after a crash, is refused unless it says `again`, because nobody knows
    what the first did. When the SDK cannot read the state nothing is used up. The arguments after
    `again` are those of RunState.from_json.

    Raises:
        NotFound: `no_run_state`.
        Conflict: `approvals_pending`, `run_state_taken`, `run_state_changed`, `approval_changed`,
            `approval_used`.
        agents.UserError: the SDK does not take this state, or not with this agent.
    """
    document = (await workspace.handle.existing()).document
    pending = Pending.needed(document, workspace.name)
    state = await RunState.from_json(
        agent,
        await off_loop(len(pending.text), json.loads, pending.text),
        context_override=context_override,
        context_deserializer=context_deserializer,
        strict_context=strict_context,
    )
    calls = calls_of(state.get_interruptions())
    take = Take(pending.id, tuple(call for call, _ in calls), again)
    decisions = (await settled(workspace.handle.commit(take, size=len(pending.text)))).reply
    for call, item in calls:
        decision = decisions[call.name]
        if decision.approved:
            state.approve(item)
        else:
            state.reject(item, rejection_message=decision.comment)
    return state


async def discard_run_state(workspace: Workspace) -> bool:
    """Forget the run state that waits, and withdraw its open questions. Answers whether there was
    one; idempotent."""
    return (await settled(workspace.handle.commit(Discard()))).reply

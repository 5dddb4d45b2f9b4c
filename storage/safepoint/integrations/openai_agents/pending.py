"""The run state that waits in a workspace, and the commands that save, take and discard it.

saved -- all its questions are answered --> taken, once -- again, when told to --> taken
  `-- another state, or the same one once more, with its open questions --> saved
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson

from safepoint.errors import Conflict, LimitExceeded, NotFound, Unsupported
from safepoint.format.document import Document
from safepoint.format.entries import ApprovalEntry
from safepoint.integrations.openai_agents.calls import Call
from safepoint.log.approvals import GIVEN, approval_status
from safepoint.log.moments import when
from safepoint.log.transitions import Context, Outcome, Withdraw
from safepoint.log.transitions.base import advance
from safepoint.model import ApprovalStatus
from safepoint.values import dataclass

__all__ = ["Decision", "Discard", "Keep", "Pending", "Take"]

_REGION: Final = "openai-agents/run-state"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Pending:
    """What lies in the region: a line of JSON, then the SDK's own JSON text, which only the SDK
    reads. `calls` are the names of its approvals."""

    text: bytes
    schema: str
    run: int
    calls: tuple[str, ...]
    taken_ms: int = 0
    taken_by: str = ""

    @property
    def id(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def user(self) -> str:
        """By what its approvals are used up."""
        return f"run state {self.id[:16]}"

    def encode(self) -> bytes:
        head = {
            "format": _FORMAT,
            "schema": self.schema,
            "run": self.run,
            "calls": self.calls,
            "taken_ms": self.taken_ms,
            "taken_by": self.taken_by,
        }
        return orjson.dumps(head) + b"\n" + self.text

    @classmethod
    def of(cls, document: Document) -> Pending | None:
        """The one of this document's run, if there is one."""
        data = document.regions.get(_REGION)
        if data is None or not document.exists:
            return None
        line, _, text = data.partition(b"\n")
        head: dict[str, Any] = orjson.loads(line)
        if head["format"] != _FORMAT:
            raise Unsupported(
                "the run state was saved by a newer version of Safepoint", hint="Update Safepoint."
            )
        found = cls(
            text,
            head["schema"],
            head["run"],
            tuple(head["calls"]),
            head["taken_ms"],
            head["taken_by"],
        )
        return found if found.run == document.run else None

    @classmethod
    def needed(cls, document: Document, workspace: str) -> Pending:
        """Raises NotFound (`no_run_state`)."""
        found = cls.of(document)
        if found is None:
            raise NotFound(
                f"no run state waits in workspace {workspace!r}",
                hint="save_run_state saves that of an interrupted run; a new run of the workspace "
                "begins without.",
                code="no_run_state",
            )
        return found


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a call: whether it may run, and what was said."""

    approved: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Save a run state and ask its questions, in one commit. The reply is whether anything changed.

    An answer that was given to exactly this call, and not used, stands. The questions of a state
    that this one takes the place of are withdrawn unless it asks them too.
    """

    text: bytes
    schema: str
    calls: tuple[Call, ...]
    expires_in: timedelta | None

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        if len(self.text) > context.limits.state_bytes:
            raise LimitExceeded(
                f"the run state has {len(self.text):,} bytes; the limit is "
                f"{context.limits.state_bytes:,}",
                hint="Keep large data out of the run's context and of what tools return.",
            )
        present = Pending.of(document)
        kept = Pending(self.text, self.schema, document.run, tuple(c.name for c in self.calls))
        same = present is not None and present.id == kept.id
        if present is not None and same and present.taken_ms:
            return Outcome(False)  # it was taken since: a repeat that came late
        new = document
        if present is not None:
            new = _withdrawn(new, context, set(present.calls) - set(kept.calls))
        for call in self.calls:
            new = _unused(new, call.name)
            new = call.asked(self.expires_in)(new, context).document or new
        if same and new is document:
            return Outcome(False)
        event = {"kind": "save_run_state", "schema": self.schema, "approvals": len(self.calls)}
        return Outcome(True, _with(new, context, kept), event)


@dataclass(frozen=True, slots=True)
class Take:
    """Use up the answers to all calls of the state with this id. The reply is each call's decision,
    by the name of its approval."""

    id: str
    calls: tuple[Call, ...]
    again: bool

    def __call__(self, document: Document, context: Context) -> Outcome[Mapping[str, Decision]]:
        present = Pending.needed(document, context.workspace)
        if present.id != self.id:
            raise Conflict(
                "another run state was saved while this one was loaded",
                hint="Load it again.",
                code="run_state_changed",
            )
        self._check_open(document, context)
        if present.taken_ms and not self.again:
            raise Conflict(
                f"the run state was taken on {when(present.taken_ms):%Y-%m-%d %H:%M} UTC by "
                f"{present.taken_by}, and whether its tools ran is not known",
                hint="When that process is gone and a repeat does no harm, or the tools know the "
                "call by its id, load it with again=True.",
                code="run_state_taken",
            )
        approvals = dict(document.approvals)
        decisions: dict[str, Decision] = {}
        for call in self.calls:
            entry = approvals[call.name]
            decisions[call.name] = _decision(entry, approval_status(entry, context.now_ms))
            if entry.status in GIVEN:
                approvals[call.name] = _used(call.name, entry, present.user, context)
        taken = replace(present, taken_ms=context.now_ms, taken_by=_who(context))
        new = _with(document.changed(approvals=approvals), context, taken)
        event = {"kind": "take_run_state", "approvals": len(self.calls), "again": self.again}
        return Outcome(decisions, new, event)

    def _check_open(self, document: Document, context: Context) -> None:
        """Raises Conflict while a question has no answer, or is another one now."""
        open_: list[str] = []
        for call in self.calls:
            entry = document.approvals.get(call.name)
            if entry is None or entry.subject != call.digest:
                raise Conflict(
                    f"approval {call.name!r} is not about this tool call any more",
                    hint="Save the run state again, which asks anew.",
                    code="approval_changed",
                )
            if approval_status(entry, context.now_ms) is ApprovalStatus.PENDING:
                open_.append(call.name)
        if open_:
            raise Conflict(
                f"nobody has answered yet: {', '.join(open_[:10])}",
                hint="`safepoint inbox` shows the questions, `safepoint approve` and `deny` answer "
                "them. Load the run state then.",
                code="approvals_pending",
            )


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the run state and withdraw its open questions. The reply is whether there was one."""

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        present = Pending.of(document)
        if present is None:
            return Outcome(False)
        new = advance(_withdrawn(document, context, set(present.calls)), context)
        regions = {name: data for name, data in new.regions.items() if name != _REGION}
        return Outcome(True, new.changed(regions=regions), {"kind": "discard_run_state"})


def _with(document: Document, context: Context, pending: Pending) -> Document:
    regions = {name: data for name, data in document.regions.items() if name != _REGION}
    regions[_REGION] = pending.encode()
    return advance(document, context, regions=regions)


def _withdrawn(document: Document, context: Context, names: set[str]) -> Document:
    """The document in which what is open of these questions does not count any more."""
    for name in sorted(names & document.approvals.keys()):
        entry = document.approvals[name]
        if entry.status != "denied" and entry.used_by is None:
            document = Withdraw(name)(document, context).document or document
    return document


def _unused(document: Document, name: str) -> Document:
    """The document without an approval of this name that is used up: a call that waits needs a
    yes of its own."""
    entry = document.approvals.get(name)
    if entry is None or entry.used_by is None:
        return document
    others = {key: value for key, value in document.approvals.items() if key != name}
    return document.changed(approvals=others)


def _used(name: str, entry: ApprovalEntry, user: str, context: Context) -> ApprovalEntry:
    if entry.used_by not in (None, user):
        raise Conflict(
            f"approval {name!r} was for one use, and {entry.used_by!r} used it",
            hint="Save the run state again, which asks anew.",
            code="approval_used",
        )
    if entry.used_by is not None:
        return entry
    return replace(entry, used_by=user, used_version=context.version)


def _decision(entry: ApprovalEntry, status: ApprovalStatus) -> Decision:
    if status is ApprovalStatus.EXPIRED:
        return Decision(False, "Nobody approved this call in time.")
    if status is ApprovalStatus.WITHDRAWN:
        return Decision(False, "The question whether this call may run was withdrawn.")
    return Decision(entry.status in GIVEN, entry.comment)


def _who(context: Context) -> str:
    actor = context.actor
    return " ".join(part for part in (actor.name, actor.host, actor.process) if part)

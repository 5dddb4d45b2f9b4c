"""What commands share: context, outcome, a change of state, and the checkpoint it makes."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from typing import Any, Generic, Protocol, TypeVar

from safepoint.errors import InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import STATE, Document
from safepoint.format.entries import CheckpointEntry
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.format.keys import index_in_block
from safepoint.log.moments import when
from safepoint.log.patch import merge_patch
from safepoint.model import Actor, Limits
from safepoint.values import dataclass

__all__ = [
    "NO_CHANGE",
    "Command",
    "Context",
    "Outcome",
    "StateChange",
    "advance",
    "check_exists",
    "check_text",
    "checkpoint",
    "closest",
    "fingerprint",
    "upkeep",
    "when",
]

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Context:
    """The world at the moment of a command. `version` is what a commit would become."""

    workspace: str
    version: int
    now_ms: int
    actor: Actor
    limits: Limits


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R_co]):
    """A reply and, when something is to change, the new document and the event for the record."""

    reply: R_co
    document: Document | None = None
    event: dict[str, Any] | None = None


class Command(Protocol[R_co]):
    """A change, or the finding that none is needed. Pure: it is applied again after a conflict."""

    def __call__(self, document: Document, context: Context) -> Outcome[R_co]:
        """Raises SafepointError when the command is refused; nothing is changed then."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new state, or an RFC 7396 merge patch to the present one, or neither; as JSON bytes, which
    nobody can change while the command waits for its turn.

    `size` is how many bytes of JSON were given: a large change is worked on off the event loop.
    """

    whole: bytes | None = None
    patch: bytes | None = None
    size: int = 0

    @property
    def given(self) -> bool:
        return self.whole is not None or self.patch is not None

    def apply(self, document: Document, limits: Limits) -> Document:
        """The document with the new state in it. Raises InvalidInput or LimitExceeded."""
        return document.changed(**self.fields(document, limits)) if self.given else document

    def fields(self, document: Document, limits: Limits) -> dict[str, Any]:
        """What of the document becomes new: nothing, or regions and digest. Raises as `apply`."""
        state = self.whole
        if state is None:
            if self.patch is None:
                return {}
            present = {} if document.state is None else decode_json(document.state)
            patched = merge_patch(present, decode_json(self.patch))
            state = encode_json(patched, max_depth=limits.depth)
        if len(state) > limits.state_bytes:
            raise LimitExceeded(
                f"the state has {len(state):,} bytes; the limit is {limits.state_bytes:,}",
                hint="Keep large or finished parts out of the state: put them into files of your "
                "own, and into the state their names and what is needed to go on.",
            )
        digest = hashlib.sha256(state).hexdigest()
        regions = {STATE: state, **{n: d for n, d in document.regions.items() if n != STATE}}
        return {"regions": regions, "state_sha256": digest}


NO_CHANGE = StateChange()


def upkeep(document: Document) -> dict[str, Any]:
    """Changes of a commit that is no work on the task: a person's decision, or housekeeping such
    as pruning. Nobody has thereby taken up what was due before."""
    worked_ms = document.worked_ms if document.worked else document.updated_ms
    return {"worked": document.worked or document.version, "worked_ms": worked_ms}


def advance(document: Document, context: Context, **changes: Any) -> Document:
    """The next version: the document with `changes`; a new block begins with an empty index."""
    worked = {"worked": changes.pop("worked", 0), "worked_ms": changes.pop("worked_ms", 0)}
    begins_block = index_in_block(context.version) == 0
    return document.changed(
        version=context.version,
        created_ms=document.created_ms or context.now_ms,
        updated_ms=context.now_ms,
        checkpoints=() if begins_block else document.checkpoints,
        run_first=context.version if document.deleted else document.run_first,
        deleted=False,
        **worked,
        **changes,
    )


def checkpoint(
    document: Document,
    context: Context,
    *,
    kind: str,
    label: str | None,
    summary: str | None,
    step: str | None,
) -> tuple[Document, CheckpointEntry]:
    """`document` (already advanced) with a checkpoint of its state in the index, and the entry."""
    entry = CheckpointEntry(
        version=context.version,
        run=document.run,
        at_ms=context.now_ms,
        kind=kind,
        label=label,
        summary=summary,
        step=step,
        size=len(document.state or b""),
        sha256=document.state_sha256,
        actor=context.actor,
    )
    return document.changed(checkpoints=(*document.checkpoints, entry), latest=entry), entry


def fingerprint(*parts: object) -> str:
    """A digest that is the same exactly for the same parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def check_exists(document: Document, context: Context) -> None:
    """For commands that begin no workspace: it may have been deleted since they were made."""
    if not document.exists:
        raise no_workspace(context.workspace, deleted=bool(document.version))


def no_workspace(name: str, *, deleted: bool = False) -> NotFound:
    """What everybody is told who reads a workspace that is not there."""
    gone = ": it was deleted" if deleted else ""
    return NotFound(
        f"there is no workspace {name!r} in this store{gone}",
        hint="It begins with its first save_checkpoint, plan_steps or start_step.",
        code="workspace_not_found",
    )


def check_text(value: str | None, what: str, *, limit: int, unit: str = "bytes") -> None:
    """Raises LimitExceeded or InvalidInput unless `value` is Unicode text of at most `limit`."""
    if value is None:
        return
    try:
        size = len(value.encode()) if unit == "bytes" else len(value)
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"the {what} holds a lone surrogate, which is not Unicode text",
            hint=f"Send the {what} as valid Unicode.",
            code="bad_text",
        ) from None
    if size > limit:
        raise LimitExceeded(
            f"the {what} has {size:,} {unit}; the limit is {limit:,}",
            hint=f"Shorten the {what}; details belong into the state.",
        )


def closest(name: str, names: Any) -> str:
    """`Did you mean …?` with up to three of `names`, or nothing."""
    found = get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(repr(n) for n in found)}? " if found else ""

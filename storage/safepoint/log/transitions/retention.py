"""What a workspace keeps: its policy, its pins, and the floor below which it was pruned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from safepoint.errors import InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import Document
from safepoint.format.entries import RetentionEntry
from safepoint.format.versions import Versions, is_pruned, with_kept
from safepoint.log.keeping import Keeping, keep
from safepoint.log.pruned import pruned_error
from safepoint.log.transitions.base import Context, Outcome, advance, check_exists, upkeep
from safepoint.model import RetentionPolicy
from safepoint.values import dataclass

__all__ = ["Pin", "Prune", "SetRetention", "Unpin", "check_policy", "policy_of"]

MAX_PINS = 1000
_MAX_KEPT = 100_000_000
_MAX_AGE = timedelta(days=36_500)
_MS = timedelta(milliseconds=1)


def check_policy(policy: RetentionPolicy) -> None:
    """Raises InvalidInput for one that nobody can mean."""
    last, within = policy.keep_last, policy.keep_within
    if last is not None and not 1 <= last <= _MAX_KEPT:
        raise InvalidInput(
            f"keep_last must be 1 to {_MAX_KEPT:,}, not {last}",
            hint="It counts checkpoints. The newest version is always kept.",
            code="bad_policy",
        )
    if within is not None and not timedelta(0) < within <= _MAX_AGE:
        raise InvalidInput(
            "keep_within must be more than nothing and at most 100 years",
            hint="Give an age such as 30 days.",
            code="bad_policy",
        )


def policy_of(entry: RetentionEntry | None) -> RetentionPolicy | None:
    if entry is None:
        return None
    within = entry.keep_within_ms
    return RetentionPolicy(entry.keep_last, None if within is None else within * _MS)


@dataclass(frozen=True, slots=True)
class SetRetention:
    """Give the workspace a policy of its own, or with None take it away."""

    policy: RetentionPolicy | None

    def __call__(self, document: Document, context: Context) -> Outcome[None]:
        check_exists(document, context)
        entry = None
        event: dict[str, Any] = {"kind": "retention"}
        if self.policy is not None:
            check_policy(self.policy)
            within = self.policy.keep_within
            within_ms = None if within is None else within // _MS
            entry = RetentionEntry(keep_last=self.policy.keep_last, keep_within_ms=within_ms)
            event["policy"] = str(self.policy)
        if entry == document.retention:
            return Outcome(None)
        return Outcome(None, advance(document, context, retention=entry, **upkeep(document)), event)


@dataclass(frozen=True, slots=True)
class Pin:
    """Keep a version, whatever policy there is. The reply is whether it was not pinned before.
    `first` is the workspace's first version ever."""

    version: int
    first: int = 1

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        check_exists(document, context)
        if self.version in document.pins:
            return Outcome(False)
        if not self.first <= self.version <= document.version:
            raise NotFound(
                f"workspace {context.workspace!r} has no version {self.version}; "
                f"its newest is {document.version}",
                hint="list_checkpoints (or `safepoint history`) shows the versions there are.",
                code="version_not_found",
            )
        if is_pruned(document, self.version):
            raise pruned_error(context.workspace, self.version, document)
        if len(document.pins) >= MAX_PINS:
            raise LimitExceeded(
                f"a workspace has at most {MAX_PINS:,} pinned versions",
                hint="Unpin one that is not needed, or save checkpoints with a label: those are "
                "kept anyway.",
            )
        pins = tuple(sorted({*document.pins, self.version}))
        event = {"kind": "pin", "pinned": self.version}
        return Outcome(True, advance(document, context, pins=pins, **upkeep(document)), event)


@dataclass(frozen=True, slots=True)
class Unpin:
    """Leave a version to the policy again. The reply is whether it was pinned."""

    version: int

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        check_exists(document, context)
        if self.version not in document.pins:
            return Outcome(False)
        pins = tuple(pin for pin in document.pins if pin != self.version)
        event = {"kind": "unpin", "pinned": self.version}
        return Outcome(True, advance(document, context, pins=pins, **upkeep(document)), event)


@dataclass(frozen=True, slots=True)
class Prune:
    """Take all versions before `floor` that nothing protects, if that are at least `at_least`.

    `lasting` are the milestones and labelled checkpoints of versions below `floor`, as far down as
    the document's floor when it was read. What was committed since counts: a version that is
    pinned now stays. The reply tells what is kept; nothing was gone if it changed nothing.
    """

    floor: int
    lasting: Versions
    policy: str
    since_ms: int | None = None
    first: int = 1
    at_least: int = 1

    def __call__(self, document: Document, context: Context) -> Outcome[Keeping]:
        check_exists(document, context)
        keeping = self.keeping(document)
        if len(keeping.gone) < max(1, self.at_least):
            return Outcome(keeping)
        new = advance(
            document,
            context,
            floor=keeping.floor,
            artifacts=keeping.artifacts,
            pruned_ms=context.now_ms,
            pruned_by=self.policy,
            **upkeep(document),
        )
        event = {
            "kind": "prune",
            "versions": len(keeping.gone),
            "floor": keeping.floor,
            "policy": self.policy,
        }
        return Outcome(keeping, with_kept(new, keeping.kept), event)

    def keeping(self, document: Document) -> Keeping:
        """What there is once this is done."""
        return keep(
            document,
            floor=self.floor,
            lasting=self.lasting,
            since_ms=self.since_ms,
            first=self.first,
        )

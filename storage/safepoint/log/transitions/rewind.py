"""rewind: a new version that is an older one again. Nothing is rewritten, and people's answers,
files on disk and what happened outside stay what they are."""

from __future__ import annotations

from dataclasses import replace

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import STATE, Document, result_region
from safepoint.format.entries import RequestEntry
from safepoint.format.versions import is_pruned
from safepoint.log.pruned import pruned_error
from safepoint.log.transitions.artifact import rewound
from safepoint.log.transitions.base import (
    Context,
    Outcome,
    advance,
    check_exists,
    check_text,
    checkpoint,
    fingerprint,
)
from safepoint.log.transitions.save import KEPT_REQUESTS
from safepoint.log.transitions.stepback import StepsBack, effects, steps_back
from safepoint.model import Rewound
from safepoint.values import dataclass

__all__ = ["Rewind", "recorded"]

_RESULTS = result_region("")


@dataclass(frozen=True, slots=True)
class Rewind:
    """`old` is the workspace at the version to go back to.

    Of the present run only: what `old` holds of another run's steps stays behind. Where nothing
    would change, nothing is committed. With `request_id` it happens at most once.
    """

    old: Document
    reason: str | None = None
    expected_version: int | None = None
    request_id: str | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[Rewound]:
        self._check(context)
        check_exists(document, context)
        for request in document.requests:
            if self.request_id is not None and request.id == self.request_id:
                return self._repeat(document, context, request)
        if self.expected_version not in (None, document.version):
            raise Conflict(
                f"version {self.expected_version} was expected, "
                f"but the workspace is at version {document.version}",
                hint="Look at what came in between, and rewind with the newest version.",
                code="version_conflict",
            )
        self._check_old(document, context)
        back = self._back(document, context)
        changed = self._changed(document, context, back)
        if _same(changed, document):
            return Outcome(self._reply(document, context, document, back, repeated=True))
        told = f"rewound to version {self.old.version}"
        new, entry = checkpoint(
            advance(changed, context),
            context,
            kind="step",
            label=None,
            summary=f"{told}: {self.reason}" if self.reason else told,
            step=None,
        )
        if self.request_id is not None:
            request = RequestEntry(self.request_id, self._fingerprint(), entry)
            new = new.changed(requests=(*new.requests, request)[-KEPT_REQUESTS:])
        event = {"kind": "rewind", "to": self.old.version, "reason": self.reason}
        reply = self._reply(document, context, new, back, repeated=False)
        return Outcome(reply, new, {**event, "state_bytes": entry.size})

    def _check(self, context: Context) -> None:
        check_text(self.reason, "reason", limit=context.limits.summary_bytes // 2)
        limit = context.limits.label_chars
        check_text(self.request_id, "request_id", limit=limit, unit="characters")
        if self.request_id == "":
            raise InvalidInput("request_id must not be empty", hint="Leave it out instead.")

    def _check_old(self, document: Document, context: Context) -> None:
        """Since `old` was read, retention may have taken it, and files of it with it."""
        old = self.old
        if old.created_ms != document.created_ms:
            raise Conflict(
                f"workspace {context.workspace!r} was deleted and begun anew meanwhile; nothing "
                "was rewound",
                hint="Look at what it holds now.",
                code="version_conflict",
            )
        if is_pruned(document, old.version):
            raise pruned_error(context.workspace, old.version, document)

    def _back(self, document: Document, context: Context) -> StepsBack:
        steps = self.old.steps if self.old.run == document.run else {}
        return steps_back(steps, document.steps, version=context.version, now_ms=context.now_ms)

    def _changed(self, document: Document, context: Context, back: StepsBack) -> Document:
        """The present document with what goes back in it."""
        old, regions = self.old, {}
        if old.state is not None:
            regions[STATE] = old.state
        if old.run == document.run:
            names = (result_region(name) for name in back.steps)
            regions |= {name: old.regions[name] for name in names if name in old.regions}
        for name, data in document.regions.items():
            if name != STATE and not name.startswith(_RESULTS):
                regions[name] = data
        return document.changed(
            goal=old.goal,
            next_action=old.next_action,
            summary=old.summary,
            state_sha256=old.state_sha256,
            steps=back.steps,
            references=old.references,
            artifacts=rewound(document.artifacts, old.version, context),
            regions=regions,
        )

    def _fingerprint(self) -> str:
        return _fingerprint(self.old.version, self.reason)

    def _repeat(
        self, document: Document, context: Context, request: RequestEntry
    ) -> Outcome[Rewound]:
        _check_request(request, self._fingerprint())
        back = self._back(document, context)
        reply = self._reply(document, context, document, back, repeated=True)
        entry = request.entry
        return Outcome(
            replace(reply, version=entry.version, state_bytes=entry.size, sha256=entry.sha256)
        )

    def _reply(
        self,
        before: Document,
        context: Context,
        new: Document,
        back: StepsBack,
        *,
        repeated: bool,
    ) -> Rewound:
        return Rewound(
            workspace=context.workspace,
            version=new.version,
            run=new.run,
            to_version=self.old.version,
            to_run=self.old.run,
            state_bytes=len(new.state or b""),
            sha256=new.state_sha256,
            effects=effects(context.workspace, before, back.touched, back.steps, context.now_ms),
            dropped=back.dropped,
            repeated=repeated,
        )


def recorded(
    document: Document, context: Context, request_id: str | None, version: int, reason: str | None
) -> Rewound | None:
    """What a rewind to `version`, which has been pruned since, answered when it was done under
    `request_id`; None when it was not. Steps that it dropped are not known any more; those that
    had run are told as they stand now.

    Raises:
        Conflict: `request_reused`.
    """
    request = next((one for one in document.requests if one.id == request_id), None)
    if request is None:
        return None
    _check_request(request, _fingerprint(version, reason))
    entry = request.entry
    names = [n for n, step in document.steps.items() if step.returned == entry.version]
    to_run = next((one.run for one in document.runs if version <= one.last_version), document.run)
    return Rewound(
        workspace=context.workspace,
        version=entry.version,
        run=entry.run,
        to_version=version,
        to_run=to_run,
        state_bytes=entry.size,
        sha256=entry.sha256,
        effects=effects(context.workspace, document, names, document.steps, context.now_ms),
        repeated=True,
    )


def _fingerprint(version: int, reason: str | None) -> str:
    return fingerprint(("rewind", version, reason))


def _check_request(request: RequestEntry, asked: str) -> None:
    if request.fingerprint != asked:
        raise Conflict(
            f"request_id {request.id!r} was used for something else (version "
            f"{request.entry.version}); nothing was rewound now",
            hint="Use a new request_id for every new call, the same one only to repeat it.",
            code="request_reused",
        )


def _same(changed: Document, document: Document) -> bool:
    """Order matters: steps and names as they stood are part of what comes back."""
    return changed == document and list(changed.steps) == list(document.steps)

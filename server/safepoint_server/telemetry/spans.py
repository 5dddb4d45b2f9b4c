"""Spans of OpenTelemetry for what a store does, below those of the MCP SDK. Costs nothing unless
the process has an OpenTelemetry SDK."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import Token
from types import TracebackType
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from safepoint._version import __version__
from safepoint.observer import Facts, outcome_of

__all__ = ["Spans"]

_CONTAIN: Final = ("commit", "load")
"""Operations below which others take place; the rest are single requests to the object store."""

_WELL: Final = ("ok", "unchanged", "exists", "absent")
_NOTHING: Final = nullcontext()


class Spans:
    """See Observer. Spans name the operation and tell how it ended, with numbers: no workspace, no
    key, no text of any error. Log lines of the same trace name the workspace."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @classmethod
    def if_wanted(cls) -> Spans | None:
        """None where nobody has set up an SDK, as programs do before they start the server."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            return None
        return cls(provider.get_tracer("safepoint", __version__))

    def operation(self, name: str, facts: Facts, /) -> AbstractContextManager[object]:
        """See Observer.operation. A call of a tool has its span from the SDK."""
        if name == "call":
            return _Call(facts) if trace.get_current_span().is_recording() else _NOTHING
        return _Operation(self._tracer, name, facts)


class _Call:
    """Says on the SDK's span how the call ended."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._span = trace.get_current_span()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *failure: object) -> None:
        outcome = self._facts.get("code") or self._facts["outcome"]
        self._span.set_attribute("safepoint.outcome", outcome)


class _Operation:
    def __init__(self, tracer: Tracer, name: str, facts: Facts) -> None:
        self._name = name
        self._facts = facts
        self._tracer = tracer
        self._span: Span
        self._token: Token[context.Context] | None = None

    def __enter__(self) -> None:
        inside = self._name in _CONTAIN
        name = f"safepoint.{self._name}" if inside else f"safepoint.store.{self._name}"
        kind = SpanKind.INTERNAL if inside else SpanKind.CLIENT
        self._span = self._tracer.start_span(name, kind=kind)
        if inside:
            self._token = context.attach(trace.set_span_in_context(self._span))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        if self._token is not None:
            context.detach(self._token)
        span, facts = self._span, self._facts
        outcome = outcome_of(facts, error)
        span.set_attribute("safepoint.outcome", outcome)
        for fact in ("version", "bytes"):
            if fact in facts:
                span.set_attribute(f"safepoint.{fact}", facts[fact])
        if "conflicts" in facts:
            span.set_attribute("safepoint.attempts", int(facts["conflicts"]) + 1)
        if outcome not in _WELL:
            span.set_attribute("error.type", outcome)
            span.set_status(Status(StatusCode.ERROR, outcome))
        span.end()

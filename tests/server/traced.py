"""`safepoint …` in a process with a real OpenTelemetry SDK: `traced.py FILE ARGUMENTS`. Spans are
appended to the file, one JSON object a line. With $CRASH that tool fails as a bug would make it.
"""

from __future__ import annotations

import os
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from safepoint_server.cli import main

if __name__ == "__main__":
    with open(sys.argv.pop(1), "a") as spans:
        exporter = ConsoleSpanExporter(
            out=spans, formatter=lambda span: span.to_json(indent=None) + "\n"
        )
        provider = TracerProvider(resource=Resource({}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        if "CRASH" in os.environ:
            from safepoint_server import resources
            from safepoint_server.tools import listing

            def fail(*arguments: object, **named: object) -> None:
                raise RuntimeError(f"a bug that tells {os.environ['CRASH']}")

            listing._checkpoint_line = fail
            resources.is_text = resources.list_templates = fail
        sys.exit(main())

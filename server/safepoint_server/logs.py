"""Log lines on stderr, as text or JSON. Only names, numbers and codes: never state or results."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["call_line", "configure"]

SIMPLE: Final = re.compile(r'[^ "=]+')
FIELDS: Final = "safepoint"
"""The attribute of a log record that carries its fields."""

logger = logging.getLogger("safepoint_server")


def configure(level: str, log_format: str) -> None:
    """Send everything that this process logs to stderr; other libraries only from warning up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("safepoint_server").setLevel(level.upper())
    logging.getLogger("safepoint").setLevel(level.upper())
    # These name what a peer sent; nothing of it belongs in a log.
    for noisy in ("mcp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def call_line(event: str, outcome: str, fields: dict[str, Any]) -> None:
    """One line for one finished call: `outcome` is `ok`, `asked` (a dialog was opened, and the
    client calls again) or the code of its failure."""
    level = logging.INFO if outcome in ("ok", "asked") else logging.WARNING
    if logger.isEnabledFor(level):
        kept = {name: value for name, value in fields.items() if value is not None}
        logger.log(level, event, extra={FIELDS: {"outcome": outcome, **kept}})


class TextFormatter(logging.Formatter):
    """`2026-11-20T12:00:00.000Z info save outcome=ok workspace=refactor version=7`"""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), record.levelname.lower(), _one_line(_message(record))]
        parts += [f"{name}={_plain(value)}" for name, value in _fields(record).items()]
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with `time`, `level`, `event` and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        head = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": _message(record),
            "logger": record.name,
        }
        return json.dumps({**head, **_fields(record)}, default=str)


def _message(record: logging.LogRecord) -> str:
    """The message and, for a failure, where it happened: an exception's own text may hold data."""
    text = record.getMessage()
    if record.exc_info is None or record.exc_info[0] is None:
        return text
    places = []
    trace = record.exc_info[2]
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{text}: {record.exc_info[0].__name__} at {' > '.join(places[-8:])}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, FIELDS, {})
    return fields if isinstance(fields, dict) else {}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> str:
    text = str(value)
    return text if SIMPLE.fullmatch(text) and text.isprintable() else json.dumps(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)

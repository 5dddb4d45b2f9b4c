"""What a client tells a hook on standard input, read in bounded time and size."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safepoint_server.hooks.clients import PROJECT_VARIABLES
from safepoint_server.hooks.deadline import Deadline

__all__ = ["Given", "parse", "read_input"]

MAX_BYTES: Final = 1024 * 1024
SHARE: Final = 0.4
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True, slots=True)
class Given:
    """`why` is the source, trigger or reason of the event. `folder` is where the session works,
    `home` where it was started, if the client says so. `session` is empty when it is not told."""

    session: str
    folder: Path
    home: Path | None = None
    transcript: Path | None = None
    why: str = ""
    last_message: str = ""


def read_input(deadline: Deadline) -> bytes:
    """Standard input to its end, or what has come of it in time. Nothing from a terminal.

    Raises:
        InvalidInput: it is longer than a megabyte.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    source = sys.stdin.fileno()
    read = bytearray()

    def fill() -> None:
        with suppress(OSError):
            while len(read) <= MAX_BYTES and (chunk := os.read(source, 65536)):
                read.extend(chunk)

    reader = threading.Thread(target=fill, name="safepoint-hook-input", daemon=True)
    reader.start()
    reader.join(deadline.left(SHARE))
    if len(read) > MAX_BYTES:
        raise _refused(f"it is longer than {MAX_BYTES} bytes")
    return bytes(read)


def parse(data: bytes, client: str, environ: Mapping[str, str]) -> Given:
    """Empty input, as from a terminal, means the folder of this process.

    Raises:
        InvalidInput: it is no JSON object.
    """
    try:
        sent: Any = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError):
        raise _refused("it is no JSON, or not all of it came in time") from None
    if not isinstance(sent, dict):
        raise _refused("it is no JSON object")
    home = _folder(environ.get(PROJECT_VARIABLES.get(client, ""), ""))
    roots = sent.get("workspace_roots")
    root = roots[0] if isinstance(roots, list) and roots else ""
    transcript = _text(sent, "transcript_path")
    return Given(
        session=_session(_text(sent, "session_id", "conversation_id")),
        folder=_folder(_text(sent, "cwd")) or _folder(root) or home or Path.cwd(),
        home=home,
        transcript=Path(transcript) if transcript and "\0" not in transcript else None,
        why=_text(sent, "source", "trigger", "reason")[:40],
        last_message=_text(sent, "last_assistant_message", "prompt_response"),
    )


def _text(sent: dict[str, Any], *names: str) -> str:
    found = (sent.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), "")


def _folder(text: object) -> Path | None:
    """An absolute folder, if the text is one."""
    if not isinstance(text, str) or not text or "\0" in text:
        return None
    return Path(text) if os.path.isabs(text) else None


def _session(text: str) -> str:
    """A client's id as it is if it is plain, else a digest of it."""
    if not text or PLAIN_ID.fullmatch(text):
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _refused(why: str) -> Exception:
    from safepoint.errors import InvalidInput  # late: it loads the library

    return InvalidInput(
        f"the hook's input cannot be used: {why}",
        hint="Clients run hooks; by hand, pipe the JSON that a client sends, or nothing.",
        code="bad_hook_input",
    )

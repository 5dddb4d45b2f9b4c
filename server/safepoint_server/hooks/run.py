"""One run of a hook: within its time, and without ever failing the client that runs it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safepoint_server.hooks.clients import nothing_to_say, start_reply, unreadable
from safepoint_server.hooks.deadline import Deadline
from safepoint_server.hooks.files import described, edited_below
from safepoint_server.hooks.git import Change, Status
from safepoint_server.hooks.given import Given, parse, read_input
from safepoint_server.hooks.note import Note, note_of
from safepoint_server.hooks.project import Project, find_project
from safepoint_server.hooks.seldom import default_folder, is_due
from safepoint_server.hooks.transcript import read_transcript
from safepoint_server.logs import call_line, configure

if TYPE_CHECKING:
    from safepoint_server.settings import Settings

__all__ = ["Hook", "run_hook"]

logger = logging.getLogger(__name__)

START: Final = "session-start"
TOOL: Final = "post-tool-use"


@dataclass(slots=True)
class Hook:
    """One run, as the command line asks for it. `late`: its thread still runs. `name` is the
    workspace as far as it is known, and `fields` what the log line says of it."""

    event: str
    client: str
    workspace: str | None
    store: str | None
    key_file: Path | None
    deadline: Deadline
    late: bool = False
    name: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


class TooLate(Exception):
    """The time is over."""

    code = "too_late"
    hint = "If that happens often, set SAFEPOINT_HOOK_SECONDS, or use a store that is nearer."

    def __init__(self, event: str) -> None:
        record = "" if event == START else "; what it was to record may or may not be recorded"
        self.message = f"the hook's time is over{record}"
        super().__init__(self.message)


def run_hook(hook: Hook) -> str:
    """Do it, in a thread that is left behind when its time is over, and return what the client is
    to read. A commit that was on its way then is there whole or not at all.

    Nothing is imported here once the thread runs: it may be stuck in an import.
    """
    configure("info", "text")
    results: list[str | Exception] = []
    worker = threading.Thread(target=_work, args=(hook, results), daemon=True)
    worker.start()
    worker.join(hook.deadline.left())
    hook.late = not results
    result = results[0] if results else TooLate(hook.event)
    hook.fields |= {"client": hook.client, "workspace": hook.name}
    hook.fields["ms"] = round(hook.deadline.spent() * 1000)
    if isinstance(result, str):
        call_line(hook.event, "ok", hook.fields)
        return result
    return _failed(hook, result)


def _failed(hook: Hook, failure: Exception) -> str:
    code = getattr(failure, "code", None)
    if not isinstance(code, str):  # none of ours: its own text may hold data
        logger.error("hook failed", exc_info=failure)
        code, message, hint = "internal", f"it failed unexpectedly ({type(failure).__name__})", ""
    else:
        message, hint = getattr(failure, "message", code), getattr(failure, "hint", "")
    call_line(hook.event, code, hook.fields)
    for title, text in (("error", message), ("hint", hint)):
        if text:
            sys.stderr.write(f"{title}: {ascii(text)[1:-1]}\n")
    if hook.event == START:
        return start_reply(hook.client, unreadable(hook.name, message))
    return nothing_to_say()


def _work(hook: Hook, results: list[str | Exception]) -> None:
    try:
        results.append(_done(hook))
    except Exception as error:  # the edge of the process: the client goes on, whatever it was
        results.append(error)


def _done(hook: Hook) -> str:
    given = parse(read_input(hook.deadline), hook.client, os.environ)
    if hook.event == TOOL and not is_due(given.session, default_folder()):
        return nothing_to_say()
    project = find_project(given.folder, given.home)
    if hook.event == START:
        from safepoint_server.hooks.session import tell

        return start_reply(hook.client, tell(hook, _settings(hook), given, project))
    with Status(project, hook.deadline) as status:  # git works while the library is loaded
        from safepoint_server.hooks.session import keep

        settings = _settings(hook)
        note = _note(hook, settings, given, project, status)
    keep(hook, settings, given, project, note)
    return nothing_to_say()


def _settings(hook: Hook) -> Settings:
    from safepoint_server.settings import Settings

    settings = Settings.load(os.environ, store=hook.store, key_file=hook.key_file)
    configure(settings.log, settings.log_format)
    return settings


def _note(hook: Hook, settings: Settings, given: Given, project: Project, status: Status) -> Note:
    heard = read_transcript(given.transcript)
    tree = status.finish()
    edited = edited_below(project.root, given.folder, heard.edited if heard else ())
    changed = tree.changed if tree else tuple(Change("E", path) for path in edited)
    files = None
    if changed is not None:
        files = described(project.root, changed, edited, hook.deadline)
    messages = settings.hooks != "no-messages"
    return note_of(tree, files, heard, given.last_message, messages=messages)

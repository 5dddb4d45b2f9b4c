"""A text in the person's own editor: in a private file, as long as that takes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from safepoint import InvalidInput, NotFound

__all__ = ["EditedFile"]


class EditedFile:
    """A file of mode 0600 in a folder of mode 0700, removed at the end unless it is kept."""

    def __init__(self, name: str, text: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="safepoint-"))
        self.path = self._folder / name
        self._kept = False
        self._text = text
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def __enter__(self) -> EditedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._kept:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def changed(self) -> bool:
        """Whether there is work of a person in it."""
        try:
            return self.path.read_bytes() != self._text.encode()
        except OSError:
            return False

    def keep(self) -> Path:
        """Let it stay; where it is."""
        self._kept = True
        return self.path

    def edit(self) -> str:
        """What the person made of it, once the editor has ended.

        Raises:
            NotFound: there is no editor.
            InvalidInput: it failed, or left something that is not UTF-8 text.
        """
        command = _editor()
        try:
            process = subprocess.Popen([*command, str(self.path)])  # noqa: S603 - the person's own
        except OSError as error:
            raise NotFound(
                f"the editor {command[0]!r} cannot be started: {error.strerror}",
                hint="Set VISUAL or EDITOR to one that is there.",
                code="no_editor",
            ) from None
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:  # meant for the editor, which has the terminal
                continue
        if code:
            raise InvalidInput(
                f"the editor {command[0]!r} ended with {code}; nothing was saved",
                hint="End it without a failure to save what you edited.",
                code="editor_failed",
            )
        try:
            return self.path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"the edited file cannot be read as UTF-8 text: {error}", code="editor_failed"
            ) from None


def _editor() -> list[str]:
    given = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        command = shlex.split(given, posix=os.name != "nt")
    except ValueError:
        raise InvalidInput(
            f"VISUAL or EDITOR is not a command: {given!r}", hint="Set it to an editor."
        ) from None
    if not command and os.name != "nt" and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NotFound(
            "there is no terminal for an editor, and neither VISUAL nor EDITOR names one",
            hint="Set EDITOR to a program that needs no terminal.",
            code="no_editor",
        )
    return command or (["notepad"] if os.name == "nt" else ["vi"])

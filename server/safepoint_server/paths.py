"""Which files of this machine tools may read and write: those below folders that its operator
allowed, and no others, whatever links lie on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from safepoint import InvalidInput
from safepoint.filing.places import FileBelow, Folder
from safepoint.values import dataclass
from safepoint_server.names import show_name

__all__ = ["AllowedPaths"]

_WAY_OUT = "pass the content as text or base64, or ask for parts of it"


@dataclass(frozen=True, slots=True)
class AllowedPaths:
    """`roots` are absolute. They may be links themselves; below them none is followed."""

    roots: tuple[Path, ...] = ()

    @contextmanager
    def open(self, text: str) -> Iterator[FileBelow]:
        """The place that a path names, for the block: its name is empty for a root itself.

        An absolute path lies below a root; a relative one below the only root there is.

        Raises:
            InvalidInput: `path_not_allowed`, naming the roots.
            NotFound, Unavailable: the root is not there or cannot be opened.
        """
        root, name = self._place(text)
        folder = Folder.open(root)
        try:
            yield FileBelow(folder, name)
        finally:
            folder.close()

    def _place(self, text: str) -> tuple[Path, str]:
        path = PurePath(text)
        if "\0" in text or not text or ".." in path.parts:
            raise self._refused(text, "it is not a plain path")
        if not path.is_absolute() and len(self.roots) == 1:
            return self.roots[0], _name(path)
        for root in sorted(self.roots, key=lambda root: len(root.parts), reverse=True):
            for known in (root, PurePath(os.path.realpath(root))):
                if path.is_relative_to(known):
                    return root, _name(path.relative_to(known))
        raise self._refused(text, "it is not below a folder that this server may use")

    def _refused(self, text: str, why: str) -> InvalidInput:
        if not self.roots:
            return InvalidInput(
                "This server may not use files: its operator has allowed no folder",
                hint=f"Instead, {_WAY_OUT}. The operator can set SAFEPOINT_ALLOWED_PATHS.",
                code="path_not_allowed",
            )
        roots = ", ".join(show_name(str(root)) for root in self.roots)
        return InvalidInput(
            f"The path {show_name(text)} cannot be used: {why}",
            hint=f"Give an absolute path, without .., below {roots}; or {_WAY_OUT}.",
            code="path_not_allowed",
        )


def _name(path: PurePath) -> str:
    return "/".join(path.parts)

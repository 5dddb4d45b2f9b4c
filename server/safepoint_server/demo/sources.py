"""Finds text files to work on: a folder's, or what is installed with Python on any machine."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import safepoint
from safepoint.errors import InvalidInput

__all__ = ["Source", "of_folder", "of_this_machine"]

_SUFFIXES = frozenset({"", ".adoc", ".cfg", ".markdown", ".md", ".rst", ".text", ".toml", ".txt"})
_NAMES = (
    "AUTHORS",
    "CHANGELOG",
    "CHANGES",
    "CONTRIBUTING",
    "COPYING",
    "LICENSE",
    "NOTICE",
    "README",
)
_SMALLEST, _LARGEST = 200, 300_000
_WORTH_READING = 5_000


@dataclass(frozen=True, slots=True)
class Source:
    """A text file and the short name that steps and tickets call it by."""

    name: str
    path: str


def of_folder(folder: Path, limit: int) -> list[Source]:
    """At most `limit` text files below `folder`, spread evenly over what is there.

    Raises:
        InvalidInput: there is no such folder, or no text file in it.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder", hint="Name a folder of text files.")
    found = [
        Source(path.relative_to(folder).as_posix(), str(path.resolve()))
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and _is_text(path)
        and _is_name(path.relative_to(folder).as_posix())
    ]
    if not found:
        raise InvalidInput(
            f"there are no text files of {_SMALLEST} to {_LARGEST} bytes in {folder}",
            hint="Name a folder with .md, .rst or .txt files, or leave --folder out.",
        )
    return _spread(found, limit)


def of_this_machine(limit: int) -> list[Source]:
    """At most `limit` of the documents and licences of this project, Python and its packages."""
    own = list(_own_documents())[: limit // 3]
    python = list(_of_python())
    descriptions, licences = _of_packages()
    rest = limit - len(own) - len(python)
    chosen = _spread(descriptions, max(0, rest))
    return [*own, *python, *chosen, *_spread(licences, max(0, rest - len(chosen)))][:limit]


def _own_documents() -> Iterator[Source]:
    """Those of Safepoint: beside its sources in a checkout, else as installed."""
    root = Path(safepoint.__file__).parents[2]
    if (root / "pyproject.toml").is_file():
        for path in (
            *sorted(root.glob("*.md")),
            root / "LICENSE",
            *sorted(root.glob("docs/**/*.md")),
        ):
            if _is_text(path):
                yield Source(f"safepoint/{path.relative_to(root).as_posix()}", str(path))
    else:
        yield from _documents_of("safepoint")


def _of_python() -> Iterator[Source]:
    for name in ("LICENSE.txt", "LICENSE"):
        path = Path(sysconfig.get_path("stdlib")) / name
        if _is_text(path):
            yield Source(f"python/{name}", str(path))


def _of_packages() -> tuple[list[Source], list[Source]]:
    """Descriptions worth reading, and licences, of what is installed beside Safepoint."""
    names = {found.name.lower() for found in metadata.distributions() if found.name}
    documents = [found for name in sorted(names - {"safepoint"}) for found in _documents_of(name)]
    descriptions = [
        found
        for found in documents
        if found.name.endswith("/METADATA") and Path(found.path).stat().st_size >= _WORTH_READING
    ]
    return descriptions, [found for found in documents if found not in descriptions]


def _documents_of(distribution: str) -> Iterator[Source]:
    """Description and licences of an installed package."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        wanted = file.name == "METADATA" or file.stem.upper().startswith(_NAMES)
        if wanted and ".dist-info" in file.as_posix():
            path = Path(str(file.locate()))
            if _is_text(path):
                yield Source(f"{distribution}/{file.name}", str(path.resolve()))


def _is_text(path: Path) -> bool:
    try:
        if not path.is_file() or not _SMALLEST <= path.stat().st_size <= _LARGEST:
            return False
        known = path.suffix.lower() in _SUFFIXES or path.stem.upper().startswith(_NAMES)
        if not known:
            return False
        path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _is_name(name: str) -> bool:
    """Whether it can stand in the name of a step."""
    return len(name) <= 150 and name.isprintable() and name == name.strip()


def _spread(found: list[Source], limit: int) -> list[Source]:
    """`limit` of them at even distances, each name once."""
    named = list({source.name: source for source in found}.values())
    if len(named) <= limit:
        return named
    return [named[index * len(named) // limit] for index in range(limit)]

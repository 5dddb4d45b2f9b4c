"""What an export's files say, checked field by field: they may have been edited by a person."""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from safepoint.errors import InvalidInput
from safepoint.filing.places import Folder, digest_of
from safepoint.format.jsontext import encode_json
from safepoint.transfer.files import (
    ARTIFACT_FILES,
    ARTIFACTS,
    CHECKPOINTS,
    STEPS,
    STORE,
    WORKSPACE,
    json_text,
    read_object,
)
from safepoint.values import dataclass

__all__ = ["CheckpointFile", "ExportedArtifact", "ExportedStep", "ExportedWorkspace", "read_export"]

_MAX_VERSION = 10**8


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A checkpoint without its state, which is read when it is needed. `edited` says that the
    state is not the one that was exported."""

    path: Path
    version: int
    kind: str
    label: str | None
    summary: str | None
    next_action: str | None
    step: str | None
    sha256: str
    edited: bool

    def state(self) -> bytes | None:
        """The state as stored bytes; None when the checkpoint has none."""
        body = read_object(self.path, kind="safepoint checkpoint")
        return encode_json(body["state"]) if "state" in body else None


@dataclass(frozen=True, slots=True)
class ExportedStep:
    """`result` is JSON bytes. `version` is when it was last started or marked, 0 if unknown.
    `in_doubt`: it is to be run, though a rewind or a fork set it back after an attempt."""

    name: str
    status: str
    title: str | None
    after: tuple[str, ...]
    needs_approval: tuple[str, ...]
    wake_at: datetime | None
    attempts: int
    idempotency_key: str
    version: int
    result: bytes | None
    error: str | None
    retryable: bool | None
    retry_at: datetime | None
    summary: str | None
    in_doubt: bool = False

    @property
    def unreported(self) -> bool:
        """Whether an attempt may have had its effect that no later one has made up for."""
        return self.status in ("running", "interrupted") or self.in_doubt


@dataclass(frozen=True, slots=True)
class ExportedArtifact:
    """A file in the folder of the artifacts; `size` is what it has now."""

    name: str
    file: str
    size: int
    media_type: str
    executable: bool
    step: str | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class ExportedWorkspace:
    """`checkpoints` are in the order of their versions. `digest` is of all the files read."""

    name: str
    version: int
    goal: str | None
    steps: tuple[ExportedStep, ...]
    checkpoints: tuple[CheckpointFile, ...]
    artifacts: tuple[ExportedArtifact, ...]
    digest: str


def read_export(folder: Path) -> ExportedWorkspace:
    """The workspace in the folder. One state at a time is in memory.

    Raises:
        InvalidInput: something is missing or malformed; the message names file and field.
        Unsupported: a newer Safepoint wrote it.
    """
    if (folder / STORE).exists():
        raise InvalidInput(
            f"{folder} is the export of a whole store",
            hint="Import its workspaces one by one: each has a folder of its own in there.",
            code="bad_export",
        )
    paths = sorted((folder / CHECKPOINTS).glob("*.json"))
    body = _Fields(folder / WORKSPACE, read_object(folder / WORKSPACE, kind="safepoint workspace"))
    steps = read_object(folder / STEPS, kind="safepoint steps").get("steps")
    if not isinstance(steps, list):
        raise _malformed(folder / STEPS, "steps", "a list")
    artifacts, digests = _artifacts(folder)
    files = sorted((_checkpoint(path) for path in paths), key=lambda file: file.version)
    return ExportedWorkspace(
        name=body.text("name"),
        version=body.number("version"),
        goal=body.optional("goal"),
        steps=tuple(_step(folder / STEPS, step) for step in steps),
        checkpoints=tuple(files),
        artifacts=artifacts,
        digest=_digest([folder / WORKSPACE, folder / STEPS, *paths], digests),
    )


def _checkpoint(path: Path) -> CheckpointFile:
    body = _Fields(path, read_object(path, kind="safepoint checkpoint"))
    state = encode_json(body.value("state")) if body.has("state") else b""
    sha256 = body.optional("sha256") or ""
    return CheckpointFile(
        path=path,
        version=body.number("version"),
        kind=body.optional("checkpoint") or "step",
        label=body.optional("label"),
        summary=body.optional("summary"),
        next_action=body.optional("next_action"),
        step=body.optional("step"),
        sha256=sha256,
        edited=sha256 != (hashlib.sha256(state).hexdigest() if body.has("state") else ""),
    )


def _step(path: Path, value: object) -> ExportedStep:
    if not isinstance(value, dict):
        raise _malformed(path, "steps", "a list of objects")
    body = _Fields(path, value)
    status = body.text("status")
    if status not in ("pending", "running", "interrupted", "done", "failed", "skipped"):
        raise _malformed(path, "status", "that of a step")
    return ExportedStep(
        name=body.text("name"),
        status=status,
        title=body.optional("title"),
        after=body.texts("after"),
        needs_approval=body.texts("needs_approval"),
        wake_at=body.time("wake_at"),
        attempts=body.number("attempts", 0),
        idempotency_key=body.optional("idempotency_key") or "",
        version=body.number("version", 0),
        result=encode_json(body.value("result")) if body.has("result") else None,
        error=body.optional("error"),
        retryable=body.flag("retryable"),
        retry_at=body.time("retry_at"),
        summary=body.optional("summary"),
        in_doubt=status == "pending" and bool(body.flag("in_doubt")),
    )


class _Fields:
    """An object of a file; every answer has the type that it should have."""

    def __init__(self, path: Path, body: dict[str, Any]) -> None:
        self._path = path
        self._body = body

    def has(self, name: str) -> bool:
        return name in self._body

    def value(self, name: str) -> Any:
        return self._body[name]

    def text(self, name: str) -> str:
        value = self._body.get(name)
        if not isinstance(value, str):
            raise _malformed(self._path, name, "a text")
        return value

    def optional(self, name: str) -> str | None:
        return None if self._body.get(name) is None else self.text(name)

    def number(self, name: str, default: int | None = None) -> int:
        value = self._body.get(name, default)
        if type(value) is not int or not 0 <= value < _MAX_VERSION:
            raise _malformed(self._path, name, "a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        value = self._body.get(name)
        if value is not None and not isinstance(value, bool):
            raise _malformed(self._path, name, "true or false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._body.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _malformed(self._path, name, "a list of texts")
        return tuple(value)

    def time(self, name: str) -> datetime | None:
        text = self.optional(name)
        try:
            at = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            at = None
        if text is not None and (at is None or at.tzinfo is None):
            raise _malformed(self._path, name, "a time with its zone, such as 2026-01-01T00:00:00Z")
        return at


def _artifacts(folder: Path) -> tuple[tuple[ExportedArtifact, ...], list[str]]:
    """What the list of artifacts names, and the digest of each line and file. Exports of earlier
    versions have no list."""
    path = folder / ARTIFACTS
    if not path.exists():
        return (), []
    lines = read_object(path, kind="safepoint artifacts").get("artifacts")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise _malformed(path, "artifacts", "a list of objects")
    found: list[ExportedArtifact] = []
    digests: list[str] = []
    with contextlib.closing(Folder.open(folder / ARTIFACT_FILES)) as below:
        for line in lines:
            body = _Fields(path, line)
            with below.read(body.text("file")) as file:
                size = os.fstat(file.fileno()).st_size
                digests += [hashlib.sha256(json_text(line)).hexdigest(), digest_of(file)]
            found.append(
                ExportedArtifact(
                    name=body.text("name"),
                    file=body.text("file"),
                    size=size,
                    media_type=body.text("media_type"),
                    executable=body.flag("executable") or False,
                    step=body.optional("step"),
                    summary=body.optional("summary"),
                )
            )
    return tuple(found), digests


def _digest(paths: list[Path], more: list[str]) -> str:
    digest = hashlib.sha256("".join(more).encode())
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _malformed(path: Path, field: str, wanted: str) -> InvalidInput:
    return InvalidInput(
        f"{path}: {field!r} is not {wanted}", hint="Correct the file.", code="bad_export"
    )

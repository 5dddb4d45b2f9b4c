"""What an agent has seen acknowledged, on disk before it goes on: the record that the director
holds against the store. One file for each life of the agent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Journal", "Tail", "path_of"]


def path_of(folder: Path, life: int) -> Path:
    return folder / f"journal-{life:02d}.jsonl"


class Journal:
    """Appends one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def tell(self, event: str, **fields: Any) -> None:
        """For the progress display; survives a killed process, not a lost machine."""
        self._file.write(json.dumps({"event": event, **fields}).encode() + b"\n")

    def acknowledged(self, call: str, version: int, **fields: Any) -> None:
        """Durable when it returns: the store said that `version` holds what `call` did."""
        self.tell("acknowledged", call=call, version=version, **fields)
        os.fsync(self._file.fileno())


class Tail:
    """Reads what was appended since the last look; a line that is not finished waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

"""What references name, as far as the operator lets this server look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from safepoint import Reference
from safepoint.outside.files import FileLook, OpenFile
from safepoint.outside.s3 import S3Look
from safepoint_server.paths import AllowedPaths

__all__ = ["AllowedReferences", "below"]


class AllowedReferences:
    """See ReferenceChecker: files by `open_file`, objects below `allowed_s3`."""

    def __init__(self, open_file: OpenFile | None, allowed_s3: Sequence[str]) -> None:
        self._files = FileLook() if open_file is None else FileLook(open_file)
        self._s3 = S3Look(allowed_s3)

    async def look(self, reference: Reference) -> Reference:
        """See ReferenceChecker.look."""
        look = self._s3 if reference.kind == "s3" else self._files
        return await look.look(reference)

    def close(self) -> None:
        """Release threads and connections."""
        self._files.close()
        self._s3.close()


def below(paths: AllowedPaths) -> OpenFile:
    """Opens plain files below the allowed folders, and no others."""

    @contextmanager
    def open_file(location: str) -> Iterator[BinaryIO]:
        with paths.open(location) as place, place.open() as file:
            yield file

    return open_file

"""Where the key file and the default store lie on this machine, and how a key file is made."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import KEY_BYTES, KeyFile
from safepoint.errors import InvalidInput, Unavailable, WrongKey

__all__ = [
    "default_key_file",
    "default_seen_folder",
    "default_store_path",
    "make_key_file",
    "read_key_file",
]

_APP = "safepoint"


def default_key_file() -> Path:
    """In the user's configuration folder, apart from the data."""
    return Path(platformdirs.user_config_dir(_APP, appauthor=False)) / "key"


def default_store_path() -> Path:
    """In the user's data folder."""
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "store"


def default_seen_folder() -> Path:
    """Where the newest versions seen are remembered: in the user's state folder."""
    return Path(platformdirs.user_state_dir(_APP, appauthor=False)) / "seen"


def read_key_file(path: Path) -> KeyFile:
    """Raises WrongKey when there is none, Unavailable when it cannot be read, InvalidInput when it
    is not a key file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongKey(
            f"the key file {path} does not exist",
            hint="Give the key file that this store was made with (SAFEPOINT_KEY_FILE), or its "
            "passphrase (SAFEPOINT_PASSPHRASE). For a new store, `safepoint keys init` makes one.",
            code="no_key_file",
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(
            f"{path} is not a Safepoint key file",
            hint="Give the file that `safepoint keys init` made.",
            code="bad_key_file",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"the key file {path} cannot be read: {error.strerror}",
            hint="Give this user permission to read it.",
            code="key_file_unreadable",
        ) from None
    return KeyFile.parse(text, source=str(path))


def make_key_file(path: Path, *, random: Random) -> KeyFile:
    """A new key, durable in `path` (mode 0600) when this returns.

    Of several racing makers one wins, and all get its key. An existing file is never changed.
    """
    key = KeyFile(random(KEY_BYTES))
    fresh = path.with_name(f".{path.name}.{random(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.text().encode())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                key = read_key_file(path)
        finally:
            fresh.unlink()
        _sync_folder(path.parent)
    except Unavailable:
        raise
    except OSError as error:
        raise Unavailable(
            f"the key file {path} cannot be made: {error.strerror}",
            hint="Name a place that this user may write to with SAFEPOINT_KEY_FILE.",
            code="key_file_unwritable",
        ) from None
    return key


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Bearer tokens of a store: who may use a server of it, and for what.

Each is a numbered series of manifests, `tokens/<id>/<generation>.json`; the newest is in force.
What it says, and the hash of its secret, is sealed by the store key. The secret itself is nowhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Place
from safepoint.crypto.storekeys import StoreKeys, number_of
from safepoint.errors import Conflict, Damaged, InvalidInput, NotFound, WrongKey
from safepoint.format.keys import generation_of
from safepoint.format.tokens import TOKENS_FOLDER, new_token, token_folder
from safepoint.log.generations import newest_of, put_next, put_ours, remove_older
from safepoint.log.manifests import check_store_key
from safepoint.log.shared import Shared
from safepoint.log.stump import set_aside_stump
from safepoint.log.transitions.base import check_text
from safepoint.model import Actor
from safepoint.model.tokens import Token
from safepoint.objects.base import MakesDurable, ObjectStore
from safepoint.values import dataclass

__all__ = ["StoredToken", "Tokens", "open_token"]

KIND: Final = "safepoint token"
_ATTEMPTS: Final = 10
_AT_ONCE: Final = 16
_TEXT_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it is stored: what it says, the digest of its secret, and where that stands."""

    token: Token
    digest: bytes
    key: str
    store_key: int

    def opens_with(self, digest: bytes) -> bool:
        """Whether that is the digest of its secret; takes as long for a wrong one."""
        return hmac.compare_digest(self.digest, digest)


class Tokens:
    """See Store.tokens. Every change is durable when its call returns."""

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared = shared
        self._now = now

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        by: Actor,
        tenant: str | None = None,
        workspaces: Iterable[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[str, Token]:
        """A new token: its text, which nobody can ever read again, and what is stored of it.

        Raises:
            InvalidInput: the name is empty or too long, a text stands where several belong, or it
                would have expired already.
            OutcomeUnknown: it may be stored; but nobody has its text.
            WrongKey: the store key was changed (`store_key_changed`).
        """
        check_text(name, "name of a token", limit=_TEXT_BYTES)
        now = self._now()
        if not name.strip() or not name.isprintable():
            raise InvalidInput(
                "a token needs a name: one line that says who holds it",
                hint="Name the person or program, and the machine, as in ci-of-billing.",
            )
        if isinstance(scopes, str) or isinstance(workspaces, str):
            # Its letters would be taken for several, and the * in it for every workspace.
            raise InvalidInput(
                "the scopes and workspaces of a token are lists, and a text was given",
                hint='Give lists, such as workspaces=["billing-*"].',
            )
        if expires_at is not None and expires_at <= now:
            raise InvalidInput("the token would have expired already", hint="Give a later time.")
        text, token_id, digest = new_token(self._shared.random)
        token = Token(
            token_id, name, tuple(scopes), now, by.name, tenant, tuple(workspaces), expires_at
        )
        objects, key = self._shared.objects, _key(token_id, 1)
        if not await put_ours(objects, key, self._sealed(token, digest, key)):
            raise Conflict("another token has the same id", hint="Try again.")
        try:
            await check_store_key(objects, self._shared.keys)
        except WrongKey:
            await objects.delete(key)
            raise
        return text, token

    async def list(self) -> tuple[Token, ...]:
        """All there ever were, the oldest first. Raises Damaged, naming one that is."""
        found: list[Token] = []
        ids = await _ids(self._shared.objects)
        for first in range(0, len(ids), _AT_ONCE):
            some = await asyncio.gather(*map(self.find, ids[first : first + _AT_ONCE]))
            found += [one.token for one in some if one is not None]
        return tuple(sorted(found, key=lambda token: (token.created_at, token.id)))

    async def find(self, token_id: str) -> StoredToken | None:
        """The token of this id as it is now, None when there certainly is none. What a store key
        sealed that was replaced is none: somebody put it back.

        Raises:
            Damaged: it is not what was written.
            WrongKey: the store key was changed (`store_key_changed`).
            Unavailable: the store cannot be read.
        """
        objects = self._shared.objects
        for _ in range(_ATTEMPTS):
            key = await newest_of(objects, token_folder(token_id))
            if key is None:
                return None
            data = await objects.get(key)
            if data is None:
                continue  # superseded, and removed, since it was listed
            try:
                return open_token(self._shared.keys, key, data)
            except Damaged as error:
                if error.code == "replaced_store_key":
                    return None
                if not await set_aside_stump(objects, key, data):
                    raise
        raise Conflict("the token is changed all the time", hint="Try again.")

    async def revoke(self, token_id: str, *, by: Actor) -> Token:
        """Let it open nothing any more; what it says stays listed. Repeating it changes nothing.

        Raises NotFound when there is none of this id, and what `find` raises.
        """
        at = self._now()

        def revoked(token: Token) -> Token:
            return token if token.revoked_at else replace(token, revoked_at=at, revoked_by=by.name)

        return (await self._change(token_id, revoked)).token

    async def renew(self) -> int:
        """Seal by the store key in force what an earlier one sealed; how many there were. What is
        damaged opens nothing, and is left to be told by `Store.verify`."""
        behind = 0
        for token_id in await _ids(self._shared.objects):
            try:
                stored = await self.find(token_id)
            except Damaged:
                continue
            if stored is not None and stored.store_key != self._shared.keys.number:
                await self._change(token_id, lambda token: token)
                behind += 1
        return behind

    async def _change(self, token_id: str, change: Callable[[Token], Token]) -> StoredToken:
        objects, keys = self._shared.objects, self._shared.keys
        for _ in range(_ATTEMPTS):
            stored = await self.find(token_id)
            if stored is None:
                raise NotFound(
                    f"there is no token {token_id}",
                    hint="`safepoint tokens list` shows the ids.",
                    code="token_not_found",
                )
            changed = change(stored.token)
            if changed == stored.token and stored.store_key == keys.number:
                if isinstance(objects, MakesDurable):
                    await objects.make_durable(stored.key)
                return stored
            folder, key = token_folder(token_id), _key(token_id, generation_of(stored.key) + 1)
            sealed = self._sealed(changed, stored.digest, key)
            if await put_next(objects, folder, key, sealed, base=stored.key):
                await check_store_key(objects, keys)
                # Who deletes the newest must not bring back what it replaced.
                await remove_older(objects, folder, key)
                return StoredToken(changed, stored.digest, key, keys.number)
        raise Conflict("the token is changed all the time", hint="Try again.")

    def _sealed(self, token: Token, digest: bytes, key: str) -> bytes:
        keys = self._shared.keys
        content = orjson.dumps({"token": token, "digest": digest.hex()})
        sealed = keys.seal(_place(keys, key), content, random=self._shared.random)
        body = {
            "format": manifest.FORMAT,
            "kind": KIND,
            "generation": generation_of(key),
            "sealed": base64.b64encode(sealed).decode(),
        }
        return keys.encode(body, key=key)


def open_token(keys: StoreKeys, key: str, data: bytes) -> StoredToken:
    """The token that lies under `key`. Raises Damaged unless it was written there, WrongKey when it
    names a newer store key."""
    body = manifest.decode(data, key=key, kind=KIND)
    keys.check(body, key=key)
    try:
        sealed = base64.b64decode(body["sealed"], validate=True)
        content = orjson.loads(keys.open(_place(keys, key), sealed))
        return StoredToken(
            _token(content["token"]), bytes.fromhex(content["digest"]), key, number_of(body, key)
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Damaged(
            f"{key} is damaged: it holds no token",
            hint="Create another token, and revoke this one.",
            code="not_authentic",
        ) from None


def _token(stored: dict[str, Any]) -> Token:
    for name in ("created_at", "expires_at", "revoked_at"):
        if stored[name] is not None:
            stored[name] = datetime.fromisoformat(stored[name])
    lists = {name: tuple(stored[name]) for name in ("scopes", "workspaces")}
    return Token(**{**stored, **lists})


def _place(keys: StoreKeys, key: str) -> Place:
    return Place(keys.store_id, b"", "token", key)


def _key(token_id: str, generation: int) -> str:
    return f"{token_folder(token_id)}{generation:06d}.json"


async def _ids(objects: ObjectStore) -> list[str]:
    ids: list[str] = []
    after = ""
    while found := await objects.list(TOKENS_FOLDER, after=after, folders=True):
        ids += filter(_is_id, found)
        after = found[-1]
    return ids


def _is_id(folder: str) -> bool:
    try:
        token_folder(folder)
    except InvalidInput:
        return False
    return True

"""Seals what a client is to bring back with its next call, so that it can neither read, change nor
make it up. By the store key: every replica of one store opens it, also after the key was replaced.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.request_state import InvalidRequestState, RequestStateSecurity

from safepoint import Damaged, Store, Unsupported, WrongKey
from safepoint.crypto.envelope import Place
from safepoint.crypto.storekeys import StoreKeys

__all__ = ["Principal", "anybody", "request_states"]

Principal = Callable[[ServerRequestContext[Any, Any]], str | None]

SECONDS: Final = 24 * 3600.0
"""How long a person may take; what is asked meanwhile or decided elsewhere makes a state void."""


def anybody(context: ServerRequestContext[Any, Any]) -> str | None:
    """Where there are no callers to tell apart."""
    return None


def request_states(store: Store, bind_principal: Principal) -> RequestStateSecurity:
    """`bind_principal` says whose a request is: no other can bring back what it was given."""
    return RequestStateSecurity(
        codec=_Sealed(store.shared.keys), ttl=SECONDS, bind_principal=bind_principal
    )


class _Sealed:
    """See RequestStateCodec. Seals are bound to the store and to this purpose."""

    def __init__(self, keys: StoreKeys) -> None:
        self._keys = keys
        self._place = Place(keys.store_id, b"", "mcp request state", "1")

    def seal(self, payload: bytes) -> str:
        sealed = self._keys.seal(self._place, payload, random=os.urandom)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def unseal(self, token: str) -> bytes:
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if base64.urlsafe_b64encode(sealed).decode().rstrip("=") != token:
                raise InvalidRequestState("malformed")
            return self._keys.open(self._place, sealed)
        except ValueError:
            raise InvalidRequestState("malformed") from None
        except (Damaged, Unsupported, WrongKey):
            raise InvalidRequestState("seal") from None

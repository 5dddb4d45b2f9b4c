"""Tokens: every generation that is there opens, and nothing else lies beside them."""

from __future__ import annotations

from safepoint.errors import Damaged, InvalidInput, Unavailable, Unsupported
from safepoint.format.keys import generation_of
from safepoint.format.tokens import TOKENS_FOLDER, token_folder
from safepoint.log.generations import all_of
from safepoint.log.shared import Shared
from safepoint.model import Problem
from safepoint.tokens import open_token
from safepoint.verify.tally import Tally

__all__ = ["check_tokens"]

_REMEDY = "Create another token for whoever holds it, and delete the object."


async def check_tokens(shared: Shared, tally: Tally) -> None:
    """A token that is damaged opens nothing; no workspace depends on any."""
    seen: set[str] = set()
    for key in await all_of(shared.objects, TOKENS_FOLDER):
        token_id = key.removeprefix(TOKENS_FOLDER).partition("/")[0]
        try:
            if key != f"{token_folder(token_id)}{generation_of(key):06d}.json":
                raise InvalidInput("another object")
        except InvalidInput:
            tally.add(foreign=1)
            tally.note(f"foreign: {key}: Safepoint did not write it")
            continue
        if await _opens(shared, key, tally) and token_id not in seen:
            seen.add(token_id)
            tally.add(tokens=1)


async def _opens(shared: Shared, key: str, tally: Tally) -> bool:
    effect = "the token is refused"
    try:
        data = await shared.objects.get(key)
        if data is None:
            return False  # superseded, and removed, since it was listed
        open_token(shared.keys, key, data)
    except Unavailable as error:
        tally.unread(Problem("", key, "unread", error.message, effect, error.hint))
    except (Damaged, Unsupported) as error:
        if error.code == "replaced_store_key":
            tally.note(f"{key} was written with a store key that was replaced; it opens nothing")
            return False
        tally.problem(Problem("", key, "damaged", error.message, effect, _REMEDY))
    else:
        tally.add(read_bytes=len(data))
        tally.done()
        return True
    return False

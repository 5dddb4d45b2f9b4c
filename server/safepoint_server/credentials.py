"""Finds values in a state that look like credentials, and names where they are, never what.

Few and precise patterns: a warning that is usually wrong is a warning that nobody reads. Text that
is recorded without anybody asking is taken more strictly: what merely may be a secret goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

__all__ = ["credential_paths", "redacted"]

MARKS: Final = tuple(
    re.compile(mark)
    for mark in (
        r"-(?:(?<=sk-)|(?<=xox[abps]-)|(?<=glpat-)|(?<=PRIVATE KEY-))",
        r"_(?:(?<=gh[pousr]_)|(?<=k_live_)|(?<=safepoint_)|(?<=github_pat_))",
        r"A(?:[KS]IA|Iza)",
    )
)
"""Each pattern below holds one of these. They begin with a character that is seldom in text, which
is how a search passes over most of it at the speed of a single comparison."""

VALUE: Final = re.compile(
    r"""
    (?<![A-Za-z0-9]) (?: A[KS]IA[0-9A-Z]{16} (?![0-9A-Za-z])      # AWS access key id
      | gh[pousr]_[A-Za-z0-9]{36} | github_pat_[A-Za-z0-9_]{40}   # GitHub
      | glpat-[A-Za-z0-9_-]{20}                                   # GitLab
      | sk-ant-[A-Za-z0-9_-]{24} | sk-proj-[A-Za-z0-9_-]{24}      # Anthropic, OpenAI
      | sk-[A-Za-z0-9]{40} | [sr]k_live_[A-Za-z0-9]{20}           # OpenAI (older), Stripe
      | safepoint_[a-z2-7]{16}_[a-z2-7]{52}_[a-z2-7]{8}           # Safepoint
      | xox[abps]-[A-Za-z0-9-]{20} | AIza[A-Za-z0-9_-]{35} )      # Slack, Google
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----
    """,
    re.VERBOSE,
)
NAME: Final = re.compile(
    r"(?:.*[_-])?(?:pass(?:word|wd|phrase)|secret[_-]?(?:access[_-]?)?key|api[_-]?key"
    r"|private[_-]?key|(?:access|auth|bearer|refresh)[_-]?token|client[_-]?secret)",
    re.IGNORECASE,
)
PLACEHOLDER: Final = re.compile(r"[*x.•-]+|<.*>|\$.*|\{.*\}|%.*%|\[.*\]|env:.*", re.IGNORECASE)
NAME_ENDS: Final = ("word", "wd", "phrase", "key", "token", "secret")
MIN_CHARS: Final = 12
CONTAINERS: Final = (dict, list, tuple)

REDACTED: Final = "[redacted]"
KEY_BLOCK: Final = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
TOKEN: Final = re.compile(
    rf"""(?: {VALUE.pattern}
      | (?<![A-Za-z0-9_-]) eyJ[A-Za-z0-9_-]{{8}} [A-Za-z0-9_-]* \. [A-Za-z0-9_-]{{4}}  # JWT
    ) [A-Za-z0-9_.~+/=-]*""",
    re.VERBOSE,
)
GIVEN: Final = re.compile(
    r"""(?<![A-Za-z0-9_.-]) (                                     # a name, and what it is set to
        [A-Za-z0-9_.-]* (?: passw(?:or)?d | [_-]pass | passphrase | secret | token | credentials?
          | (?:api|access|private|secret|signing)[_-]?key ) [A-Za-z0-9]{0,3}
        ["']? \s* (?: => | [:=] ) \s*
        (?: bearer \s+ | basic \s+ )? ["']? )
        [^\s"',;<>\[\]{}()]{8,}
      | ( \b (?: authorization ["']? \s* [:=] \s* ["']? )? (?: bearer | basic ) \s+ )
        [A-Za-z0-9_.~+/=-]{16,}
      | ( [a-z][a-z0-9+.-]{1,20}:// [^\s/:@]{0,100} : ) [^\s/@]{1,200} (?= @ )   # in an address
    """,
    re.VERBOSE | re.IGNORECASE,
)
MAX_PATHS: Final = 5
MAX_PATH_CHARS: Final = 120


def credential_paths(value: Any, root: str = "state") -> list[str]:
    """Paths, such as `state.servers[2].password`, of at most five values that look like
    credentials. Any depth; a value that is no JSON is passed over."""
    found: list[str] = []
    marked = _is_marked(value)
    pending: list[tuple[str, str, Any]] = [(root, "", value)]
    while pending and len(found) < MAX_PATHS:
        path, name, item = pending.pop()
        if isinstance(item, str):
            if _is_credential(name, item, marked=marked):
                found.append(path[:MAX_PATH_CHARS])
        else:
            pending.extend(_children(path, item, marked=marked))
    return sorted(found)


def redacted(text: str) -> str:
    """`text` with `[redacted]` in place of whatever looks like a credential."""
    text = KEY_BLOCK.sub(REDACTED, text)
    text = TOKEN.sub(REDACTED, text)
    return GIVEN.sub(lambda match: f"{match[1] or match[2] or match[3]}{REDACTED}", text)


def _children(path: str, item: Any, *, marked: bool) -> Iterator[tuple[str, str, Any]]:
    """Path, key and value of what in `item` has to be looked at: text only if any is `marked` or
    its key may be the name of a secret. A path that is long already grows no further."""
    room = len(path) < MAX_PATH_CHARS
    if isinstance(item, dict):
        for key, child in item.items():
            if isinstance(child, str):
                if not marked and not str(key).lower().endswith(NAME_ENDS):
                    continue
            elif not isinstance(child, CONTAINERS):
                continue
            yield f"{path}.{key}" if room else path, str(key), child
    elif isinstance(item, CONTAINERS):
        for index, child in enumerate(item):
            if isinstance(child, CONTAINERS) or (marked and isinstance(child, str)):
                yield f"{path}[{index}]" if room else path, "", child


def _is_marked(value: Any) -> bool:
    """Whether any text in it holds a mark; when that cannot be told, yes."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # no JSON, or half of a surrogate pair in it
        return True
    return _holds_mark(text)


def _holds_mark(text: str) -> bool:
    return any(mark.search(text) for mark in MARKS)


def _is_credential(name: str, text: str, *, marked: bool) -> bool:
    if marked and _holds_mark(text) and VALUE.search(text):
        return True
    if len(text) < MIN_CHARS or not NAME.fullmatch(name):
        return False
    return not re.search(r"\s", text) and not PLACEHOLDER.fullmatch(text)

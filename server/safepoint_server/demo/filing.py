"""The agent's side of the ticket service: a request is sent until it is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["Filed", "TicketsUnavailable", "file_ticket", "list_tickets"]

_TRIES: Final = 5
_TIMEOUT_SECONDS: Final = 10.0


class TicketsUnavailable(Exception):
    """The ticket service does not answer, or refuses."""


@dataclass(frozen=True, slots=True)
class Filed:
    """A ticket that stands in the service. `repeated`: it had been filed under this key before."""

    id: str
    repeated: bool
    tries: int


def file_ticket(url: str, key: str, ticket: dict[str, Any]) -> Filed:
    """File one ticket. Repeated under the same key when the reply is lost: never filed twice.

    Raises:
        TicketsUnavailable: no answer in five tries, or a refusal.
    """
    body = json.dumps(ticket).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    for attempt in range(1, _TRIES + 1):
        try:
            status, reply = _request(url, "POST", body, headers)
        except (HTTPException, OSError):
            continue
        if status not in (200, 201):
            raise TicketsUnavailable(f"the ticket service answered {status}: {reply.get('error')}")
        return Filed(str(reply["id"]), status == 200, attempt)
    raise TicketsUnavailable(f"the ticket service gave no answer in {_TRIES} tries")


def list_tickets(url: str) -> dict[str, Any]:
    """Everything filed, and the service's counts.

    Raises:
        TicketsUnavailable: no answer.
    """
    try:
        _status, reply = _request(url, "GET", b"", {})
    except (HTTPException, OSError) as error:
        raise TicketsUnavailable("the ticket service does not answer") from error
    return reply


def _request(
    url: str, method: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, "/tickets", body or None, headers)
        response = connection.getresponse()
        reply: dict[str, Any] = json.loads(response.read())
        return response.status, reply
    finally:
        connection.close()

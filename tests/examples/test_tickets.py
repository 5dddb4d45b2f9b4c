"""The ticket service and its client: one ticket a key, however often it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from safepoint_server.demo.filing import TicketsUnavailable, file_ticket, list_tickets
from safepoint_server.demo.tickets import Book, Service

TICKET = {"file": "a", "kind": "long lines", "line": 3, "text": "very"}


@contextmanager
def served(book: Book) -> Iterator[str]:
    with Service(book) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service.url
        finally:
            service.shutdown()
            thread.join()


def test_a_repeated_key_gets_the_first_ticket_back() -> None:
    with served(Book()) as url:
        first = file_ticket(url, "k1", TICKET)
        again = file_ticket(url, "k1", TICKET)
        other = file_ticket(url, "k2", TICKET)
        listing = list_tickets(url)
    assert (first.repeated, again.repeated, other.repeated) == (False, True, False)
    assert first.id == again.id != other.id
    assert len(listing["tickets"]) == 2
    assert listing["repeats_refused"] == 1


def test_a_key_cannot_be_used_for_another_ticket() -> None:
    with served(Book()) as url:
        file_ticket(url, "k1", TICKET)
        with pytest.raises(TicketsUnavailable, match="422"):
            file_ticket(url, "k1", {**TICKET, "line": 4})


def test_a_lost_reply_is_asked_for_again_and_files_nothing_twice() -> None:
    with served(Book(loses_every=1)) as url:
        filed = file_ticket(url, "k1", TICKET)
        listing = list_tickets(url)
    assert (filed.repeated, filed.tries) == (True, 2)
    assert len(listing["tickets"]) == 1
    assert listing["replies_lost"] == 1


def test_a_service_that_ignores_keys_files_twice() -> None:
    with served(Book(honours_keys=False, loses_every=2)) as url:
        for key in ("k1", "k2"):
            file_ticket(url, key, {**TICKET, "text": key})
        listing = list_tickets(url)
    assert [ticket["text"] for ticket in listing["tickets"]] == ["k1", "k2", "k2"]


def test_a_service_that_is_gone_is_told() -> None:
    with served(Book()) as url:
        pass
    with pytest.raises(TicketsUnavailable, match="no answer in 5 tries"):
        file_ticket(url, "k1", TICKET)
    with pytest.raises(TicketsUnavailable):
        list_tickets(url)

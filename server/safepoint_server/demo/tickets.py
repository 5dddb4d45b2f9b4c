"""The outside world: a small HTTP ticket service on loopback, as others are.

    POST /tickets   Idempotency-Key: …   {"file", "kind", "line", "text"}
                    201 filed · 200 that key was used before: here is its ticket, nothing filed
                    422 that key was used for another ticket
    GET /tickets    every ticket in order, and what was counted

Now and then a ticket is filed and its reply is lost, as happens on real networks: only a client
that sends its request again with the same key files nothing twice.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["Book", "Service", "main"]

_MAX_BODY: Final = 64 * 1024


@dataclass
class Book:
    """The tickets filed, and the counts. Safe to use from many threads."""

    honours_keys: bool = True
    loses_every: int = 0
    tickets: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: {"requests": 0, "repeats_refused": 0, "replies_lost": 0}
    )
    _by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, key: str, ticket: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """HTTP status and reply; the reply is None when it is to be lost."""
        with self._lock:
            self.counts["requests"] += 1
            earlier = self._by_key.get(key) if self.honours_keys else None
            if earlier is not None:
                if any(earlier[name] != value for name, value in ticket.items()):
                    return 422, {"error": "this idempotency key was used for another ticket"}
                self.counts["repeats_refused"] += 1
                return 200, earlier
            filed = {"id": f"T-{len(self.tickets) + 1:04d}", "key": key, **ticket}
            self.tickets.append(filed)
            self._by_key[key] = filed
            if self.loses_every and len(self.tickets) % self.loses_every == 0:
                self.counts["replies_lost"] += 1
                return 201, None
            return 201, filed

    def listing(self) -> dict[str, Any]:
        with self._lock:
            return {"tickets": list(self.tickets), **self.counts}


class Service(ThreadingHTTPServer):
    """Serves a book on a free port of the loopback interface."""

    daemon_threads = True

    def __init__(self, book: Book) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.book = book

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(size)) if 0 < size <= _MAX_BODY else None
        except ValueError:
            body = None
        key = self.headers.get("Idempotency-Key")
        if self.path != "/tickets" or not isinstance(body, dict) or not key:
            self._reply(400, {"error": "POST /tickets takes a JSON object and Idempotency-Key"})
            return
        status, reply = self.server.book.file(key, body)
        if reply is None:
            self.close_connection = True
        else:
            self._reply(status, reply)

    def do_GET(self) -> None:
        if self.path == "/tickets":
            self._reply(200, self.server.book.listing())
        else:
            self._reply(404, {"error": "there is only /tickets"})

    def _reply(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what was filed is asked for by GET."""


def main(argv: list[str] | None = None) -> int:
    """Serve until standard input ends; the address is the first line printed."""
    parser = argparse.ArgumentParser(description="A ticket service for the demonstration.")
    parser.add_argument("--lose-every", type=int, default=0, metavar="N")
    parser.add_argument("--ignore-keys", action="store_true")
    args = parser.parse_args(argv)
    book = Book(honours_keys=not args.ignore_keys, loses_every=args.lose_every)
    with Service(book) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        service.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

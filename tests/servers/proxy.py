"""An HTTP proxy that cuts, holds back, doubles or answers in the server's place, as scheduled."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

__all__ = ["Proxy", "Request", "Trouble"]

ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>as scheduled</Message><RequestId>0</RequestId></Error>"""


class Trouble(StrEnum):
    """What happens to a request. `BEFORE` the server has acted means that it never does."""

    CUT_BEFORE = "cut before"  # the connection ends without an answer
    CUT_AFTER = "cut after"
    CUT_ANSWER = "cut answer"  # half of the answer's body comes
    ERROR_BEFORE = "error before"  # see `Proxy.error`
    ERROR_AFTER = "error after"
    DUPLICATE = "duplicate"  # the server acts twice; the second answer comes
    HELD = "held"  # neither sent on nor answered before `release`, then sent on and cut
    LATE = "late"  # cut; sent on just before the next request


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what tests want."""


class Proxy:
    """Requests are numbered 0, 1, 2 … as they come; `decide` says what happens to each.

    By default that is what `schedule` holds for its number, and nothing for the others. `held` is
    set when a request is held back, `landed` when the server has acted on it.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self.schedule: dict[int, Trouble] = {}
        self.decide: Callable[[int, Request], Trouble | None] = lambda n, _: self.schedule.get(n)
        self.error = (500, "InternalError")
        self.requests: list[Request] = []
        self.held = threading.Event()
        self.landed = threading.Event()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._late: list[Request] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                request = Request(self.command, self.path, dict(self.headers.items()), body)
                answer = proxy._handle(request)
                if answer is None:
                    self.close_connection = True
                else:
                    self._send(answer)

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = do  # noqa: N815

            def _send(self, answer: Answer) -> None:
                self.send_response_only(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(answer.body)
                if len(answer.body) < int(dict(answer.headers).get("Content-Length", 0)):
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def seen(self) -> list[str]:
        """The requests so far, as `PUT /bucket/key`."""
        return [str(request) for request in self.requests]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let what is held go on to the server."""
        self._released.set()

    def land(self) -> None:
        """Send on everything that is late."""
        while self._late:
            self._forward(self._late.pop(0))

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, request: Request) -> Answer | None:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            trouble = self.decide(number, request)
            self.land()
        match trouble:
            case Trouble.CUT_BEFORE:
                return None
            case Trouble.ERROR_BEFORE:
                return self._error()
            case Trouble.LATE:
                self._late.append(request)
                return None
            case Trouble.HELD:
                self.held.set()
                self._released.wait()
            case Trouble.DUPLICATE:
                self._forward(request)
        answer = self._forward(request)
        match trouble:
            case Trouble.HELD:
                self.landed.set()
                return None
            case Trouble.CUT_AFTER:
                return None
            case Trouble.ERROR_AFTER:
                return self._error()
            case Trouble.CUT_ANSWER:
                return answer._replace(body=answer.body[: len(answer.body) // 2])
        return answer

    def _error(self) -> Answer:
        status, code = self.error
        body = ERROR.format(code=escape(code)).encode() if code else b"<html>bad gateway</html>"
        return Answer(status, [("Content-Length", str(len(body)))], body)

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            got = connection.getresponse()
            body = got.read()
            headers = [
                (name, value)
                for name, value in got.getheaders()
                if name.lower() not in ("transfer-encoding", "content-length", "connection")
            ]
            return Answer(got.status, [*headers, ("Content-Length", str(len(body)))], body)
        finally:
            connection.close()

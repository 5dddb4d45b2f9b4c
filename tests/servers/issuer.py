"""An OAuth issuer as a process: keys, discovery, and tokens for whatever a test asks to be signed.

GET shows what every issuer shows. POST /sign signs claims by one of its keys, POST /state sets
which keys it publishes and how it fails; both are for tests. As a program it prints its address.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

PUBLIC = "https://safepoint.example.com/team/mcp"
"""The server that its tokens are for."""
ALGORITHMS = {"rsa": "RS256", "next": "RS256", "ec": "ES256", "ed": "EdDSA", "weak": "RS256"}


class Issuer:
    """The issuer of another process, as tests speak to it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sign(self, claims: dict[str, Any], key: str = "rsa", **header: Any) -> str:
        """A token; `header` are fields besides alg, kid and typ, or None for one to leave out."""
        return str(self._post("sign", {"claims": claims, "key": key, "header": header})["token"])

    def state(self, **changes: Any) -> None:
        """`published` key names, `fails` with this status, `calls` set to 0, `metadata` changes."""
        self._post("state", changes)

    def get(self, path: str) -> Any:
        with urlopen(f"{self.url}{path}", timeout=30) as reply:
            return json.load(reply)

    def _post(self, path: str, body: Any) -> Any:
        request = Request(f"{self.url}/{path}", json.dumps(body).encode(), method="POST")
        with urlopen(request, timeout=30) as reply:
            return json.load(reply)


def claims(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """Those of a good token; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": issuer.url,
        "aud": PUBLIC,
        "sub": "anna",
        "client_id": "editor",
        "iat": now,
        "exp": now + 300,
        "scope": "safepoint:read safepoint:write",
        "org": "acme",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


@contextmanager
def issuer_process() -> Iterator[Issuer]:
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Issuer(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    keys: ClassVar[dict[str, Any]] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "next": rsa.generate_private_key(65537, 2048),
        "weak": rsa.generate_private_key(65537, 1024),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "ed": ed25519.Ed25519PrivateKey.generate(),
    }
    set: ClassVar[dict[str, Any]] = {
        "published": ["rsa", "ec", "ed"],
        "fails": 0,
        "calls": 0,
        "metadata": {},
    }
    url = ""

    def do_GET(self) -> None:
        if self.path == "/calls":
            self._reply(self.set["calls"])
        elif self.set["fails"]:
            self.send_error(self.set["fails"])
        elif self.path == "/.well-known/openid-configuration":
            named = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            self._reply({**named, **self.set["metadata"]})
        elif self.path == "/keys":
            self.set["calls"] += 1
            self._reply({"keys": [_public(name) for name in self.set["published"]]})
        elif self.path == "/endless":
            self._reply({"keys": [{"x": "y" * 1000}] * 1000})
        elif self.path == "/packed":
            self._reply({"keys": [{"x": "y" * 1000}] * 1000}, packed=True)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/state":
            self.set.update(body)
            self._reply({})
            return
        name = body["key"]
        header = {"typ": "at+jwt", "kid": name, **body["header"]}
        header = {field: value for field, value in header.items() if value is not None}
        token = jwt.encode(body["claims"], self.keys[name], ALGORITHMS[name], headers=header)
        self._reply({"token": token})

    def log_message(self, *_: Any) -> None:
        """Tests read what they need elsewhere."""

    def _reply(self, document: Any, *, packed: bool = False) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        if packed:  # although nobody said that it may be
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _public(name: str) -> dict[str, Any]:
    algorithm = get_default_algorithms()[ALGORITHMS[name]]
    shown = algorithm.to_jwk(_Handler.keys[name].public_key(), as_dict=True)
    return {**shown, "kid": name, "use": "sig"}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.url = f"http://127.0.0.1:{server.server_port}"
    print(_Handler.url, flush=True)
    server.serve_forever()

"""Entra's token endpoint and an App Service's identity endpoint, over TLS on a real socket."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme
from typing_extensions import override

TENANT, CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "aaaa-bbbb", "very~secret"
HEADER = "identity-header-of-the-platform"
ASSERTION = "federated.token.of-the-platform"


class Entra(ThreadingHTTPServer):
    """`grants`: who got a token, and its scope. `lifetime` of a token in seconds. `may_answer` is awaited by each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.grants: list[tuple[str, str]] = []
        self.lifetime = 3600
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def grant(self, kind: str, scope: str) -> str:
        self.grants.append((kind, scope))
        return f"token-{len(self.grants)}"


class _Handler(BaseHTTPRequestHandler):
    server: Entra

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            root = f"{self.server.url}/{TENANT}"
            self._answer(200, {
                "issuer": f"{root}/v2.0",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            })  # fmt: skip
        elif path == "/msi/token" and self.headers["x-identity-header"] == HEADER:
            self._wait()
            token = self.server.grant("managed", query["resource"][0])
            expires = str(int(time.time()) + self.server.lifetime)
            self._answer(200, {"access_token": token, "expires_on": expires, "token_type": "Bearer",
                               "resource": query["resource"][0]})  # fmt: skip
        else:
            self._answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self._wait()
        given = {name: values[0] for name, values in form.items()}
        kind = "secret" if given.get("client_secret") == SECRET else ""
        kind = "federated" if given.get("client_assertion") == ASSERTION else kind
        if self.server.status != 200:
            self._answer(self.server.status, {"error": "temporarily_unavailable"})
        elif self.path != f"/{TENANT}/oauth2/v2.0/token" or not kind or given.get("client_id") != CLIENT:
            sent = given.get("client_secret", "")
            words = f"AADSTS7000215: Invalid client secret provided: {sent}"
            self._answer(401, {"error": "invalid_client", "error_description": words})
        else:
            scope = given["scope"].partition(" ")[0]
            token = self.server.grant(kind, scope)
            self._answer(
                200, {"access_token": token, "expires_in": self.server.lifetime, "token_type": "Bearer"}
            )

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _wait(self) -> None:
        self.server.asked.release()
        self.server.may_answer.wait(30)

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def entra(directory: Path) -> Iterator[tuple[Entra, Path]]:
    """Serve it until the end of the block; the path is that of the certificate to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    server = Entra()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, trusted
    finally:
        server.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()

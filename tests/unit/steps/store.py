"""A place for files behind addresses, such as S3 gives: PUT, once where asked for, and GET."""

from __future__ import annotations

import hashlib
import http.server
import threading
from typing import Any, Self


class Store:
    """Use as a context. `broken` is how many of the next calls get a 503."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.broken = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, data: bytes) -> dict[str, Any]:
        """A file, as an attempt names it."""
        self.files[f"/{name}"] = data
        digest = hashlib.sha256(data).hexdigest()
        return {"url": f"{self.url}/{name}", "sha256": digest, "bytes": len(data)}

    def target(self, name: str, **rest: Any) -> dict[str, Any]:
        """A place for a file, as an attempt names it."""
        return {"url": f"{self.url}/{name}", "uri": f"s3://b/{name}", "content_type": "text/plain", **rest}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.calls.append(f"GET {self.path}")
                known = self.path in store.files
                self._answer(
                    503 if store.is_broken() else 200 if known else 404, store.files.get(self.path, b"")
                )

            def do_PUT(self) -> None:
                store.calls.append(f"PUT {self.path}")
                body = self.rfile.read(int(self.headers["content-length"]))
                if store.is_broken():
                    self._answer(503)
                elif self.headers.get("if-none-match") and self.path in store.files:
                    self._answer(412)
                else:
                    store.files[self.path] = body
                    self._answer(200)

            def _answer(self, status: int, body: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def is_broken(self) -> bool:
        """Count a call of those that fail."""
        self.broken -= self.broken > 0
        return self.broken > 0

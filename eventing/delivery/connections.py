"""Open HTTP sessions to receivers: nothing that one sends may reach another, and only heads are read.

A session keeps no cookies, reads no proxy settings, and for webhooks opens a connection per request. The body
of an answer is dropped, so a malformed one (204 with a body, broken chunks) cannot turn a success into a
failure.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

HEAD_END = b"\r\n\r\n"
ASCII = "".join(map(chr, range(0x21, 0x7F)))


def session(seconds: float, *, reuse: bool, **options: Any) -> aiohttp.ClientSession:
    """Open a session whose requests take `seconds` at most. `options` are those of aiohttp.TCPConnector."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=seconds),
        connector=_Connector(force_close=not reuse, **options),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def exact_url(text: str) -> URL:
    """Return a URL whose path and query are sent unchanged. Raises ValueError.

    Libraries normalise URLs (`%7E` becomes `~`), which breaks signed addresses. Only characters outside ASCII
    are percent-encoded, since a request line cannot carry them.
    """
    parts = urlsplit(text)
    tail = (parts.path or "/") + (f"?{parts.query}" if "?" in text.partition("#")[0] else "")
    base = URL(f"{parts.scheme}://{parts.netloc}")
    # The query stays part of the path: yarl would drop an empty one.
    return URL.build(
        scheme=base.scheme,
        authority=base.raw_authority,
        path=quote(tail, safe=ASCII),
        encoded=True,
    )


class _HeadOnly(ResponseHandler):
    """Gives the head of each answer to the parser and drops the body."""

    _start = b""  # the first bytes of the head, which tell interim answers (1xx)
    _end = b""  # the last bytes of the head so far
    _in_head = True

    def set_response_params(self, **parameters: Any) -> None:
        """Prepare for the answer to one request."""
        self._begin_head()
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if not self._in_head:
            if data and self.transport is not None:
                self.transport.close()  # part of a body: the connection cannot be used again
            return
        head, rest = self._cut(data)
        super().data_received(head)
        if not self._in_head and self._start.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
            self._begin_head()
        if rest:
            self.data_received(rest)

    def _begin_head(self) -> None:
        self._start, self._end, self._in_head = b"", b"", True

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        self._start = (self._start + data)[:10]
        text = self._end + data
        end = text.find(HEAD_END)
        if end < 0:
            self._end = text[-3:]
            return data, b""
        self._in_head = False
        size = end + len(HEAD_END) - len(self._end)
        return data[:size], data[size:]


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # aiohttp has no public way to choose the protocol; test_receivers.py fails if this one moves.
        factory: Any = functools.partial(_HeadOnly, loop=asyncio.get_running_loop())
        self._factory = factory

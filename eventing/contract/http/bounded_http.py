"""Bound the head of every HTTP request, in size and in time. Both services give this class to uvicorn.

uvicorn with httptools bounds neither: without this, 200 MB of headers stay in memory, and a client that never
ends its headers keeps the connection open without limit. Bodies are bounded by the applications.
"""

from __future__ import annotations

import json
from asyncio import Transport
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eventing.contract.problems import address

HEAD_BYTES = 64 << 10  # of the request line and headers together
MOST_HEADERS = 128
HEAD_SECONDS = 20.0  # from the first byte of a head, or from the connection, to its end


class TooMuch(Exception):
    """The head is over a limit. httptools turns this into an error of its own, which ends the connection."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with limits for heads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = True
        self._head_bytes = 0  # of complete parts, which the parser has reported
        self._fed_bytes = 0  # of all that went to the parser, also of a header without an end
        self._is_over = False
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived. Refuse a head that is too long and still has no end."""
        began_in_head = self._in_head
        if began_in_head and not self._fed_bytes:
            self._start_clock()
        self._fed_bytes += len(data)
        super().data_received(data)
        if began_in_head and self._in_head and self._fed_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value))
        if len(self.headers) >= MOST_HEADERS:
            self._is_over = True
            raise TooMuch
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head; the body has limits of its own."""
        self._in_head = False
        self._deadline.cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head. Its clock starts with its first byte; keep-alive bounds the wait before."""
        self._in_head = True
        self._head_bytes = self._fed_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a head that cannot be parsed or is over a limit."""
        if self._is_over:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self._is_over = True
            raise TooMuch

    def _start_clock(self) -> None:
        self._deadline.cancel()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _late(self) -> None:
        if self._is_answering():
            self._start_clock()  # the next head waits behind this answer
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: HTTPStatus) -> None:
        transport: Transport = self.transport
        if transport.is_closing():
            return
        if not self._is_answering():
            transport.write(_answer(status))
        transport.close()


def _answer(status: HTTPStatus) -> bytes:
    late = status is HTTPStatus.REQUEST_TIMEOUT
    limit = (
        f"within {HEAD_SECONDS:g} s" if late else f"in {HEAD_BYTES} bytes and {MOST_HEADERS} headers at most"
    )
    code = "request_timeout" if late else "headers_too_large"
    body = json.dumps(
        {"type": address(code), "title": code.replace("_", " "),
         "status": status.value, "detail": f"the request line and headers must arrive {limit}", "code": code}
    ).encode()  # fmt: skip
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
    return head.encode() + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body

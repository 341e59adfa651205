"""No door answers before a request's body has ended: a proxy may cut the answer otherwise."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.predictor.conftest import READY
from tests.integration.predictor.process import Predictor
from tests.integration.predictor.test_token import RIGHT, guarded  # noqa: F401 - a fixture
from tests.support.waiting import LIMIT

MODEL = "/v2/models/tiny"
GENERATE = {"text_input": "a red circle", "parameters": {"output": "inline", "num_inference_steps": 1}}
DOORS = {
    "generate_stream": (f"POST {MODEL}/generate_stream", 200),
    "generate": (f"POST {MODEL}/generate", 200),
    "infer": (f"POST {MODEL}/infer", 400),
    "event": ("POST /", 400),
    "another model": ("POST /v2/models/other/generate_stream", 404),
    "no such route": ("POST /nothing", 404),
    "a wrong method": ("POST /v2/health/live", 405),
    "a route of KServe that is off": ("POST /v2/repository/models/other/unload", 404),
}


@contextmanager
def half_sent(predictor: Predictor, line: str, *headers: str) -> Iterator[tuple[socket.socket, bytes]]:
    """Send a request without the second half of its body; yield the socket and that half."""
    body = json.dumps(GENERATE).encode()
    head = [f"{line} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    head += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", predictor.port), timeout=LIMIT) as connection:
        connection.sendall("\r\n".join(head).encode() + body[:20])
        yield connection, body[20:]


def has_answered(predictor: Predictor, connection: socket.socket) -> bool:
    """Whether a byte has come back, once the predictor has answered others in the meantime."""
    for _ in range(3):
        assert predictor.get(READY)[0] == 200
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(LIMIT)


def status_of(connection: socket.socket) -> int:
    answer = b""
    while piece := connection.recv(1 << 16):
        answer += piece
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("door", DOORS)
def test_the_answer_begins_after_the_body_has_ended(shared: Predictor, door: str) -> None:
    line, status = DOORS[door]
    with half_sent(shared, line) as (connection, rest):
        assert not has_answered(shared, connection)
        connection.sendall(rest)
        assert status_of(connection) == status


@pytest.mark.parametrize("headers, status", [((), 401), (tuple(f"{k}: {v}" for k, v in RIGHT.items()), 200)])
def test_a_refusal_without_the_token_waits_too(
    guarded: Predictor,  # noqa: F811
    headers: tuple[str, ...],
    status: int,
) -> None:
    with half_sent(guarded, f"POST {MODEL}/generate", *headers) as (connection, rest):
        assert not has_answered(guarded, connection)
        connection.sendall(rest)
        assert status_of(connection) == status


def test_a_body_over_the_limit_is_refused_at_once(shared: Predictor) -> None:
    """It need not end: nothing is read past the limit."""
    head = f"POST {MODEL}/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {8 << 20}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=LIMIT) as connection:
        connection.sendall(head.encode() + b" " * (2 << 20))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")

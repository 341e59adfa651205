"""A service over HTTP as a step: a form in; bytes, or JSON that names the outputs, out."""

from __future__ import annotations

import base64
import email
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.steps.running import Runner, Start
from tests.unit.steps.store import Store

PLAIN, JSON = "text/plain", "application/json"
Answer = tuple[int, str, bytes]


class Aligner:
    """A service. `answer` makes its answer from the parts of the form."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, list[bytes]]], Answer] = lambda _form: (200, PLAIN, b"words")
        self.forms: list[dict[str, list[bytes]]] = []
        self.arrived, self.left = threading.Event(), threading.Event()
        self.holds = False
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                form = parts(self.headers["content-type"], body)
                service.forms.append(form)
                if service.holds:
                    service.arrived.set()
                    assert self.connection.recv(1) == b""  # the caller has closed it
                    service.left.set()
                    return
                status, media, data = service.answer(form)
                self.send_response(status)
                self.send_header("content-type", media)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.step = {"url": f"http://127.0.0.1:{self.server.server_address[1]}/align?fast=1"}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def parts(media: str, body: bytes) -> dict[str, list[bytes]]:
    """The parts of a form by name, in their order."""
    message = email.message_from_bytes(b"Content-Type: " + media.encode() + b"\r\n\r\n" + body)
    form: dict[str, list[bytes]] = {}
    for part in message.walk():
        if name := part.get_param("name", header="content-disposition"):
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            form.setdefault(str(name), []).append(data)
    return form


@pytest.fixture
def aligner() -> Iterator[Aligner]:
    service = Aligner()
    yield service
    service.close()


def outputs(store: Store, *names: str) -> dict[str, Any]:
    return {name: store.target(name) for name in names}


def test_a_service_gets_the_form_and_its_answer_is_the_output(
    runner: Start, store: Store, aligner: Aligner
) -> None:
    texts = [store.add(f"in{n}", f"{n}".encode()) for n in range(3)]
    speech = store.add("speech", b"RIFF\0\0\0\0WAVE")
    records = runner(align=aligner.step).run("align", inputs={"text": texts, "speech": speech})
    assert records[-1]["type"] == "completed", records[-1]
    assert store.files["/out"] == b"words"
    (form,) = aligner.forms
    assert form["text"] == [b"0", b"1", b"2"]
    assert form["speech"] == [b"RIFF\0\0\0\0WAVE"]
    assert json.loads(form["parameters"][0]) == {"size": 3}


def test_json_names_outputs_by_address_text_or_base64(runner: Start, store: Store, aligner: Aligner) -> None:
    store.files["/made"] = b"from an address"
    named = {
        "a": {"url": f"{store.url}/made"},
        "b": {"text": "grün"},
        "c": {"base64": base64.b64encode(b"b\0").decode()},
    }
    aligner.answer = lambda _form: (200, JSON, json.dumps({"outputs": named}).encode())
    places = outputs(store, "a", "b", "c", "d")
    places["c"]["content_type"] = "application/octet-stream"
    places["d"]["required"] = False
    *_, last = runner(align=aligner.step).run("align", outputs=places)
    assert last["type"] == "completed", last
    assert [store.files[f"/{name}"] for name in "abc"] == [b"from an address", "grün".encode(), b"b\0"]
    assert set(last["step"]["outputs"]) == {"a", "b", "c"}


def test_json_that_names_no_outputs_is_the_only_output(runner: Start, store: Store, aligner: Aligner) -> None:
    aligner.answer = lambda _form: (200, JSON, b'{"words": []}')
    *_, last = runner(align=aligner.step).run("align")
    assert (last["type"], store.files["/out"]) == ("completed", b'{"words": []}')


@pytest.mark.parametrize(
    ("answer", "names", "words", "retryable"),
    [
        ((422, JSON, b'{"error": "no speech"}'), "a", 'answered 422: {"error": "no speech"}', False),
        ((500, PLAIN, b""), "a", "answered 500: no words", True),
        ((429, PLAIN, b"later"), "a", "answered 429: later", True),
        ((200, PLAIN, b"words"), "ab", "must answer with JSON, .*since there are: a, b", False),
        ((200, JSON, b'{"outputs": {"z": {"text": ""}}}'), "a", "names an output 'z'; there are: a", False),
        ((200, JSON, b'{"outputs": {"a": "text"}}'), "a", "give the output a as one of url, text", False),
        ((200, JSON, b'{"outputs": {"a": {"base64": "?"}}}'), "a", "output a cannot be had", False),
        (
            (200, JSON, b'{"outputs": {"a": {"url": "file:///etc"}}}'),
            "a",
            "must begin with http",
            False,
        ),
        ((200, JSON, b'{"outputs": {}}'), "a", "there is no output a", False),
        ((200, JSON, b"{"), "a", "answer is no JSON", False),
        ((200, PLAIN, b"x" * 200_000), "a", "more than 100000 bytes", False),
    ],
)
def test_an_answer_that_is_no_result_is_explained(
    runner: Start, store: Store, aligner: Aligner, answer: Answer, names: str, words: str, retryable: bool
) -> None:
    aligner.answer = lambda _form: answer
    *_, last = runner(align=aligner.step).run("align", outputs=outputs(store, *names))
    assert last["type"] == "failed"
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(last["error"]["message"])
    assert last["error"]["retryable"] == retryable


def test_a_service_that_is_not_there_is_tried_again_later(runner: Start, aligner: Aligner) -> None:
    aligner.close()
    *_, last = runner(align=aligner.step).run("align")
    assert (last["error"]["code"], last["error"]["retryable"]) == ("step_failed", True)
    assert last["error"]["message"].startswith(f"the service {aligner.step['url']} gave no answer")


def test_a_caller_that_goes_closes_the_connection(runner: Start, aligner: Aligner) -> None:
    aligner.holds = True
    one: Runner = runner(align=aligner.step)
    answer = one.open("align", one.order())
    assert aligner.arrived.wait(60)
    answer.close()
    one.connection.close()
    assert aligner.left.wait(60)
    assert one.server.free.acquire(timeout=60)
    one.server.free.release()

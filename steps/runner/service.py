"""Call an HTTP service as a step: a form in; the bytes of the one output, or all outputs by name, out.

An answer in JSON such as `{"outputs": {"words": {"url": "https://…"}}}` names each output: by `url`, `text`
or `base64`. Any other answer is the step's only output.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from steps.runner import transfer
from steps.runner.failures import Failed, Gone, Record
from steps.runner.multipart import Form

CONNECT_SECONDS = 10.0
LOOK = 0.05  # seconds between two looks whether to stop
BLOCK = 1 << 20
JSON_BYTES = 64 << 20  # of an answer that names outputs
MESSAGE_BYTES = 2000  # of an answer that goes into an error
TEMPORARY = (408, 425, 429)
FORMS = ("url", "text", "base64")


class Service:
    """One call of a service. It has no time limit: the caller of the attempt has one."""

    def __init__(self, url: str, folder: Path, outputs: Sequence[str]) -> None:
        self._url, self._folder, self._outputs = url, folder, outputs
        self._connection: http.client.HTTPConnection | None = None
        self._stopped = threading.Event()
        self._problem: BaseException | None = None

    def call(self, look: Callable[[], None]) -> None:
        """Call it. `look` is called meanwhile, and may raise to stop, which closes the connection."""
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                look()
                worker.join(LOOK)
        finally:
            self._stop()
            worker.join()
        if self._problem:
            raise self._problem

    def last_words(self) -> str:
        """Return the end of a message; a service leaves none."""
        return ""

    def _stop(self) -> None:
        self._stopped.set()
        opened = self._connection.sock if self._connection else None
        if opened:
            with contextlib.suppress(OSError):  # it is closed already
                opened.shutdown(socket.SHUT_RDWR)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Gone

    def _work(self) -> None:
        try:
            self._exchange()
        except (Failed, Gone) as error:
            self._problem = error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            self._problem = Failed("step_failed", f"the service {self._url} gave no answer: {reason}", True)

    def _exchange(self) -> None:
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = self._connection = kind(parts.netloc, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(None)
            self._send(connection, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
            self._take(connection.getresponse())
        finally:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, path: str) -> None:
        form = Form(self._folder / "parameters.json", self._folder / "inputs")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before the end
            connection.request("POST", path, body=self._watched(form), headers=form.headers)

    def _watched(self, form: Form) -> Iterator[bytes]:
        for block in form:
            self._check()
            yield block

    def _take(self, answer: http.client.HTTPResponse) -> None:
        """Write the outputs of an answer. Raises Failed."""
        if not 200 <= answer.status < 300:
            text = " ".join(answer.read(MESSAGE_BYTES).decode("utf-8", "replace").split())
            problem = f"the service answered {answer.status}: {text or 'no words'}"
            raise Failed("step_failed", problem, answer.status >= 500 or answer.status in TEMPORARY)
        body = self._folder / "answer"
        with body.open("wb") as out:
            while block := answer.read(BLOCK):
                self._check()
                out.write(block)
        described = self._described(answer, body)
        if described is None:
            self._only(body)
            return
        for name, value in described.items():
            self._write(name, value)

    def _described(self, answer: http.client.HTTPResponse, body: Path) -> Record | None:
        """Return the outputs that JSON names; None for an answer that is an output itself."""
        media = answer.headers.get_content_type()
        if media != "application/json" or body.stat().st_size > JSON_BYTES:
            return None
        try:
            value = json.loads(body.read_bytes())
        except ValueError as error:
            raise Failed("step_failed", f"the service's answer is no JSON: {error}") from error
        is_named = isinstance(value, dict) and value.keys() == {"outputs"}
        return value["outputs"] if is_named and isinstance(value["outputs"], dict) else None

    def _only(self, body: Path) -> None:
        if len(self._outputs) != 1:
            wanted = ", ".join(self._outputs)
            problem = f'the service must answer with JSON, {{"outputs": {{…}}}}, since there are: {wanted}'
            raise Failed("step_failed", problem)
        body.replace(self._folder / "outputs" / self._outputs[0])

    def _write(self, name: str, value: object) -> None:
        if name not in self._outputs:
            wanted = ", ".join(self._outputs)
            raise Failed("step_failed", f"the service names an output {name!r}; there are: {wanted}")
        target = self._folder / "outputs" / name
        if isinstance(value, dict) and len(value) == 1:
            ((form, text),) = value.items()
            if form in FORMS and isinstance(text, str):
                self._write_as(form, name, text, target)
                return
        raise Failed("step_failed", f"the service must give the output {name} as one of {', '.join(FORMS)}")

    def _write_as(self, form: str, name: str, text: str, target: Path) -> None:
        try:
            if form == "url":
                transfer.fetch(text, target, self._check)
            else:
                data = text.encode() if form == "text" else base64.b64decode(text, validate=True)
                target.write_bytes(data)
        except (OSError, http.client.HTTPException, binascii.Error) as error:
            problem = f"the output {name} cannot be had from the service's answer: {error}"
            raise Failed("step_failed", problem, isinstance(error, OSError)) from error

"""Logs are JSON objects that carry the job and the trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from eventing.contract.codecs.stream import stream_record
from eventing.contract.records.results import Manifest
from eventing.contract.telemetry import JsonFormatter, current_traceparent, job_context
from eventing.jobs import parse_request

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def line(message: str, *arguments: Any, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger("test").makeRecord(
        "test", logging.INFO, "file", 1, message, arguments, extra.pop("exc_info", None), extra=extra
    )
    entry: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return entry


def test_a_line_inside_a_job_names_the_job_and_continues_the_trace() -> None:
    tracer = TracerProvider().get_tracer("test")
    with job_context("job-1", TRACE), tracer.start_as_current_span("attempt"):
        entry = line("claimed by %s", "me", attempt=2)
        assert (current_traceparent() or "").split("-")[1] == "a" * 32
    assert (entry["message"], entry["job_id"], entry["trace_id"]) == ("claimed by me", "job-1", "a" * 32)
    assert (entry["level"], entry["attempt"]) == ("info", 2)
    assert "job_id" not in line("outside")


def test_a_traceback_is_inside_the_object() -> None:
    try:
        raise ValueError("the cause")
    except ValueError as error:
        entry = line("it failed", exc_info=(type(error), error, error.__traceback__))
    assert "ValueError: the cause" in entry["traceback"]


def test_a_message_with_the_colours_of_a_terminal_is_left_out() -> None:
    assert "color_message" not in line("Started", color_message="\x1b[36mStarted\x1b[0m")


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line("x", path=object)["path"].startswith("<class")


WORDS = "".join(["a ", "private ", "film"])  # nowhere in a source line, which tracebacks quote


@pytest.mark.parametrize(
    "read",
    [
        lambda: parse_request({"prompt": WORDS, "callback_url": f"ftp://{WORDS}/"}),
        lambda: Manifest.model_validate_json(json.dumps({"request": {"prompt": WORDS}})),
        lambda: stream_record.validate_python({"type": "completed", "result": {"warnings": WORDS}}),
    ],
    ids=["a request", "a manifest", "a record of a stream"],
)
def test_a_traceback_quotes_no_prompt_and_no_address(read: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:
        read()
    error = caught.value
    assert WORDS not in line("%s", error, exc_info=(type(error), error, error.__traceback__))["traceback"]

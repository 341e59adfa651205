"""Write logs as one JSON object a line, with the job and trace ids of the task that wrote them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from opentelemetry import trace

from eventing.contract.telemetry.spans import inside

_job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
# uvicorn repeats its message in color_message, with the colours of a terminal.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
NOISY = ("httpx", "botocore", "aiosqlite", "alembic.runtime", "uvicorn.access", "mcp")


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, job and trace ids, and the `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if job := _job_id.get():
            line["job_id"] = job
        if span.is_valid:
            line |= {"trace_id": format(span.trace_id, "032x"), "span_id": format(span.span_id, "016x")}
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logs(level: str = "INFO") -> None:
    """Set up logging to stderr. Call once, from a main."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def job_context(job_id: str | None, traceparent: str | None = None) -> Iterator[None]:
    """Give the job id to every log line inside, and make every span inside continue a trace."""
    job = _job_id.set(job_id)
    try:
        with inside(traceparent):
            yield
    finally:
        _job_id.reset(job)

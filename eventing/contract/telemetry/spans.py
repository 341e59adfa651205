"""Make spans: around a piece of work, or afterwards from two times that are known.

A span of hours, or one that another process may have to end, is made afterwards. The id of such a span can be
chosen, so that its children know it before it exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

CANCELLED = "cancelled"
Attributes = Mapping[str, str | bool | int | float]
_NONE: Attributes = {}
_propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("reelzero")
_chosen: ContextVar[int | None] = ContextVar("span_id", default=None)
_state = {"on": False}


class ChosenIds(RandomIdGenerator):
    """Random ids, but for the spans whose id is chosen."""

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        return _chosen.get() or super().generate_span_id()


def is_on() -> bool:
    """Tell whether this process makes spans."""
    return _state["on"]


def turn_on(provider: trace.TracerProvider) -> None:
    """Make spans from now on."""
    trace.set_tracer_provider(provider)
    _state["on"] = True


def context_of(traceparent: object) -> Context | None:
    """Return the context of a W3C traceparent. A malformed one has none: it starts a new trace."""
    return _context_of(traceparent) if isinstance(traceparent, str) else None


@lru_cache(maxsize=1024)  # the trace of a job is read for each of its steps and deliveries
def _context_of(traceparent: str) -> Context | None:
    context = _propagator.extract({"traceparent": traceparent})
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def continued(traceparent: object) -> str | None:
    """Return a traceparent as this release writes it; None if it is malformed."""
    return current_traceparent(context) if (context := context_of(traceparent)) is not None else None


def current_traceparent(context: Context | None = None) -> str | None:
    """Return the W3C traceparent of the current span; None outside any span."""
    current = trace.get_current_span(context).get_span_context()
    if not current.is_valid:
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def outer_traceparent() -> str | None:
    """Return the traceparent of the parent of the current span; None if it has none."""
    parent = getattr(trace.get_current_span(), "parent", None)
    if parent is None:
        return None
    return current_traceparent(trace.set_span_in_context(trace.NonRecordingSpan(parent)))


def with_span_id(traceparent: str | None, span_id: int) -> str | None:
    """Return the traceparent of another span of the same trace; None without a trace."""
    if (value := continued(traceparent)) is None:
        return None
    version, trace_id, _, flags = value.split("-")
    return f"{version}-{trace_id}-{span_id:016x}-{flags}"


def link_to(traceparent: str | None) -> tuple[Link, ...]:
    """Return a link to a span; none without one."""
    context = context_of(traceparent)
    return () if context is None else (Link(trace.get_current_span(context).get_span_context()),)


def exemplar() -> dict[str, str] | None:
    """Return the labels of an exemplar for the current span; None if no span of it is exported."""
    current = trace.get_current_span().get_span_context()
    if not (is_on() and current.is_valid and current.trace_flags.sampled):
        return None
    return {"trace_id": format(current.trace_id, "032x"), "span_id": format(current.span_id, "016x")}


@dataclass
class Failing:
    """The span of a piece of work, which may be marked as failed."""

    span: Span

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self.span.set_attributes(attributes)

    def fail(self, code: str) -> None:
        """Mark the span as failed, by a code: a message may quote the prompt. A cancel is no error."""
        self.span.set_attribute(ERROR_TYPE, code)
        if code != CANCELLED:
            self.span.set_status(StatusCode.ERROR, code)


@contextmanager
def inside(parent: str | None) -> Iterator[None]:
    """Run a piece of work in the context of a span; without a valid one, in the current context."""
    if (context := context_of(parent)) is None:
        yield
        return
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


@contextmanager
def span(
    name: str, parent: str | None = None, attributes: Attributes = _NONE,
    kind: SpanKind = SpanKind.INTERNAL, links: Sequence[Link] = (),
) -> Iterator[Failing]:  # fmt: skip
    """Make a span around a piece of work, below the current one or `parent`. An error marks it as failed.

    Without tracing, the work runs in the context of `parent`.
    """
    if not is_on():
        with inside(parent):
            yield Failing(trace.INVALID_SPAN)
        return
    with tracer.start_as_current_span(
        name, context_of(parent), kind=kind, attributes=attributes, links=links,
        record_exception=False, set_status_on_exception=False,
    ) as current:  # fmt: skip
        work = Failing(current)
        try:
            yield work
        except Exception as error:
            work.fail(code_of(error))
            raise


def record(
    name: str, parent: str | None, times: tuple[float, float], attributes: Attributes = _NONE, *,
    kind: SpanKind = SpanKind.INTERNAL, links: Sequence[Link] = (), error: str | None = None,
    span_id: int | None = None,
) -> None:  # fmt: skip
    """Make a span of the past, from two times in seconds since the epoch. Without a parent there is none."""
    if not is_on() or (context := context_of(parent)) is None:
        return
    start, end = times
    token = _chosen.set(span_id)
    try:
        past = tracer.start_span(
            name, context, kind, attributes=attributes, links=links, start_time=_nanoseconds(start)
        )
    finally:
        _chosen.reset(token)
    if error is not None:
        Failing(past).fail(error)
    past.end(_nanoseconds(max(start, end)))


def code_of(error: BaseException) -> str:
    """Return the code of an error of ours, or the name of its class."""
    code: Any = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)

"""A real OTLP receiver, by HTTP and gRPC, that keeps the spans of other processes; and their tree as text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tests.support.waiting import LIMIT

KINDS = {one.number: one.name.removeprefix("SPAN_KIND_").lower() for one in Sent.SpanKind.DESCRIPTOR.values}


@dataclass(frozen=True)
class Span:
    """One span as it arrived. Times are in nanoseconds since the epoch."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]  # of trace and span
    error: str | None

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start) / 1e6


def read(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of one request."""
    for resource in request.resource_spans:
        service = str(_values(resource.resource.attributes).get("service.name"))
        for scope in resource.scope_spans:
            for sent in scope.spans:
                yield _span(service, sent)


def draw(spans: list[Span], *, with_times: bool = False) -> str:
    """The spans as trees, each level in order of its starts. A link is shown by the name of its target."""
    ids = {span.id for span in spans}
    roots = sorted((span for span in spans if span.parent not in ids), key=lambda span: span.start)
    lines: list[str] = []
    for root in roots:
        lines.append(_label(root, spans, with_times))
        _draw_below(root, spans, "", lines, with_times)
    return "\n".join(lines)


@dataclass
class Collector(TraceServiceServicer):
    """Listens on two free loopback ports. While `hangs` is set, it takes spans and never answers."""

    spans: list[Span] = field(default_factory=list)
    hangs: asyncio.Event | None = None
    held: int = 0  # requests that got no answer

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/traces", self._post)
        self._changed = asyncio.Condition()
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._grpc = grpc.aio.server()
        add_TraceServiceServicer_to_server(self, self._grpc)  # type: ignore[no-untyped-call] # generated
        self.grpc = f"http://127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        await self._grpc.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._grpc.stop(None)
        await self._runner.cleanup()

    async def until(self, trace: str, *names: str) -> list[Span]:
        """All spans of a trace, once spans of these names are among them, as often as they are given."""

        def complete(spans: list[Span]) -> bool:
            have = [span.name for span in spans]
            return all(have.count(name) >= names.count(name) for name in names)

        return await self.when(lambda spans: complete([span for span in spans if span.trace == trace]), trace)

    async def when(self, enough: Callable[[list[Span]], bool], trace: str | None = None) -> list[Span]:
        """The spans of a trace, or all, once there are enough."""
        try:
            async with asyncio.timeout(LIMIT), self._changed:
                await self._changed.wait_for(lambda: enough(self.spans))
        except TimeoutError as error:
            raise AssertionError(f"these spans are not enough:\n{draw(self.spans)}") from error
        return [span for span in self.spans if trace in (None, span.trace)]

    async def _post(self, request: web.Request) -> web.Response:
        await self._take(ExportTraceServiceRequest.FromString(await request.read()))
        body = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")

    async def Export(  # noqa: N802 - gRPC's name for it
        self, request: ExportTraceServiceRequest, _context: object
    ) -> ExportTraceServiceResponse:
        await self._take(request)
        return ExportTraceServiceResponse()

    async def _take(self, request: ExportTraceServiceRequest) -> None:
        if self.hangs is not None:
            self.held += 1
            async with self._changed:
                self._changed.notify_all()
            await self.hangs.wait()
        async with self._changed:
            self.spans += read(request)
            self._changed.notify_all()


def _span(service: str, sent: Sent) -> Span:
    is_error = sent.status.code == 2  # STATUS_CODE_ERROR
    return Span(
        service, sent.name, KINDS[sent.kind], sent.trace_id.hex(), sent.span_id.hex(),
        sent.parent_span_id.hex(), sent.start_time_unix_nano, sent.end_time_unix_nano,
        _values(sent.attributes), tuple((link.trace_id.hex(), link.span_id.hex()) for link in sent.links),
        sent.status.message if is_error else None,
    )  # fmt: skip


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


def _draw_below(parent: Span, spans: list[Span], indent: str, lines: list[str], with_times: bool) -> None:
    children = sorted((span for span in spans if span.parent == parent.id), key=lambda span: span.start)
    for child in children:
        is_last = child is children[-1]
        lines.append(f"{indent}{'└─' if is_last else '├─'} {_label(child, spans, with_times)}")
        _draw_below(child, spans, indent + ("   " if is_last else "│  "), lines, with_times)


def _label(span: Span, spans: list[Span], with_times: bool) -> str:
    number = span.attributes.get("reelzero.attempt") if span.name == "attempt" else None
    label = f"{span.name} {number}" if number else span.name
    if span.error:
        label += f" [error: {span.error}]"
    for _, target in span.links:
        label += "".join(f" (after {_label_of_link(one)})" for one in spans if one.id == target)
    return f"{label}  ({span.service}, {span.milliseconds:.0f} ms)" if with_times else label


def _label_of_link(span: Span) -> str:
    number = span.attributes.get("reelzero.attempt")
    return f"{span.name} {number}" if number else span.name

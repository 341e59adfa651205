"""A collector that is away, slow or wrongly named costs spans, never work: one clear line in the log."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.predictor.process import ROOT
from tests.support.collector import Collector
from tests.support.ports import free_port
from tests.support.waiting import LIMIT

WORK = """
import sys, time
from eventing.contract import telemetry
telemetry.configure("work")
for number in range(int(sys.argv[1])):
    with telemetry.span("piece"):
        pass
    time.sleep(float(sys.argv[2]))
print("done", flush=True)
sys.stdin.readline()
telemetry.close(float(sys.argv[3]))
"""


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as collector:
        yield collector


async def begin(pieces: int, pause: float, closing: float, **variables: str) -> Process:
    """A process that has made its spans, and waits for a line before it ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORK, str(pieces), str(pause), str(closing)),
        cwd=ROOT, env=clean | variables, stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stdout
    async with asyncio.timeout(LIMIT):
        assert await process.stdout.readline() == b"done\n"
    return process


async def end(process: Process) -> list[dict[str, Any]]:
    """Let it end well; what it has logged."""
    async with asyncio.timeout(LIMIT):
        _, log = await process.communicate(b"\n")
    assert process.returncode == 0
    return [json.loads(line) for line in log.decode().splitlines()]


async def test_a_buffer_is_bounded_while_the_collector_hangs(collector: Collector) -> None:
    collector.hangs = asyncio.Event()
    limits = {"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
    limits["OTEL_EXPORTER_OTLP_TIMEOUT"] = str(int(LIMIT))  # seconds: only the collector ends the wait
    process = await begin(1000, 0, 30, OTEL_EXPORTER_OTLP_ENDPOINT=collector.http, **limits)
    await collector.when(lambda _: collector.held > 0)
    collector.hangs.set()
    lines = await end(process)
    assert 0 < len(collector.spans) <= 8 + 16  # the batch that hung, and a full buffer
    assert [line["message"] for line in lines].count("Queue full, dropping Span.") == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_a_collector_that_is_away_is_logged_once(protocol: str) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    short = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_SCHEDULE_DELAY": "10"}  # seconds, milliseconds
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    process = await begin(4, 1, LIMIT, **variables, **short)
    (line,) = await end(process)
    assert (line["level"], line["logger"]) == ("warning", "eventing.contract.telemetry.exporters")
    assert f"traces are not sent to {endpoint}" in line["message"]
    assert "traceback" not in line


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must begin with http://"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "it must be otlp, console or none"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "it must be grpc or http/protobuf",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
             "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
            "no traces are sent",
        ),
    ],
    ids=["no scheme", "exporter", "protocol", "timeout"],
)  # fmt: skip
async def test_a_variable_that_does_not_fit_is_logged_once(variables: dict[str, str], words: str) -> None:
    (line,) = await end(await begin(2, 0, 1, **variables))
    assert line["level"] == "warning"
    assert words in line["message"]


@pytest.mark.parametrize(
    "off",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_SAMPLER": "always_off"}],
    ids=["disabled", "no exporter", "sampler"],
)
async def test_the_standard_variables_turn_traces_off(collector: Collector, off: dict[str, str]) -> None:
    process = await begin(2, 0, 10, OTEL_EXPORTER_OTLP_ENDPOINT=collector.http, **off)
    assert (await end(process), collector.spans) == ([], [])


async def test_the_environment_names_the_service(collector: Collector) -> None:
    names = {"OTEL_SERVICE_NAME": "films", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    await end(await begin(1, 0, 10, OTEL_EXPORTER_OTLP_ENDPOINT=collector.http, **names))
    assert [(span.service, span.name) for span in collector.spans] == [("films", "piece")]

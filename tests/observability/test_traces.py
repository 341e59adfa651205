"""One trace from the producer to each delivery, over real processes, as an OTLP receiver gets it.

`reelzero serve` in a process of its own sends by HTTP; a predictor with the model in the box sends by gRPC.
The model `tiny` is a predictor in this process that fails as its script says. `make test-observability` shows
the trees.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
import pytest_asyncio
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.testing import FakePredictor, Script
from tests.integration.predictor.process import Predictor
from tests.integration.predictor.serving import serving
from tests.observability.shown import show
from tests.observability.traced import (
    AT_PREDICTOR,
    PRODUCER,
    PROMPT,
    SECRET,
    Installation,
    otlp,
    traceparent,
)
from tests.support.collector import Collector, Span, draw
from tests.support.receivers import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, s3: S3Location, bucket: Bucket
) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("traces")
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    storage = keys | {"REELZERO_S3_ENDPOINT": s3.endpoint or "", "REELZERO_S3_BUCKET": s3.bucket}
    async with Collector() as collector, Receiver() as receiver, FakePredictor(bucket) as fake:
        env = storage | otlp(collector.grpc, "grpc") | {"REELZERO_MODEL": "shapes-tiny"}
        predictor = Predictor(env, folder / "predictor.log")
        try:
            endpoints = [
                {"model": "shapes-tiny", "url": f"http://127.0.0.1:{predictor.port}"},
                {"model": "tiny", "url": fake.url},
            ]
            async with serving(
                folder, storage | otlp(collector.http, "http/protobuf"), "",
                endpoints=json.dumps(endpoints), sink_url=receiver.url("sink"), retry_seconds=0.05,
                webhook_secrets=SECRET, webhook_allow="127.0.0.0/8",
            ) as service:  # fmt: skip
                await asyncio.to_thread(predictor.wait, "/v2/models/shapes-tiny/ready")
                yield Installation(service, predictor, fake, collector, receiver, folder)
        finally:
            predictor.process.kill()
            predictor.process.wait()


def one(spans: list[Span], name: str) -> Span:
    (span,) = [span for span in spans if span.name == name]
    return span


HTTP_TREE = """\
POST /v1/jobs
├─ intake
├─ queue
└─ attempt 1
   ├─ load
   ├─ start
   └─ POST /v2/models/{name}/generate_stream
      └─ generate
         ├─ encode_prompt
         ├─ denoise
         ├─ decode
         ├─ encode_video
         └─ upload"""


async def test_one_trace_from_the_request_to_each_delivery(installation: Installation) -> None:
    headers = {"traceparent": traceparent("1")}
    fields = {
        "model": "shapes-tiny",
        "num_inference_steps": 2,
        "callback_url": installation.receiver.url("hook"),
    }
    job_id = await installation.service.submit(prompt=PROMPT, headers=headers, **fields)
    assert (await installation.service.ended(job_id))["status"] == "completed"
    deliveries = ["deliver sink", "deliver sink", "deliver s3", "deliver webhook"]
    waits = "intake", "queue", "attempt", "start", "load", "POST /v2/models/{name}/generate_stream"
    spans = await installation.collector.until("1" * 32, *waits, *AT_PREDICTOR, *deliveries)
    show("http", draw(spans, with_times=True))
    root, attempt = one(spans, "POST /v1/jobs"), one(spans, "attempt")
    assert draw([span for span in spans if not span.name.startswith("deliver ")]) == HTTP_TREE
    assert sorted(span.name for span in spans if span.parent == root.id)[1:5] == sorted(deliveries)
    assert root.parent == PRODUCER
    assert root.attributes["http.response.status_code"] == 202
    assert {span.service for span in spans} == {"reelzero-eventing", "reelzero-predictor"}
    assert attempt.attributes["gen_ai.request.model"] == "shapes-tiny"
    assert one(spans, "start").attributes["reelzero.cold_start"] is True
    assert one(spans, "queue").end == attempt.start
    job = await installation.service.job(job_id)
    assert job["trace_id"] == "1" * 32
    assert PROMPT not in str(spans), "no prompt in a span, unless a setting asks for it"
    mine = [line for line in installation.logs() if line.get("job_id") == job_id]
    assert {line["trace_id"] for line in mine} == {"1" * 32}
    assert {"claimed", "job taken", "event delivered"} <= {line["message"] for line in mine}


async def test_receivers_can_continue_the_trace(installation: Installation) -> None:
    headers = {"traceparent": traceparent("2")}
    hook = installation.receiver.url("hook2")
    job_id = await installation.service.submit(
        prompt=PROMPT, model="tiny", headers=headers, callback_url=hook
    )
    delivery = await installation.receiver.wait_for(lambda delivery: delivery.path == "/hook2")
    spans = await installation.collector.until("2" * 32, "deliver webhook")
    webhook = one(spans, "deliver webhook")
    assert delivery.headers["traceparent"] == f"00-{'2' * 32}-{webhook.id}-01"
    assert delivery.event["traceparent"] == f"00-{'2' * 32}-{one(spans, 'POST /v1/jobs').id}-01"
    assert webhook.attributes["http.response.status_code"] == 200
    assert webhook.attributes["cloudevents.event_type"] == delivery.event["type"]
    assert job_id in delivery.event["id"]


RETRIED = """\
POST /v1/jobs
├─ intake
├─ queue
├─ attempt 1 [error: out_of_memory]
│  └─ start
├─ queue
└─ attempt 2 (after attempt 1)
   └─ start"""


async def test_a_retry_is_linked_to_the_attempt_before(installation: Installation) -> None:
    failure = Failure(code="out_of_memory", message=f"no room for {PROMPT}", retryable=True)
    installation.fake.scripts[:] = [Script(failure=failure)]
    job_id = await installation.service.submit(
        prompt=PROMPT, model="tiny", headers={"traceparent": traceparent("3")}
    )
    assert (await installation.service.ended(job_id))["status"] == "completed"
    spans = await installation.collector.until("3" * 32, "attempt", "attempt", "deliver s3", "deliver sink")
    show("retry", draw(spans, with_times=True))
    assert draw([span for span in spans if not span.name.startswith("deliver ")]) == RETRIED
    first, second = sorted((span for span in spans if span.name == "attempt"), key=lambda span: span.start)
    assert second.links == (("3" * 32, first.id),)
    assert (first.error, first.attributes["error.type"]) == ("out_of_memory", "out_of_memory")
    assert [second.error, first.kind] == [None, "client"]
    assert PROMPT not in str(spans)


async def test_a_cloud_event_continues_the_trace_of_its_producer(installation: Installation) -> None:
    event = {
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "dev.reelzero.video.requested.v1",
        "traceparent": traceparent("4"), "data": {"prompt": PROMPT, "model": "tiny"},
    }  # fmt: skip
    headers = {"content-type": "application/cloudevents+json", "traceparent": traceparent("5")}
    await installation.service.post("/events", 202, data=json.dumps(event), headers=headers)
    spans = await installation.collector.until(
        "4" * 32, "attempt", "deliver s3", "deliver sink", "deliver sink"
    )
    (request,) = await installation.collector.until("5" * 32, "POST /events")
    show("event", draw(spans, with_times=True))
    process = one(spans, "process event")
    assert (process.parent, process.kind) == (PRODUCER, "consumer")
    assert process.links == (("5" * 32, request.id),)
    assert process.attributes["cloudevents.event_source"] == "/shop"
    for name in ("intake", "queue", "attempt", "deliver s3"):
        assert one(spans, name).parent == process.id


async def test_a_refused_event_and_its_announcement_are_in_the_trace(
    installation: Installation,
) -> None:
    event = {
        "specversion": "1.0", "id": "2", "source": "/shop", "type": "dev.reelzero.video.requested.v1",
        "traceparent": traceparent("6"), "data": {"prompt": PROMPT, "fps": PROMPT},
    }  # fmt: skip
    headers = {"content-type": "application/cloudevents+json"}
    await installation.service.post("/events", 422, data=json.dumps(event), headers=headers)
    delivery = await installation.receiver.wait_for_type("rejected")
    spans = await installation.collector.until("6" * 32, "process event", "deliver sink")
    assert one(spans, "process event").error == "invalid_request"
    assert delivery.headers["traceparent"] == f"00-{'6' * 32}-{one(spans, 'deliver sink').id}-01"
    assert PROMPT not in str(spans)


async def test_a_v2_inference_by_grpc_is_part_of_the_trace(installation: Installation) -> None:
    def text(name: str, value: str) -> pb.ModelInferRequest.InferInputTensor:
        content = pb.InferTensorContents(bytes_contents=[value.encode()])
        return pb.ModelInferRequest.InferInputTensor(name=name, datatype="BYTES", shape=[1], contents=content)

    inputs = [text("prompt", PROMPT), text("num_inference_steps", "1")]
    request = pb.ModelInferRequest(model_name="shapes-tiny", inputs=inputs)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{installation.predictor.grpc_port}") as channel:
        call = GRPCInferenceServiceStub(channel).ModelInfer
        await call(request, metadata=[("traceparent", traceparent("7"))], wait_for_ready=True)
    name = "inference.GRPCInferenceService/ModelInfer"
    spans = await installation.collector.until("7" * 32, name, *AT_PREDICTOR)
    show("grpc", draw(spans, with_times=True))
    root, generate = one(spans, name), one(spans, "generate")
    assert (root.parent, root.kind, root.attributes["rpc.system"]) == (PRODUCER, "server", "grpc")
    assert generate.parent == root.id
    stages = sorted((span for span in spans if span.parent == generate.id), key=lambda span: span.start)
    assert tuple(span.name for span in stages) == AT_PREDICTOR[1:]


@pytest.mark.parametrize("header", ["nonsense", f"00-{'0' * 32}-{PRODUCER}-01", "00-Ä-x-01"])
async def test_a_malformed_traceparent_starts_a_new_trace(installation: Installation, header: str) -> None:
    job_id = await installation.service.submit(prompt=PROMPT, model="tiny", headers={"traceparent": header})
    job = await installation.service.ended(job_id)
    assert job["status"] == "completed"
    trace = str(job["trace_id"])
    spans = await installation.collector.until(trace, "POST /v1/jobs", "attempt")
    assert one(spans, "POST /v1/jobs").parent == ""


async def test_a_caller_that_samples_nothing_gets_no_spans(installation: Installation) -> None:
    header = traceparent("8").removesuffix("01") + "00"
    hook = installation.receiver.url("unsampled")
    await installation.service.submit(
        prompt=PROMPT, model="tiny", headers={"traceparent": header}, callback_url=hook
    )
    delivery = await installation.receiver.wait_for(lambda delivery: delivery.path == "/unsampled")
    assert delivery.headers["traceparent"].split("-")[1::2] == ["8" * 32, "00"]
    assert not [span for span in installation.collector.spans if span.trace == "8" * 32]


async def test_no_span_has_the_words_of_a_search(installation: Installation) -> None:
    await installation.service.jobs({"traceparent": traceparent("a")}, search=PROMPT)
    request = one(await installation.collector.until("a" * 32, "GET /v1/jobs"), "GET /v1/jobs")
    assert request.attributes["url.query"] == "REDACTED"
    assert "zanzibar" not in str(request)


async def test_a_cancelled_job_that_waited_has_the_span_of_its_wait(installation: Installation) -> None:
    gate = asyncio.Event()
    installation.fake.scripts[:] = [Script(gate=gate)]
    running = await installation.service.submit(prompt=PROMPT, model="tiny")  # takes the only slot
    headers = {"traceparent": traceparent("b")}
    waiting = await installation.service.submit(headers, prompt=PROMPT, model="tiny")
    for _ in range(2):  # the second call finds an ended job
        await installation.service.cancel(waiting)
    gate.set()
    assert (await installation.service.ended(running))["status"] == "completed"
    spans = await installation.collector.until("b" * 32, "queue", "deliver sink")
    assert one(spans, "queue").error is None
    assert not [span for span in spans if span.name == "attempt"]


async def test_a_collector_that_hangs_delays_no_job(installation: Installation) -> None:
    collector = installation.collector
    collector.held, collector.hangs = 0, asyncio.Event()
    job_id = await installation.service.submit({"traceparent": traceparent("9")}, prompt=PROMPT, model="tiny")
    await collector.when(lambda _: collector.held > 0)
    assert (await installation.service.ended(job_id))["status"] == "completed"
    collector.hangs.set()
    collector.hangs = None
    assert await collector.until("9" * 32, "attempt", "deliver s3")


async def test_histograms_name_traces_as_exemplars(installation: Installation) -> None:
    text = await installation.service.metrics()
    for name in ("reelzero_job_seconds", "reelzero_delivery_seconds", "reelzero_http_request_seconds"):
        traces = set(re.findall(rf'{name}_bucket.* # {{.*trace_id="(\w+)"', text))
        assert traces
        await installation.collector.when(has_all(traces))


def has_all(traces: set[str]) -> Callable[[list[Span]], bool]:
    return lambda spans: traces <= {span.trace for span in spans}


async def test_every_line_of_the_logs_is_json_without_colour_or_prompt(installation: Installation) -> None:
    lines = installation.logs()
    assert lines
    assert PROMPT not in json.dumps(lines)
    assert "\\u001b" not in json.dumps(lines)

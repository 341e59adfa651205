"""Run V2 requests on the worker, for REST (routes.py) and gRPC (`predict`), and map errors to gRPC."""

from __future__ import annotations

from typing import Any

from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve.model import Model
from kserve.protocol.infer_type import InferRequest, InferResponse

from eventing.contract import v2
from eventing.contract.codecs.stream import FailedRecord, InlineVideo
from eventing.contract.errors import (
    Cancelled,
    GenerationError,
    GenerationTimeout,
    NotFound,
    OutOfMemory,
    ReelzeroError,
    Unavailable,
)
from eventing.contract.records.results import VideoResult
from eventing.contract.telemetry import current_traceparent
from predictor.device.run import Run
from predictor.device.worker import Worker
from predictor.generation.attempt import Attempt, make_attempt
from predictor.serving import connection, tensors, tracing

GRPC_STATUS: dict[type[ReelzeroError], StatusCode] = {
    Unavailable: StatusCode.UNAVAILABLE,
    Cancelled: StatusCode.CANCELLED,
    NotFound: StatusCode.NOT_FOUND,
}


class FailedAttempt(GenerationError):
    """A run ended with a failed record. Carries the code of that record."""

    def __init__(self, record: FailedRecord) -> None:
        super().__init__(record.error.message)
        self.code = record.error.code
        self.retryable = record.error.retryable


class VideoModel(Model):  # type: ignore[misc] # kserve ships no types
    """One catalog model, served by one worker."""

    def __init__(self, worker: Worker, heartbeat_seconds: float) -> None:
        super().__init__(worker.entry.name)
        self.worker = worker
        self.heartbeat_seconds = heartbeat_seconds

    async def healthy(self) -> bool:
        """Return whether jobs are taken. A busy predictor is healthy."""
        return self.worker.ready

    def load(self) -> bool:
        """Refuse. The worker loads in its own thread; KServe would load on the event loop."""
        raise RuntimeError("the weights are loaded in the background")

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the inputs for the V2 metadata."""
        return v2.tensors(v2.INPUTS)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the outputs for the V2 metadata."""
        return v2.tensors(v2.OUTPUTS)

    async def predict(
        self, payload: InferRequest, headers: dict[str, str] | None = None, response_headers: Any = None
    ) -> InferResponse:
        """Run a V2 inference of gRPC to its end; those of HTTP come through routes.py."""
        try:
            with tracing.grpc_call(headers):
                return await self._infer(payload, current_traceparent())
        except ReelzeroError as error:
            if payload.from_grpc:
                raise to_grpc(error) from error
            raise

    def begin(self, attempt: Attempt) -> Run:
        """Take the device, and cancel when the client closes its connection. Raises as Worker.take does."""
        run = self.worker.take(attempt)
        if times := self.worker.take_load():
            tracing.record_load(times, self.name)
        if (caller := connection.current.get()) is not None:
            caller.when_gone(run.cancel)
        return run

    async def finish(self, run: Run) -> VideoResult | InlineVideo:
        """Wait for the result of a run. Raises FailedAttempt with the code of the failure."""
        record = await run.result(self.heartbeat_seconds)
        if isinstance(record, FailedRecord):
            raise FailedAttempt(record)
        result = record.result or record.inline
        assert result is not None, "a completed record has a result"  # noqa: S101 - for the type checker
        return result

    async def _infer(self, request: InferRequest, traceparent: str | None) -> InferResponse:
        attempt = make_attempt(self.worker.entry, tensors.read_fields(request), traceparent)
        result = await self.finish(self.begin(attempt))
        return tensors.answer(request, self.worker.entry.revision, result)


def to_grpc(error: ReelzeroError) -> GrpcException:
    """Return the gRPC status of an error, with `code: message` as its details."""
    details = f"{error.code}: {error.sentence()}"
    for kind, status in GRPC_STATUS.items():
        if isinstance(error, kind):
            return GrpcException(details=details, status_code=status)
    if error.code == OutOfMemory.code:
        return GrpcException(details=details, status_code=StatusCode.RESOURCE_EXHAUSTED)
    if error.code == GenerationTimeout.code:
        return GrpcException(details=details, status_code=StatusCode.DEADLINE_EXCEEDED)
    if error.status == 503:
        return GrpcException(details=details, status_code=StatusCode.UNAVAILABLE)
    if error.status < 500:
        return GrpcException(details=details, status_code=StatusCode.INVALID_ARGUMENT)
    return GrpcException(details=details, status_code=StatusCode.INTERNAL)

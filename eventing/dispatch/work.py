"""What an attempt does on its worker, and where its result lies: one way for videos, one for other steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from eventing.contract.budget import Budget
from eventing.contract.catalog import Catalog
from eventing.contract.codecs.stream import Assignment, CompletedRecord, GenerateBody
from eventing.contract.records.results import VideoResult
from eventing.contract.records.steps import StepResult
from eventing.contract.storage.s3_http import ObjectClient
from eventing.dispatch import results, step_results
from eventing.dispatch.predictor_client import Broken, NoSpec, OnFree, OnRecord, PredictorClient
from eventing.dispatch.step_orders import StepOrders
from eventing.domain.job import Job
from eventing.domain.kinds import Kind, Result

PATH = "{}/v2/models/{}/generate_stream"


@dataclass(frozen=True)
class Reports:
    """Who hears of an attempt: of each record, and of the moment when its device is free."""

    record: OnRecord
    free: OnFree


class Work(Protocol):
    """The work of one kind of jobs."""

    async def run(self, url: str, job: Job, reports: Reports) -> Result:
        """Return the result that the worker reports. Raises as PredictorClient.stream."""

    async def find(self, job: Job, attempt: int) -> Result | None:
        """Return the verified result of an attempt in S3; None without one.

        Raises WrongResult, StorageError.
        """


class VideoWork:
    """A predictor makes a video."""

    def __init__(self, client: PredictorClient, objects: ObjectClient, catalog: Catalog) -> None:
        self._client, self._objects, self._catalog = client, objects, catalog

    async def run(self, url: str, job: Job, reports: Reports) -> VideoResult:
        """Return the result that the predictor reports."""
        assignment = Assignment(spec=job.video, job_id=job.id, attempt=job.attempt)
        budget = self._catalog.get(job.model).budget
        address = PATH.format(url, job.model)
        try:
            record = await self._stream(address, GenerateBody.of(assignment), budget, reports)
        except NoSpec:
            record = await self._stream(address, GenerateBody.flat(assignment), budget, reports)
        if record.result is None:
            raise Broken("the predictor answered without a result in S3")
        return record.result

    async def find(self, job: Job, attempt: int) -> VideoResult | None:
        """Return the verified result of an attempt in S3."""
        return await results.find(self._objects, job, attempt)

    async def _stream(
        self, address: str, body: GenerateBody, budget: Budget, reports: Reports
    ) -> CompletedRecord:
        return await self._client.stream(
            address, body.model_dump(mode="json"), budget, reports.record, reports.free
        )


class StepWork:
    """A runner makes the outputs of another step. It gets signed addresses, so it needs no keys of S3."""

    def __init__(self, client: PredictorClient, objects: ObjectClient, orders: StepOrders) -> None:
        self._client, self._objects, self._orders = client, objects, orders

    async def run(self, url: str, job: Job, reports: Reports) -> StepResult:
        """Return the result that the runner reports."""
        body = {"id": job.id, "parameters": {"step": await self._orders.order(job)}}
        budget = self._orders.budget(job)
        address = PATH.format(url, job.model)
        record = await self._client.stream(address, body, budget, reports.record, reports.free)
        if record.step is None:
            raise Broken("the runner answered without the result of a step")
        return record.step

    async def find(self, job: Job, attempt: int) -> StepResult | None:
        """Return the verified result of an attempt in S3."""
        return await step_results.find(self._objects, job, attempt)


Works = dict[Kind, Work]

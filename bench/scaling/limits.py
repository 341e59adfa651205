"""Where our own parts end: what a number of busy GPUs asks of the database, the bucket and the broker.

Each part has a rate that grows with the GPUs and one that one of it was measured to bear. The measured rates
come from 2 cores and carry over as ratios only: docs/scale.md names their source beside a peer's.
"""

from __future__ import annotations

from dataclasses import dataclass

LEASE_SECONDS = 30.0  # REELZERO_LEASE_SECONDS; a holder renews after a third of it
OBJECTS = 6  # PUTs of a job: video, poster, sprite sheet, manifest, one preview, the event of its end
EVENTS = 3  # events of a job: requested comes in; started and completed go out
CAPACITY = 1000  # the largest capacity of one endpoint


@dataclass(frozen=True)
class Part:
    """A part of the installation."""

    name: str
    per_job: float  # what a job asks of it
    per_lease: float  # what a running job asks of it at each renewal
    bears: float  # a second, of one of it
    remedy: str


# bench.queue: 74 jobs a second of 17 statements each. One thread of boto3: 416 PUTs a second. The Broker in
# memory, took 20 events in 2.4 s on two busy cores.
PARTS = (
    Part("a replica of eventing: jobs", 1.0, 0.0, 74.0, "more replicas, on cores of their own"),
    Part("the database: statements", 17.0, 1.0, 74.0 * 17.0,
         "a larger machine; a longer `REELZERO_LEASE_SECONDS`; an installation for each model"),
    Part("S3 on one machine: PUTs", float(OBJECTS), 0.0, 416.0, "a store of several machines"),
    Part("the Broker, in memory: events", float(EVENTS), 0.0, 20.0 / 2.4,
         "Kafka with partitions; producers that call `POST /events` or `/v1/jobs` themselves"),
)  # fmt: skip


def rate(part: Part, gpus: float, job_seconds: float, lease_seconds: float = LEASE_SECONDS) -> float:
    """Return what a number of GPUs that all make videos asks of a part in a second."""
    return gpus * (part.per_job / job_seconds + part.per_lease * 3.0 / lease_seconds)


def most_gpus(part: Part, job_seconds: float, lease_seconds: float = LEASE_SECONDS) -> float:
    """Return how many busy GPUs one of a part bears."""
    return part.bears / rate(part, 1.0, job_seconds, lease_seconds)

"""Declare every metric once: its name, type, help, labels, service, and how to read it over replicas.

`CATALOGUE` holds all declarations that are imported. `docs/metrics.md` is made from it. Counters and
histograms are kept by prometheus_client. The values of a `Family` are read at a scrape.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# No second series, of the time of its making, beside each counter: no reader here needs it.
disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client leaves it untyped

# Videos take minutes, so these reach half an hour. Requests and transactions take milliseconds.
JOB_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

Sample = tuple[tuple[str, ...], float]  # values of the labels, and the number


class Service(StrEnum):
    """Which service serves a metric."""

    eventing = "eventing"
    predictor = "predictor"
    both = "both"


class Reading(StrEnum):
    """How to read a metric of several replicas."""

    total = "sum"  # each replica counts what it does
    same = "max"  # read from the database, so that all replicas show the same number
    each = "each"  # of one process or machine


@dataclass(frozen=True)
class Declaration:
    """One metric. A counter's name ends in `_total`."""

    name: str
    kind: str  # counter | gauge | histogram
    help: str
    labels: tuple[str, ...]
    service: Service
    reading: Reading


CATALOGUE: dict[str, Declaration] = {}


def counter(service: Service, name: str, text: str, *labels: str) -> Counter:
    """Declare and make a counter."""
    _declare(name, "counter", text, labels, service, Reading.total)
    return Counter(name, text, labels)


def histogram(
    service: Service, name: str, text: str, *labels: str, buckets: Iterable[float] = JOB_SECONDS
) -> Histogram:
    """Declare and make a histogram of seconds."""
    _declare(name, "histogram", text, labels, service, Reading.total)
    return Histogram(name, text, labels, buckets=tuple(buckets))


def gauge(service: Service, name: str, text: str, *labels: str) -> Gauge:
    """Declare and make a gauge that the process sets."""
    _declare(name, "gauge", text, labels, service, Reading.each)
    return Gauge(name, text, labels)


@dataclass(frozen=True)
class Family:
    """A metric whose values are read at each scrape."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]

    def of(self, samples: Iterable[Sample]) -> GaugeMetricFamily | CounterMetricFamily:
        """Return the metric with these values."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        metric = make(self.name, self.help, labels=self.labels)
        for labels, value in samples:
            metric.add_metric(list(labels), value)
        return metric


def family(
    service: Service, reading: Reading, name: str, text: str, *labels: str, kind: str = "gauge"
) -> Family:
    """Declare a metric that is read at each scrape."""
    _declare(name, kind, text, labels, service, reading)
    return Family(name, kind, text, labels)


def _declare(
    name: str, kind: str, text: str, labels: tuple[str, ...], service: Service, reading: Reading
) -> None:
    CATALOGUE[name] = Declaration(name, kind, text, labels, service, reading)

"""Read a scrape: its samples by name and labels, and its text."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Scrape:
    """The samples of one text in Prometheus' format."""

    text: str
    samples: dict[Key, float] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Scrape:
        """Parse a text."""
        samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }
        return cls(text, samples)

    def value(self, name: str, **labels: str) -> float | None:
        """The sample with exactly these labels; None if there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def names(self) -> set[str]:
        """The names of the samples, without the ends that histograms add."""
        ends = ("_bucket", "_count", "_sum", "_created")
        names = set()
        for name, _ in self.samples:
            end = next((each for each in ends if name.endswith(each)), "")
            names.add(name.removesuffix(end))
        return names


def rise(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    """How much a sample rose from one scrape to a later one; one that was not there counts as 0."""
    return (after.value(name, **labels) or 0.0) - (before.value(name, **labels) or 0.0)


def lint(text: str) -> str:
    """What promtool finds in a scrape; empty if nothing."""
    run = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return (run.stdout + run.stderr).strip()

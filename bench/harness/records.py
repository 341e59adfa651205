"""What every benchmark returns, and the command line that all of them share.

A benchmark is a module of `bench/` with a function `cases(size)`. It measures a peer beside us in the same
run and returns one record for each comparison, with medians. `main(cases)` makes it a command:

    def cases(size: Size) -> list[Record]:
        rounds = size.of(full=5, quick=2, smallest=1)
        ...
        return [Record("sign an MP4", "s", ours=sign, peer=encode, versus="encode it", target=at_most(0.03))]

    if __name__ == "__main__":
        main(cases)

`python -m bench.NAME` then takes `--size full|quick|smallest` and `--json FILE`. `python -m bench.run` finds
every module that has a `cases`, runs each in a process of its own and writes the page.
A function `cases` may print what a reader wants to follow. It raises `Missing` with what to install or to
set where a part is absent: the page then says so. A test runs `smallest` in its own process, so it takes at
most a second or two: one round, the least data, no new process where one can do without. bench/mark.py is the
example.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MISSING = 3  # exit status of a benchmark whose parts are not here
median = statistics.median


class Missing(Exception):
    """A benchmark cannot run here. The text says what to install or to set."""


class Size(StrEnum):
    """How much a benchmark measures."""

    full = "full"  # for the published table
    quick = "quick"  # to see a large change, in about a minute each
    smallest = "smallest"  # only that it runs

    def of(self, full: T, quick: T, smallest: T) -> T:
        """Return the value for this size."""
        return {Size.full: full, Size.quick: quick, Size.smallest: smallest}[self]


@dataclass(frozen=True)
class Target:
    """A limit for ours / peer."""

    limit: float
    upper: bool  # the ratio must not exceed the limit; otherwise it must reach it

    def met(self, ratio: float) -> bool:
        """Return whether a ratio keeps to the limit."""
        return ratio <= self.limit if self.upper else ratio >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.upper else '≥'} {self.limit:.3g}"


def at_most(limit: float) -> Target:
    """Return the target of a time, of bytes: less is better."""
    return Target(limit, upper=True)


def at_least(limit: float) -> Target:
    """Return the target of a rate: more is better."""
    return Target(limit, upper=False)


def command() -> str:
    """Return the command of the running module, as a reader would type it."""
    name = getattr(sys.modules["__main__"].__spec__, "name", None) or "bench.run"
    return f"python -m {name}"


@dataclass(frozen=True)
class Record:
    """One comparison: medians of the same thing, made by us and by a peer in the same run."""

    name: str  # what is measured, such as `encode 49 frames of 480x720`
    unit: str  # of both medians: `s`, `ms`, `jobs/s`, `GB/s`, `MiB`
    ours: float
    peer: float
    versus: str  # the peer, such as `export_to_video`
    target: Target | None = None  # of the ratio; None where the figure is only reported
    note: str = ""  # what a reader must know, such as a gain of SSIM or `[not run]`
    command: str = field(default_factory=command)

    @property
    def ratio(self) -> float | None:
        """Return ours / peer; None for a comparison that was not run."""
        return self.ours / self.peer if self.peer else None

    def verdict(self) -> str:
        """Return whether the target is met, in words."""
        if self.ratio is None:
            return "not run"
        if self.target is None:
            return ""
        return "met" if self.target.met(self.ratio) else "not met"


def not_run(name: str, unit: str, versus: str, reason: str, target: Target | None = None) -> Record:
    """Return the record of a comparison that this machine cannot make."""
    return Record(name, unit, 0.0, 0.0, versus, target, reason)


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as it is kept in a results file."""
    return asdict(record) | {"ratio": record.ratio}


def from_json(value: dict[str, Any]) -> Record:
    """Return a record of a results file."""
    target = value["target"] and Target(**value["target"])
    return Record(**{name: value[name] for name in value if name != "ratio"} | {"target": target})


def show(records: Iterable[Record]) -> None:
    """Print records, a line each."""
    for one in records:
        if one.ratio is None:
            print(f"{one.name}: {one.note}")
            continue
        target = f" (target {one.target}: {one.verdict()})" if one.target else ""
        print(
            f"{one.name}: {one.ours:.4g} {one.unit}, {one.versus} {one.peer:.4g} {one.unit}, "
            f"ratio {one.ratio:.4g}{target}{'; ' + one.note if one.note else ''}"
        )


def main(cases: Callable[[Size], list[Record]]) -> None:
    """Run a benchmark from the command line: print its records, and write them where `--json` says."""
    options = parser().parse_args()
    publish(options, lambda: cases(options.size))


def parser() -> argparse.ArgumentParser:
    """Return the command line of all benchmarks; a benchmark may add options of its own."""
    one = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    one.add_argument("--size", type=Size, choices=list(Size), default=Size.full)
    one.add_argument("--json", type=Path, help="write the records to this file")
    return one


def publish(options: argparse.Namespace, measure: Callable[[], list[Record]]) -> None:
    """Measure, print the records, and write them where the options say."""
    from bench.harness.process import machine

    try:
        records = measure()
    except Missing as error:
        print(error, file=sys.stderr)
        sys.exit(MISSING)
    print(machine())
    show(records)
    if options.json:
        options.json.write_text(json.dumps([as_json(one) for one in records], indent=1, allow_nan=False))

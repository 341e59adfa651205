"""Runs rounds, one fault each, drawn by the seed. Reports what broke and how to repeat it."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.invariants import broken, settle, wasted
from tests.faults.registry import Fault, load
from tests.faults.shared import Shared
from tests.faults.world import World

ROUND_LIMIT = 900.0  # seconds; only a hang reaches it


@dataclass(frozen=True)
class Round:
    """One round. The seed and the number determine it."""

    number: int
    seed: int
    fault: Fault
    database: str

    def again(self) -> str:
        """The command that repeats this round."""
        return (
            f"python -m tests.faults --seed {self.seed} --first {self.number} --rounds 1 "
            f"--only {self.fault.name} --database {self.database}"
        )


@dataclass
class Report:
    """The outcome of all rounds."""

    counts: Counter[str] = field(default_factory=Counter)
    databases: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[Round, list[str]]] = field(default_factory=list)
    jobs: int = 0
    wasted: float = 0.0

    def text(self) -> str:
        lines = [f"  {count:4} {name}" for name, count in sorted(self.counts.items())]
        rounds, faults = sum(self.counts.values()), len(self.counts)
        databases = ", ".join(f"{count} on {name}" for name, count in sorted(self.databases.items()))
        lines.append(f"{rounds} rounds ({databases}), {faults} faults, {self.jobs} jobs")
        lines.append(f"{self.wasted:.1f} predictor-seconds wasted, all by faults that cost them")
        lines.append(f"{len(self.broken)} rounds broke an invariant")
        for round_, words in self.broken:
            lines += [f"BROKEN {round_.fault.name}: {text}" for text in words] + [
                f"  again: {round_.again()}"
            ]
        return "\n".join(lines)


def plan(seed: int, names: list[str], rounds: int, database: str | None, first: int = 0) -> Iterator[Round]:
    """Yield the rounds of a seed: every fault once in a shuffled order, then again in another order."""
    faults = load()
    for number in range(first, first + rounds):
        cycle, index = divmod(number, len(names))
        order = random.Random(f"{seed}/{cycle}").sample(names, len(names))
        fault = faults[order[index]]
        choice = random.Random(f"{seed}/{number}/{fault.name}").choice(fault.databases)
        yield Round(number, seed, fault, database if database in fault.databases else choice)


def matching(only: list[str]) -> list[str]:
    """Return the faults that `only` selects: exact names, else names that contain the text, or a family."""
    faults = load()
    chosen = [name for text in only for name in faults if name == text]
    chosen = chosen or [n for text in only for n, f in faults.items() if text in n or text == f.family]
    return list(dict.fromkeys(chosen)) if only else list(faults)


def without_real(names: list[str]) -> list[str]:
    """Drop faults with the real predictor, which needs seconds of both cores to start."""
    return [name for name in names if not load()[name].real]


async def run(rounds: list[Round], say: Callable[[str], None], keep: Path) -> Report:
    """Play the rounds one after the other."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="rz-faults-", ignore_cleanup_errors=True) as folder:
        async with Shared(Path(folder)) as shared:
            for round_ in rounds:
                began = time.monotonic()
                words = await play(round_, shared, report, keep)
                state = "BROKEN" if words else "held"
                seconds = time.monotonic() - began
                say(f"{round_.number:4} {round_.fault.name} on {round_.database}: {state} in {seconds:.1f} s")
                for text in words:
                    say(f"       {text}")
    return report


async def play(round_: Round, shared: Shared, report: Report, keep: Path) -> list[str]:
    """Play one round; return the invariants that it broke."""
    rng = random.Random(f"{round_.seed}/{round_.number}/{round_.fault.name}")
    folder = shared.folder / f"round-{round_.number}"
    folder.mkdir()
    async with World(shared, rng, folder, round_.fault.real) as world:
        try:
            async with asyncio.timeout(ROUND_LIMIT):
                await world.make_database(round_.database)
                await round_.fault.run(world)
                await settle(world)
                words = await broken(world)
                report.wasted += await wasted(world)
        except Exception as error:
            words = ["".join(traceback.format_exception(error))]
        report.counts[round_.fault.name] += 1
        report.databases[round_.database] += 1
        report.jobs += len(world.jobs)
        if words:
            report.broken.append((round_, words))
            world.keep(keep / f"{round_.seed}-{round_.number}-{round_.fault.name}")
    return words

"""The loads of docs/scale.md, the search over them, and the table and picture that are made of its results.

Videos take 90 s and a cold start 60 s unless a name says otherwise. `python -m bench.scaling search` runs for
minutes and writes frontiers.json; `python -m bench.scaling page` writes the table and the picture from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.harness.process import ROOT
from bench.harness.scatter import Axis, Line, scatter
from bench.scaling import limits
from bench.scaling.bound import least_ratio, within
from bench.scaling.load import Load, bursts, daily_curve, load
from bench.scaling.policy import Policy
from bench.scaling.search import Trial, cheapest, frontier, grid, trials

FILE = Path(__file__).with_name("frontiers.json")
PICTURE = ROOT / "docs" / "images" / "scaling.svg"
PAGE = ROOT / "docs" / "scale.md"
SECONDS, COLD_START, LIMIT = 90.0, 60.0, 1.15
WAIT = Axis("95th percentile of the wait, in cold starts", 0.1, 60.0, (0.1, 0.3, 1, 3, 10, 30))
COST = Axis("GPU-seconds paid / used", 1.0, 5.0, (1, 1.15, 1.5, 2, 3, 5))
WARM = (Policy(min_replicas=1), Policy(min_replicas=20, max_replicas=20))  # pods around the clock


@dataclass(frozen=True)
class Case:
    """A load and the policies that are tried on it."""

    name: str
    make: Callable[[], Load]
    policies: Callable[[], list[Policy]]
    bound: float | None = None  # what the proof allows, for bursts that are far apart


@dataclass(frozen=True)
class Point:
    """One policy of a frontier."""

    wait: float  # seconds
    ratio: float
    policy: dict[str, float]


def _apart(seconds: float) -> Load:
    times = [2_000.0 + 3_600.0 * n for n in range(22) for _ in range(20)]
    return load(times, seconds, COLD_START, 0.0, 1)


def _spread(jobs: int) -> Load:
    return load(bursts(22, jobs, 30.0, 1), SECONDS, COLD_START, 0.3, 1)


def _day(jobs: float) -> Load:
    return load(daily_curve(jobs, 0.6, 1), SECONDS, COLD_START, 0.3, 1)


def _evening() -> Load:
    times = np.random.default_rng(1).uniform(0.0, 7_200.0, 200_000)
    return load([float(time) for time in times], SECONDS, COLD_START, 0.3, 1)


CASES = (
    Case("22 bursts of 20 at once, 90 s", lambda: _apart(90.0),
         lambda: [*grid((1, 2, 4, 8, 20), (0,), (6, 30, 60)), *WARM], least_ratio(440, 90.0, COLD_START)),
    Case("22 bursts of 20 at once, 900 s", lambda: _apart(900.0),
         lambda: grid((5, 10, 20), (0,), (6, 60))),
    Case("22 bursts of 20 over 30 minutes", lambda: _spread(20), lambda: grid((1, 2, 3, 8), (0,), (6, 60))),
    Case("22 bursts of 200 over 30 minutes", lambda: _spread(200),
         lambda: grid((13, 16, 40), (0,), (60, 120))),
    Case("22 bursts of 1,000 over 30 minutes", lambda: _spread(1000), lambda: grid((58, 100), (0,), (60,))),
    Case("a daily curve of 500", lambda: _day(500), lambda: [*grid((1, 2, 4), (0,), (6, 60)), *WARM]),
    Case("a daily curve of 5,000", lambda: _day(5000), lambda: grid((9, 12), (0,), (60,))),
    Case("a daily curve of 50,000", lambda: _day(50_000), lambda: grid((88, 120), (0,), (60,))),
    Case("200,000 in two hours, 2,500 GPUs", _evening,
         lambda: [Policy(max_replicas=2600), Policy(max_replicas=3000)]),
)  # fmt: skip


def search(case: Case) -> dict[str, object]:
    """Return the frontier of a case and its cheapest policy within one cold start, as kept in the file."""
    tried = trials(case.policies(), case.make())
    best = cheapest(tried, within(COLD_START))
    return {
        "name": case.name, "tried": len(tried), "bound": case.bound,
        "frontier": [asdict(_point(one)) for one in frontier(tried)],
        "best": asdict(_point(best)) if best else None,
    }  # fmt: skip


def _point(trial: Trial) -> Point:
    policy = {
        name: value
        for name, value in asdict(trial.policy).items()
        if name in ("window", "retention", "scale_down_delay", "min_replicas", "max_replicas")
    }
    return Point(round(trial.wait, 1), round(trial.ratio, 3), policy)


def picture(results: list[dict[str, object]]) -> str:
    """Return the frontiers as SVG."""
    lines = [
        Line(str(one["name"]), tuple((p.wait / COLD_START, p.ratio) for p in _points(one["frontier"])))
        for one in results
    ]
    return scatter(lines, WAIT, COST, (within(COLD_START) / COLD_START, LIMIT))


def table(results: list[dict[str, object]]) -> str:
    """Return the table of the page: a row for each load."""
    heads = (
        "| a day of | policies tried | cheapest within one cold start: paid / used | its p95 wait | its knobs"
        " | the proof allows |\n|---|---|---|---|---|---|"
    )
    return "\n".join([heads, *map(_row, results)])


def limits_table() -> str:
    """Return the table of what our own parts bear."""
    heads = (
        "| part | one bears a second | 1,000 busy GPUs ask, at 90 s a video | GPUs it bears at 90 s | at 6 s"
        " | past it |\n|---|---|---|---|---|---|"
    )
    rows = [
        f"| {one.name} | {one.bears:.0f} | {limits.rate(one, 1000, SECONDS):.0f} "
        f"| {limits.most_gpus(one, SECONDS):,.0f} | {limits.most_gpus(one, 6.0):,.0f} | {one.remedy} |"
        for one in limits.PARTS
    ]
    return "\n".join([heads, *rows])


def _row(one: dict[str, object]) -> str:
    bound = f"≥ {one['bound']:.2f}" if one["bound"] else ""
    best = _points([one["best"]])[0] if one["best"] else None
    if best is None:
        return f"| {one['name']} | {one['tried']} | none | | | {bound} |"
    knobs = ", ".join(f"{name} {value:g}" for name, value in best.policy.items() if value)
    verdict = f"**{best.ratio:.2f}**" if best.ratio <= LIMIT else f"{best.ratio:.2f}"
    return f"| {one['name']} | {one['tried']} | {verdict} | {best.wait:.0f} s | {knobs} | {bound} |"


def _points(values: object) -> list[Point]:
    assert isinstance(values, list)
    return [Point(**value) for value in values]


def filled(page: str, results: list[dict[str, object]]) -> str:
    """Return the page with its tables between their marks."""
    for name, text in {"frontiers": table(results), "limits": limits_table()}.items():
        begin, end = (f"<!-- {name}: {one} -->" for one in ("begin", "end"))
        head, rest = page.split(begin)
        page = f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}"
    return page


def read() -> list[dict[str, object]]:
    """Return the results of the last search."""
    results: list[dict[str, object]] = json.loads(FILE.read_text())
    return results


def write() -> None:
    """Write the table and the picture from the last search."""
    results = read()
    PICTURE.write_text(picture(results))
    PAGE.write_text(filled(PAGE.read_text(), results))

"""`reelzero size`: how many predictors a model needs, how long videos wait, and what a day costs."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from eventing.cli.terminal.screen.output import Output
from eventing.contract.budget import DRAIN_SECONDS
from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.errors import ConfigurationError, ReelzeroError
from eventing.domain.sizing import Demand, Size
from eventing.domain.sizing import size as compute

ABOVE_ZERO = 0.001


def size(  # noqa: PLR0913, PLR0917 - one parameter per option is how typer reads them
    per_hour: Annotated[float, typer.Option(min=ABOVE_ZERO, help="Videos that arrive in a mean hour.")],
    peak_per_hour: Annotated[
        float | None, typer.Option(min=ABOVE_ZERO, help="In the busiest hour; else as in a mean one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Take what is not set below from its catalog entry: the budgets.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=ABOVE_ZERO, help="On the device, per video.")] = None,
    cold_start: Annotated[float | None, typer.Option(min=0, help="Seconds until a pod is ready.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of one predictor.")] = None,
    window: Annotated[
        float, typer.Option(min=0, help="stableWindowSeconds plus keepWarmSeconds of the chart.")
    ] = 60.0,
    wait: Annotated[
        float | None,
        typer.Option(min=0, help="Mean wait for a free predictor in the busiest hour; else a cold start."),
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Money per GPU-hour.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute predictors, maxReplicas, waits, GPU-hours and cost of a day from arrivals.

    A catalog entry has the longest video and start that are allowed: measure yours. docs/operate/sizing.md
    has the formulas.
    """
    output = Output(as_json)
    try:
        demand = _demand(per_hour, peak_per_hour, seconds, cold_start, gpus, window, _entry(model))
        result = compute(demand, demand.cold_start_seconds if wait is None else wait)
    except (ReelzeroError, ValueError) as error:
        output.error(f"reelzero: {error}")
        raise typer.Exit(2) from error
    _show(output, demand, result, price)


def _entry(model: str | None) -> CatalogEntry | None:
    folder = os.environ.get("REELZERO_CATALOG_DIR")
    return load_catalog(Path(folder) if folder else None).get(model) if model else None


def _demand(
    per_hour: float, peak: float | None, seconds: float | None, cold_start: float | None, gpus: int | None,
    window: float, entry: CatalogEntry | None,
) -> Demand:  # fmt: skip
    if entry:
        seconds = entry.budget.generation_seconds if seconds is None else seconds
        cold_start = entry.budget.cold_start_seconds if cold_start is None else cold_start
        gpus = entry.gpus if gpus is None else gpus
    if seconds is None or cold_start is None:
        raise ConfigurationError("name the --model, or both --seconds and --cold-start")
    if peak is not None and peak < per_hour:
        raise ConfigurationError("--peak-per-hour must be at least --per-hour")
    gpus = 1 if gpus is None else gpus
    return Demand(per_hour, peak or per_hour, seconds, cold_start, window, DRAIN_SECONDS, gpus)


def _show(output: Output, demand: Demand, size: Size, price: float | None) -> None:
    cost = None if price is None else size.gpu_hours * price
    if output.as_json:
        output.json({"demand": asdict(demand), "size": asdict(size), "cost_per_day": cost})
        return
    rows: list[tuple[str, Any]] = [
        ("predictors that make videos, on average", f"{size.busy_predictors:.2f}"),
        ("predictors that are paid, on average", f"{size.awake_predictors:.2f}"),
        ("maxReplicas", f"{size.max_replicas}"),
        ("cold starts a day", f"{size.cold_starts:.0f}"),
        ("expected wait in a mean hour", f"{size.expected_wait_seconds:.0f} s"),
        ("wait for a free predictor in the busiest hour", f"{size.peak_wait_seconds:.0f} s"),
        ("GPU-hours a day", f"{size.gpu_hours:.1f}"),
        ("paid / used", f"{size.paid_per_used:.2f}"),
    ]
    if cost is not None:
        rows.append(("cost a day", f"{cost:.2f}"))
    output.table(("for a day", "value"), rows)

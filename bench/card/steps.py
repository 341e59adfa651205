"""Seconds per step of one model: stock diffusers, ours, and ours with each switch, in turns.

A call is stopped after the steps that are measured; its schedule is that of the whole tier. The first step is
left out. Both sides wait for the device after each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from bench.card.budget import Budget, Pair, TimeOver
from bench.harness.records import Record, at_most, median
from eventing.contract.catalog import CatalogEntry
from eventing.contract.records.models import GenerationSpec, Quality, VideoRequest
from eventing.contract.records.step_cache import StepCache
from predictor.models.pipelines.base import generator

PROMPT = "a red circle moving right over a green field"
# Of random weights nobody can say which steps a cache may skip. These two are its limits.
NEVER, ALWAYS = (StepCache(method="first_block", threshold=threshold) for threshold in (1e-9, 1.0))
STOCK = "stock diffusers"
Call = Callable[["Stamps"], None]


class Enough(Exception):
    """All steps are measured."""


class Stamps:
    """The times at which steps ended."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._times: list[float] = []

    def mark(self) -> None:
        """Note the end of a step. Raises Enough, or TimeOver."""
        self._budget.wait()
        self._times.append(time.perf_counter())
        if len(self._times) > self._budget.steps:
            raise Enough
        self._budget.require_time()

    def seconds(self) -> float:
        """Return the mean of the steps after the first one."""
        return (self._times[-1] - self._times[0]) / (len(self._times) - 1)


def spec(entry: CatalogEntry, quality: Quality, cache: StepCache | None = None) -> GenerationSpec:
    """Return what a tier makes of the prompt, with this step cache."""
    resolved = entry.resolve(VideoRequest(prompt=PROMPT, seed=0, quality=quality))
    return resolved.model_copy(update={"step_cache": cache})


@torch.inference_mode()
def _stock(pipeline: Any, one: GenerationSpec, embeds: dict[str, Any], stamps: Stamps) -> None:
    """Call the pipeline as its documentation does."""

    def on_end(_pipe: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        stamps.mark()
        return values

    pipeline.pipe.set_progress_bar_config(disable=True)
    options = {**embeds, **pipeline._options(one), "generator": generator(one), "output_type": "latent"}
    pipeline.pipe(**options, callback_on_step_end=on_end)


def _calls(entry: CatalogEntry, pipeline: Any) -> dict[str, Call]:
    high, low = Quality.high, Quality.low
    specs = {
        "high": spec(entry, high),
        "never": spec(entry, high, NEVER),
        "always": spec(entry, high, ALWAYS),
        "low": spec(entry, low),
        "low, always": spec(entry, low, ALWAYS),
    }
    embeds = pipeline.encode_prompt(specs["high"])

    def ours(one: GenerationSpec) -> Call:
        return lambda stamps: pipeline.denoise(one, embeds, lambda _done, _total: stamps.mark())

    stock: Call = lambda stamps: _stock(pipeline, specs["high"], embeds, stamps)  # noqa: E731 - beside the others
    return {STOCK: stock, **{name: ours(one) for name, one in specs.items()}}


class Steps:
    """The medians of all calls. One that failed raises its own error where its number is asked for."""

    def __init__(self, budget: Budget, calls: dict[str, Call]) -> None:
        self._seconds: dict[str, list[float]] = {name: [] for name in calls}
        self._errors: dict[str, Exception] = {}
        for _ in range(budget.rounds):
            for name, call in calls.items():
                if name not in self._errors:
                    self._measure(budget, name, call)

    def __getitem__(self, name: str) -> float:
        """Return the seconds of a step."""
        if not self._seconds.get(name):
            raise self._errors.get(name) or TimeOver
        return median(self._seconds[name])

    def _measure(self, budget: Budget, name: str, call: Call) -> None:
        stamps = Stamps(budget)
        try:
            budget.require_time()
            with suppress(Enough):
                call(stamps)
            self._seconds[name].append(stamps.seconds())
        except Exception as error:  # of one switch: the others are measured all the same
            self._errors[name] = error


def records(budget: Budget, pipeline: Any) -> list[Record]:
    """Compare the steps of a model with stock diffusers, and its tiers with each other."""
    entry = pipeline.entry
    try:
        budget.require_time()
        steps = Steps(budget, _calls(entry, pipeline))
    except TimeOver:
        steps = Steps(budget, {})
    few, many = (entry.quality.named(quality).steps for quality in (Quality.low, Quality.high))

    def step(name: str) -> Callable[[], Pair]:
        return lambda: (steps[name], steps[STOCK], "")

    def low() -> Pair:
        return steps["low"] * few, steps["high"] * many, f"{few} steps, not {many}"

    def both() -> Pair:
        return steps["low"] + steps["low, always"] * (few - 1), steps["high"] * many, "the most that is saved"

    one = f"{entry.name}, a step"
    return [
        budget.record(f"{one}, exact", "s", STOCK, step("high"), at_most(0.6)),
        budget.record(f"{one} that a step cache computes", "s", STOCK, step("never")),
        budget.record(f"{one} that a step cache skips", "s", STOCK, step("always")),
        budget.record(f"{entry.name}, all steps of low", "s", "of high", low),
        budget.record(f"{entry.name}, low, with a step cache that skips", "s", "of high", both),
    ]

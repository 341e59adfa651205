"""What the switches of a model cost and save on one card, next to stock diffusers: `python -m bench.gpu`.

Models of the catalog with their true configurations and random weights (gpu_models.py), in at most 8
minutes: seconds per step, alone and with each switch; peak memory; disk to device; the idle gap between two
jobs. Which steps a step cache skips depends on the weights, so one line has a step that it computes and one a
step that it skips. Without a GPU tiny configurations run on the CPU, and each record says so.
"""

from __future__ import annotations

import time

import torch

from bench.card import gap as gpu_gap
from bench.card import memory as gpu_memory
from bench.card import steps as gpu_steps
from bench.card.budget import Budget, free_memory
from bench.card.models import MODELS, Model
from bench.harness.records import Record, Size, main

SECONDS = 450.0  # of the 8 minutes: the rest is for what cannot be stopped, such as one load
MINIATURE = "miniature on the CPU; says nothing about a card"


def budget(size: Size, end: float) -> Budget:
    """Return the limits of one model. The smallest form, which tests run, never takes a card."""
    on_card = size is not Size.smallest and torch.cuda.is_available()
    steps, rounds = size.of(full=(3, 2), quick=(2, 1), smallest=(1, 1))
    if not on_card:
        torch.set_num_threads(1)
        return Budget("cpu", MINIATURE, steps, rounds, end)
    return Budget("cuda:0", torch.cuda.get_device_name(0), steps, rounds, end)


def measured(limits: Budget, model: Model, *, is_first: bool, is_last: bool) -> list[Record]:
    """Measure one model."""
    pipeline = model.pipeline(limits.device)
    records = [*gpu_steps.records(limits, pipeline), gpu_memory.peak(limits, pipeline)]
    if is_last:  # the worker keeps the garbage collector from what is in memory then
        records.append(gpu_gap.gap(limits, pipeline))
    del pipeline
    if is_first:
        records.append(gpu_memory.load(limits, model))
    return records


def cases(size: Size) -> list[Record]:
    """Measure every model; the first one in the smallest form. Each has a share of the time."""
    models = MODELS[:1] if size is Size.smallest else MODELS
    begin, records = time.perf_counter(), list[Record]()
    for number, model in enumerate(models, 1):
        limits = budget(size, begin + SECONDS * number / len(models))
        is_last = number == len(models)
        try:
            records += measured(limits, model, is_first=number == 1, is_last=is_last)
        except Exception as error:  # such as a card that is too small: the other models are measured
            records.append(limits.not_run(model.name, "s", gpu_steps.STOCK, error))
        free_memory()
    return records


if __name__ == "__main__":
    main(cases)

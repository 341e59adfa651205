"""Bring all ranks up: each loads the weights into its memory, then all join, split and place them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from eventing.contract.errors import ModelUnavailable
from predictor.models.memory import load_pipeline
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.ranks import group
from predictor.models.ranks.messages import Join, Report, Weights
from predictor.models.ranks.pipeline import SharedPipeline, require_shares
from predictor.models.ranks.processes import Ranks


def load_shared(weights: Weights, devices: list[str]) -> tuple[SharedPipeline, Ranks]:
    """Load a model on one device a rank. Raises ModelUnavailable with the words of the rank that failed."""
    ranks = Ranks(len(devices))
    try:
        for rank, device in enumerate(devices):
            ranks.send(replace(weights, rank=rank, device=device), rank)
        weights = replace(weights, device=devices[0])
        family = load_part(weights)
        require_shares(family, ranks.count)
        _require(ranks.reports(ranks.count - 1))
        ranks.send(Join(ranks.meeting_place))
        ranks.together(lambda: share(family, ranks.count, ranks.meeting_place, weights))
        _require(ranks.reports(ranks.count))
    except BaseException:
        ranks.close()
        raise
    return SharedPipeline(family, ranks), ranks


def load_part(weights: Weights) -> DiffusersFamily:
    """Load the pipeline of one rank into memory. Raises ModelUnavailable."""
    pipeline = load_pipeline(weights.entry, weights.settings, weights.folder, "cpu")
    if not isinstance(pipeline, DiffusersFamily):
        raise ModelUnavailable(f"the family {weights.entry.family} cannot share a video among GPUs")
    return pipeline


def share(family: DiffusersFamily, count: int, file: Path, weights: Weights) -> None:
    """Join the other ranks, split the transformers over them, and place the pipeline on its device."""
    group.join(weights.rank, count, file, weights.device)
    # Before it is placed: offloading wraps the parts of a pipeline, and unwraps them after every job.
    group.split(family.pipe, count, weights.device)
    family.place(weights.device)


def _require(reports: Iterable[Report]) -> None:
    for report in reports:
        if report.failure:
            raise ModelUnavailable(f"rank {report.rank}: {report.failure}")

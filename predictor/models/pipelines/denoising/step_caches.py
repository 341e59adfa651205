"""Let the transformers of a pipeline use results of earlier steps again, for the steps of one job.

A cache is made for each job and taken away after it, whatever became of the job: what is left of the steps of
one video would be wrong in the next one, or of another shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import FirstBlockCacheConfig

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.contract.records.step_cache import StepCache
from predictor.models.pipelines.denoising.steps import TRANSFORMERS


@contextmanager
def cached(pipe: Any, cache: StepCache | None) -> Iterator[None]:
    """Use a cache for the steps that are made inside; none for None."""
    if cache is None:
        yield
        return
    transformers = [getattr(pipe, name, None) for name in TRANSFORMERS]
    active = []
    try:
        for transformer in filter(None, transformers):
            transformer.enable_cache(FirstBlockCacheConfig(threshold=cache.threshold))
            active.append(transformer)
        yield
    finally:
        for transformer in active:
            transformer.disable_cache()


def require(pipe: Any, entry: CatalogEntry) -> None:
    """Raise ModelUnavailable if a tier asks for a cache that the transformers of the pipeline cannot use."""
    for quality, tier in entry.quality.items():
        try:
            with cached(pipe, tier.step_cache):
                pass
        except Exception as error:
            method = tier.step_cache and tier.step_cache.method
            raise ModelUnavailable(
                f"the catalog entry {entry.name} has quality.{quality}.step_cache: {method}, which "
                f"{type(pipe).__name__} cannot do ({error}); leave step_cache out"
            ) from error

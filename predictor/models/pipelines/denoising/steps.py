"""Report the steps of a diffusers pipeline, and list the parts of its transformers between which it can stop.

Every pipeline updates its progress bar after each step, also one without `callback_on_step_end`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch

from predictor.models.pipelines import OnStep

TRANSFORMERS = ("transformer", "transformer_2")


class StepBar:
    """Stands in for the progress bar of a pipeline: calls `on_step` instead of drawing."""

    def __init__(self, total: int, on_step: OnStep, wait: Callable[[], None]) -> None:
        self._total, self._on_step, self._wait = total, on_step, wait
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let an error pass."""

    def update(self, steps: int = 1) -> None:
        """Count steps that are done, and no more than there are."""
        # Kernels are only queued here: without waiting, progress and cancel would run ahead of the GPU.
        self._wait()
        self._done = min(self._total, self._done + steps)
        self._on_step(self._done, self._total)


@contextmanager
def reported(pipe: Any, total: int, on_step: OnStep) -> Iterator[None]:
    """Report the steps of the call that runs inside, out of `total`."""

    def progress_bar(**_options: Any) -> StepBar:
        return StepBar(total, on_step, _wait_for(pipe))

    pipe.progress_bar = progress_bar
    try:
        yield
    finally:
        del pipe.progress_bar


def blocks(pipe: Any) -> list[torch.nn.Module]:
    """Return the transformers of a pipeline and their blocks, each of which runs once or more in a step."""
    transformers = [getattr(pipe, name, None) for name in TRANSFORMERS]
    parts: list[torch.nn.Module] = []
    for transformer in filter(None, transformers):
        lists = [child for child in transformer.children() if isinstance(child, torch.nn.ModuleList)]
        parts += [transformer, *(block for child in lists for block in child)]
    return parts


def _wait_for(pipe: Any) -> Callable[[], None]:
    device = pipe._execution_device
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)

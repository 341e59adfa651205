"""Turn any exception of a generation into a ReelzeroError: memory, device, disk, or the pipeline.

A mistake in the pipeline's code fails the same way on every attempt, so it is final on the first.
"""

from __future__ import annotations

import errno

from eventing.contract.errors import (
    DeviceLost,
    GenerationError,
    OutOfMemory,
    PipelineFault,
    ReelzeroError,
    ScratchFull,
)
from eventing.contract.records.models import Failure

CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")  # words of torch's CPU allocator
DEVICE_GONE = ("cuda error", "device-side assert", "cuda driver", "nccl", "cublas", "cudnn_status_internal")
MISTAKES = (  # built-in errors that depend on the code and its input, not on the moment
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)


def explain(error: Exception) -> ReelzeroError:
    """Return the ReelzeroError for anything a generation raised, with the cause chained to it."""
    if isinstance(error, ReelzeroError):
        return error
    explanation = _explain(error)
    explanation.__cause__ = error
    return explanation


def as_failure(error: ReelzeroError) -> Failure:
    """Return what the caller gets: the code and a sentence, never a traceback."""
    return Failure(code=error.code, message=error.message, retryable=error.retryable)


def _explain(error: Exception) -> ReelzeroError:
    # Compare names and not classes: this module must not import torch, which the load thread imports.
    name, text = type(error).__name__, str(error).lower()
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or _has(text, CPU_OUT_OF_MEMORY):
        return OutOfMemory("the device ran out of memory; ask for fewer frames or a smaller size")
    if name == "AcceleratorError" or (isinstance(error, RuntimeError) and _has(text, DEVICE_GONE)):
        return DeviceLost("the accelerator failed; this predictor must be replaced")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ScratchFull("the predictor's scratch disk is full")
    kind = (
        PipelineFault if isinstance(error, MISTAKES) and not isinstance(error, OSError) else GenerationError
    )
    return kind(f"the generation failed with {name}; the predictor's log has the details")


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)

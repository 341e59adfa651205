"""What went wrong in a generation, told apart: memory, device, disk, storage, or the pipeline itself."""

from __future__ import annotations

import errno

from eventing.contract.errors import DeviceLost, GenerationError, OutOfMemory, ReelzeroError, ScratchFull
from eventing.contract.models import Failure

CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")  # words of torch's CPU allocator
DEVICE_GONE = ("cuda error", "device-side assert", "cuda driver", "nccl", "cublas", "cudnn_status_internal")


def explain(error: Exception) -> ReelzeroError:
    """The error of our own tree for anything a generation raised, with the cause chained to it."""
    if isinstance(error, ReelzeroError):
        return error
    told = _explain(error)
    told.__cause__ = error
    return told


def as_failure(error: ReelzeroError) -> Failure:
    """What the caller is told: the code and a sentence, never a traceback."""
    return Failure(code=error.code, message=error.message, retryable=error.retryable)


def sentence(error: ReelzeroError) -> str:
    """The message with the field in front, for protocols whose errors are one line of text."""
    if error.field is None or error.field in error.message:
        return error.message
    return f"{error.field}: {error.message}"


def _explain(error: Exception) -> ReelzeroError:
    # By name and not by class: this module must not import torch, which the load thread does.
    name, text = type(error).__name__, str(error).lower()
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or _has(text, CPU_OUT_OF_MEMORY):
        return OutOfMemory("the device ran out of memory; ask for fewer frames or a smaller size")
    if name == "AcceleratorError" or (isinstance(error, RuntimeError) and _has(text, DEVICE_GONE)):
        return DeviceLost("the accelerator failed; this predictor must be replaced")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ScratchFull("the predictor's scratch disk is full")
    return GenerationError(f"the generation failed with {name}; the predictor's log has the details")


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)

"""Call the operator's modules: checks that may refuse a prompt or a video, and a watermark for the frames.

A check is a module with one or both of these functions. Each returns None, or the reason for refusing:
    check_request(spec: GenerationSpec) -> str | None        before any work on the device
    check_frames(spec: GenerationSpec, frames) -> str | None       before the video is written
A watermark is a module with a function that returns the frames to write, of the same shape and type:
    watermark(spec: GenerationSpec, frames) -> frames
`frames` is uint8 (frames, height, width, 3), RGB. Frames are checked and marked in another thread than
requests, so both may happen at the same time, for two jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from eventing.contract.errors import BrokenFrames, ConfigurationError, ContentRefused
from eventing.contract.records.models import GenerationSpec
from predictor.generation.video.stills import Frames

CheckRequest = Callable[[GenerationSpec], str | None]
CheckFrames = Callable[[GenerationSpec, Frames], str | None]
Watermark = Callable[[GenerationSpec, Frames], Frames]


@dataclass(frozen=True)
class Hooks:
    """The operator's functions, in the order of the settings."""

    requests: tuple[CheckRequest, ...] = ()
    frames: tuple[CheckFrames, ...] = ()
    watermark: Watermark | None = None

    @property
    def need_frames(self) -> bool:
        """Tell whether one of them takes the frames."""
        return bool(self.frames or self.watermark)

    def check_request(self, spec: GenerationSpec) -> None:
        """Raise ContentRefused if a check has a reason to."""
        for check in self.requests:
            _require_none(check(spec))

    def finish_frames(self, spec: GenerationSpec, frames: Frames) -> Frames:
        """Check the frames and mark them. Raises ContentRefused, BrokenFrames."""
        for check in self.frames:
            _require_none(check(spec, frames))
        return frames if self.watermark is None else _same_kind(self.watermark(spec, frames), frames)


def load_hooks(checks: Iterable[str], watermark: str | None) -> Hooks:
    """Import the modules. Raises ConfigurationError naming the setting and the module."""
    modules = [_module("REELZERO_CHECKS", name, ("check_request", "check_frames")) for name in checks]
    marker = _module("REELZERO_WATERMARK", watermark, ("watermark",)) if watermark else None
    return Hooks(
        tuple(module.check_request for module in modules if hasattr(module, "check_request")),
        tuple(module.check_frames for module in modules if hasattr(module, "check_frames")),
        marker.watermark if marker else None,
    )


def _module(setting: str, name: str, functions: tuple[str, ...]) -> Any:
    try:
        module = import_module(name)
    except Exception as error:
        raise ConfigurationError(f"{setting}: the module {name} cannot be imported: {error}") from error
    if not any(callable(getattr(module, function, None)) for function in functions):
        raise ConfigurationError(f"{setting}: the module {name} has no function {' or '.join(functions)}")
    return module


def _require_none(reason: str | None) -> None:
    if reason is not None:
        raise ContentRefused(f"refused by the operator's check: {reason}")


def _same_kind(marked: Frames, frames: Frames) -> Frames:
    if getattr(marked, "shape", None) != frames.shape or getattr(marked, "dtype", None) != frames.dtype:
        raise BrokenFrames(f"the watermark must return uint8 frames of shape {frames.shape}")
    return marked

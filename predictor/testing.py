"""Run a predictor that stops at a stage, and cards without a driver, for tests only.

`python -m predictor.testing` is `python -m predictor`, with one addition. If REELZERO_HOLD_STAGE and
REELZERO_HOLD_FILE are set, the device thread touches `FILE.reached` at that stage and waits for FILE.
Stages: load, encode_prompt, denoise, decode, encode_video, upload, after_upload.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from predictor.serving.server import main

MEMORY = 80 << 30  # bytes of a fake card
POLL = 0.01  # seconds between two looks at the file


class FakeNvml:
    """What the module `pynvml` answers, for cards of an 80 GiB kind. A test of a real card holds it to that.

    Of each card `used` has the bytes in use; None stands for one that does not answer.
    """

    NVMLError = RuntimeError

    def __init__(self, *used: int | None) -> None:
        self._used = used

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's name
        """Return the number of cards."""
        return len(self._used)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        """Return what names a card in the other calls."""
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        """Return the name of a card that no order of cards changes."""
        return f"GPU-{handle:08d}-0000-0000-0000-000000000000"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        """Return the memory of a card in bytes."""
        used = self._used[handle]
        if used is None:
            raise self.NVMLError("GPU is lost")
        return SimpleNamespace(total=MEMORY, free=MEMORY - used, used=used)

    def nvmlDeviceGetUtilizationRates(self, _handle: int) -> SimpleNamespace:  # noqa: N802
        """Return the share of the last moment in which a card worked, in percent."""
        return SimpleNamespace(gpu=50, memory=10)


def hold_at(stage: str, file: Path) -> Callable[[str], None]:
    """Return an `on_stage` that stops the device thread at one stage until a file exists."""

    def on_stage(reached: str) -> None:
        if reached != stage:
            return
        file.with_name(file.name + ".reached").touch()
        while not file.exists():
            time.sleep(POLL)

    return on_stage


def from_environment() -> Callable[[str], None]:
    """Return the `on_stage` that the environment describes. Raises KeyError if it describes none."""
    return hold_at(os.environ["REELZERO_HOLD_STAGE"], Path(os.environ["REELZERO_HOLD_FILE"]))


def run() -> None:
    """Run the predictor of this process, held at a stage if the environment says so."""
    if "REELZERO_HOLD_STAGE" in os.environ:
        main(from_environment())
    else:
        main()


if __name__ == "__main__":
    run()

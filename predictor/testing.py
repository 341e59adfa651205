"""Run a predictor that stops at a stage, for tests only.

`python -m predictor.testing` is `python -m predictor`, with one addition. If REELZERO_HOLD_STAGE and
REELZERO_HOLD_FILE are set, the device thread touches `FILE.reached` at that stage and waits for FILE.
Stages: load, encode_prompt, denoise, decode, encode_video, upload, after_upload.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from predictor.serving.server import main

POLL = 0.01  # seconds between two looks at the file


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

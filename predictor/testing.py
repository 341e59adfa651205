"""A predictor that can be held at a stage: for fault tests, and started by nothing that is shipped.

`python -m predictor.testing` is `python -m predictor`, except that with REELZERO_HOLD_STAGE and
REELZERO_HOLD_FILE set, the device thread touches `FILE.reached` when it gets to that stage and waits there
until FILE exists. Stages: load, encode_prompt, denoise, decode, encode_video, upload, after_upload.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from predictor.serving.server import main

POLL = 0.01  # seconds; a file has no event to wait for


def hold_at(stage: str, file: Path) -> Callable[[str], None]:
    """An `on_stage` that holds the device thread at one stage until a file exists."""

    def on_stage(reached: str) -> None:
        if reached != stage:
            return
        file.with_name(file.name + ".reached").touch()
        while not file.exists():
            time.sleep(POLL)

    return on_stage


def from_environment() -> Callable[[str], None]:
    """The hold that the environment asks for. Raises KeyError if it names none."""
    return hold_at(os.environ["REELZERO_HOLD_STAGE"], Path(os.environ["REELZERO_HOLD_FILE"]))


if __name__ == "__main__":
    if "REELZERO_HOLD_STAGE" in os.environ:
        main(from_environment())
    else:
        main()

"""Say where an attempt works, and what it does to its video at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from eventing.contract.storage.s3 import Bucket
from predictor.generation.finish import Finish


@dataclass(frozen=True)
class Workspace:
    """Where an attempt works: its scratch folder and its bucket (None if it needs none).

    `cold_start` is the time from process start to weights in memory, in seconds, to report with the result.
    `finish` is what the operator wants done to every video: checks, watermark, content credentials.
    `preview_steps` is the number of steps from one preview to the next; 0 for none.
    """

    folder: Path
    bucket: Bucket | None = None
    cold_start: float = 0.0
    finish: Finish = field(default_factory=Finish)
    preview_steps: int = 0

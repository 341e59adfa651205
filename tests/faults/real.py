"""The real predictor as `predictor.testing` runs it, with the same journal as the fake one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import predictor.generation.generate
import predictor.models.loading
import predictor.models.pipelines.cogvideox  # noqa: F401
from predictor.device.execution import Execution
from predictor.serving.server import main as serve
from predictor.testing import from_environment

running = 0


def main() -> None:
    original = Execution.on_device

    def journalled(self: Execution, *arguments: Any) -> Any:
        global running  # noqa: PLW0603 -- one process, one journal
        running += 1
        address = self._run.attempt.address
        work = {"job": address.job_id, "attempt": address.attempt}
        journal(work | {"what": "begin", "running": running})
        try:
            return original(self, *arguments)
        finally:
            running -= 1
            journal(work | {"what": "end"})

    Execution.on_device = journalled  # type: ignore[method-assign, assignment]
    if "REELZERO_HOLD_STAGE" in os.environ:
        serve(from_environment())
    else:
        serve()


def journal(entry: dict[str, Any]) -> None:
    line = json.dumps(entry | {"at": time.time(), "pid": os.getpid()}) + "\n"
    with Path(os.environ["REELZERO_FAKE_JOURNAL"]).open("a") as file:
        file.write(line)

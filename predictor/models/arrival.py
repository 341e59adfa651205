"""Wait for weights that a sidecar puts into place after the predictor has started.

With `oci://` weights KServe runs the image of the weights beside the predictor (a modelcar). The sidecar
starts after our container and links its root to /mnt/models. KServe sets MODEL_INIT_MODE=async for this.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from time import sleep

POLL_SECONDS = 0.2
log = logging.getLogger(__name__)


def await_folder(folder: Path, patience: float) -> None:
    """Return when the folder is there, after `patience` seconds at the latest. At once without a modelcar."""
    if folder.is_dir() or os.environ.get("MODEL_INIT_MODE") != "async":
        return
    log.info("waiting for the weights of the modelcar", extra={"folder": str(folder)})
    end = time.monotonic() + patience
    while not folder.is_dir() and time.monotonic() < end:
        sleep(POLL_SECONDS)

"""What runs on this machine: the predictors of a service that was started here, and the GPUs.

The service's process is found by the lock of its data folder, its predictors in /proc as children of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SMI_SECONDS = 10.0
QUERY = "index,name,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class LocalPredictor:
    """One predictor process."""

    model: str
    pid: int
    memory_bytes: int
    up_seconds: float


@dataclass(frozen=True)
class Gpu:
    """One GPU, as nvidia-smi shows it. Memory is in MiB."""

    index: str
    name: str
    busy_percent: str
    used_mib: str
    total_mib: str


def running_service(data_dir: Path) -> tuple[int, str] | None:
    """Return the process and URL of the service that holds a data folder; None if none runs."""
    try:
        holder = json.loads((data_dir / "lock").read_text(encoding="utf-8"))
        pid, url = int(holder["pid"]), holder.get("url")
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (pid, url) if isinstance(url, str) else None


def predictors_of(service: int) -> list[LocalPredictor]:
    """Return the predictors that a service has started; none where there is no /proc."""
    children = [_predictor(folder, service) for folder in PROC.glob("[0-9]*")]
    return sorted((each for each in children if each), key=lambda each: each.pid)


def gpus() -> list[Gpu]:
    """Return the GPUs of this machine; none without nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(  # noqa: S603 - fixed words
            command, capture_output=True, text=True, timeout=SMI_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [Gpu(*line) for line in lines if len(line) == 5]


def _predictor(folder: Path, service: int) -> LocalPredictor | None:
    try:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        if int(stat[1]) != service:
            return None
        variables = (folder / "environ").read_bytes().split(b"\0")
        pages = int((folder / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    model = next((each[15:].decode() for each in variables if each.startswith(b"REELZERO_MODEL=")), None)
    if model is None:
        return None
    started = int(stat[19]) / os.sysconf("SC_CLK_TCK")
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return LocalPredictor(model, int(folder.name), pages * os.sysconf("SC_PAGE_SIZE"), uptime)

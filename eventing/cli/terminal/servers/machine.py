"""What runs on this machine: the predictors of a service that was started here, and the GPUs.

The service's process is found by the lock of its data folder, its predictors in /proc as children of it or of
its warm template.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PROC = Path("/proc")
SMI_SECONDS = 10.0
TEMPLATE = b"predictor.template"
LOG = re.compile(r"/predictor-(.+)-\d{8}T\d{6}-\d{6}\.log$")
QUERY = "index,name,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class LocalPredictor:
    """One predictor process, or the template that predictors start from. Then the model is empty."""

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
    template = template_of(service)
    parents = [service, *([template.pid] if template else [])]
    children = [_process(folder, parents) for folder in PROC.glob("[0-9]*")]
    return sorted((each for each in children if each and each.model), key=lambda each: each.pid)


def template_of(service: int) -> LocalPredictor | None:
    """Return the warm template of a service; None if it has none."""
    for folder in PROC.glob("[0-9]*"):
        process = _process(folder, [service])
        if process and TEMPLATE in _read(folder / "cmdline").split(b"\0"):
            return replace(process, model="")
    return None


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


def _process(folder: Path, parents: Sequence[int]) -> LocalPredictor | None:
    """Return a process of /proc; None if it is no child of these, or has ended."""
    try:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        if int(stat[1]) not in parents:
            return None
        pages = int((folder / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    started = int(stat[19]) / os.sysconf("SC_CLK_TCK")
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return LocalPredictor(_model(folder), int(folder.name), pages * os.sysconf("SC_PAGE_SIZE"), uptime)


def _model(folder: Path) -> str:
    """Return the model of a predictor, by the name of its log; empty for another process."""
    try:
        match = LOG.search(str((folder / "fd" / "1").readlink()))
    except OSError:
        return ""
    return match[1] if match else ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

"""Find the accelerators of this machine without torch."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

CPU = "cpu"
NVIDIA_SMI = ("nvidia-smi", "-L")
SMI_SECONDS = 20
_UUID = re.compile(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)")


def find_devices(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return values for CUDA_VISIBLE_DEVICES, one per device; only `cpu` if there is no GPU.

    If the variable is set already, only its devices are used: an operator may reserve the others.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    gpus = _listed(visible) if visible is not None else _parse(_nvidia_smi())
    return gpus or (CPU,)


def _listed(value: str) -> tuple[str, ...]:
    """Return the devices that CUDA itself would see: those before the first invalid one."""
    devices: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if not entry or entry.startswith("-"):
            break
        devices.append(entry)
    return tuple(dict.fromkeys(devices))


def _nvidia_smi() -> str:
    try:
        run = subprocess.run(  # noqa: S603 - a constant
            NVIDIA_SMI, capture_output=True, text=True, timeout=SMI_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""


def _parse(listing: str) -> tuple[str, ...]:
    """Return UUIDs: they do not depend on the order of cards. A partitioned GPU counts as its parts."""
    devices: list[str] = []
    for line in listing.splitlines():
        if not (match := _UUID.search(line)):
            continue
        uuid = match.group(1)
        if uuid.startswith("MIG-") and devices and devices[-1].startswith("GPU-"):
            devices.pop()
        devices.append(uuid)
    return tuple(devices)

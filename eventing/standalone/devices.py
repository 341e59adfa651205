"""The accelerators of this machine, counted without torch."""

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
    """What CUDA_VISIBLE_DEVICES may be set to, one entry per device; only `cpu` if there is no GPU.

    A list that is set already is obeyed, so an operator can keep cards for something else.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES")
    gpus = _listed(given) if given is not None else _parse(_nvidia_smi())
    return gpus or (CPU,)


def _listed(value: str) -> tuple[str, ...]:
    """The devices CUDA itself would see: those before the first that is not valid."""
    found: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if not entry or entry.startswith("-"):
            break
        found.append(entry)
    return tuple(dict.fromkeys(found))


def _nvidia_smi() -> str:
    try:
        run = subprocess.run(  # noqa: S603 - a constant
            NVIDIA_SMI, capture_output=True, text=True, timeout=SMI_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""


def _parse(listing: str) -> tuple[str, ...]:
    """UUIDs, which mean the same card in any order; of a partitioned GPU its parts in its place."""
    found: list[str] = []
    for line in listing.splitlines():
        if not (match := _UUID.search(line)):
            continue
        uuid = match.group(1)
        if uuid.startswith("MIG-") and found and found[-1].startswith("GPU-"):
            found.pop()
        found.append(uuid)
    return tuple(found)

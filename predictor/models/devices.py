"""Choose the torch device of a process, or one for each GPU that shares a video."""

from __future__ import annotations

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable


def pick_device(setting: str) -> str:
    """Return the torch device for a setting: `auto` is the first GPU, or the CPU if there is none."""
    import torch  # noqa: PLC0415 - takes a second; liveness must not wait for it

    if setting == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if setting.startswith("cuda") and not torch.cuda.is_available():
        raise ModelUnavailable(f"REELZERO_DEVICE is {setting}, but this machine has no CUDA device")
    return "cuda:0" if setting == "cuda" else setting


def pick_devices(setting: str, entry: CatalogEntry) -> list[str]:
    """Return a torch device for each rank. Raises ModelUnavailable if this machine has too few GPUs."""
    import torch  # noqa: PLC0415 - see pick_device

    if setting == "cpu":
        return ["cpu"] * entry.gpus
    wish = f"the catalog entry {entry.name} asks for {entry.gpus} GPUs"
    if setting not in ("auto", "cuda"):
        raise ModelUnavailable(f"{wish}, but REELZERO_DEVICE is {setting}: set it to cuda")
    if (count := torch.cuda.device_count()) < entry.gpus:
        raise ModelUnavailable(
            f"{wish}, but this machine has {count}: set gpus to what it has, or REELZERO_DEVICE=cpu for "
            f"{entry.gpus} processes on the CPU"
        )
    return [f"cuda:{rank}" for rank in range(entry.gpus)]

"""`reelzero models check` and `pull`: can a model run on this machine, and fetch its weights."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from eventing.cli.terminal.screen.output import Output
from eventing.cli.terminal.servers.machine import gpus
from eventing.contract.catalog import Catalog, CatalogEntry, load_catalog
from eventing.contract.env import WeightsSettings, read
from eventing.contract.errors import ConfigurationError, ModelUnavailable, ReelzeroError
from eventing.contract.storage.weights import check_folder
from eventing.standalone.data.data_dir import DATA_DIR
from eventing.standalone.data.weights import Places, hub_cache
from eventing.standalone.processes.devices import CPU, find_devices

GIB = 1 << 30
Names = Annotated[list[str] | None, typer.Argument(help="Models; all if none.", metavar="[MODEL]...")]
ModelsDir = Annotated[Path | None, typer.Option(help="Folder with one folder of weights per model.")]
DataDir = Annotated[Path, typer.Option(help="Data folder of `reelzero up`.", envvar="REELZERO_DATA_DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class Machine:
    """What this machine has. Sizes are in GiB; those of the GPUs are None where nvidia-smi is missing."""

    gpus: int
    gpu_memory_gib: float | None
    memory_gib: float
    disk_gib: float


@dataclass(frozen=True)
class Verdict:
    """Whether a model can run here, and what is in the way."""

    model: str
    can_run: bool
    weights: str
    needs: str
    reasons: tuple[str, ...]


def check(
    names: Names = None, models_dir: ModelsDir = None, data_dir: DataDir = DATA_DIR, as_json: AsJson = False
) -> None:
    """Check GPUs, memory, disk and weights: which models can run on this machine?

    Exit status: 1 if a model that was named cannot.
    """
    output = Output(as_json)
    try:
        machine, entries = this_machine(), _entries(names)
        places = Places(models_dir, data_dir, read(WeightsSettings))
        verdicts = [judge(entry, machine, places) for entry in entries]
    except ReelzeroError as error:
        output.error(f"reelzero: {error.message}")
        raise typer.Exit(2) from error
    _show(output, machine, verdicts)
    if names and not all(verdict.can_run for verdict in verdicts):
        raise typer.Exit(1)


def pull(names: Annotated[list[str], typer.Argument(help="Models.", metavar="MODEL...")]) -> None:
    """Fetch the weights of models from the Hugging Face Hub, at the commit that the catalog names."""
    output = Output()
    try:
        for entry in _entries(names):
            output.line(f"{entry.name}: {_pull(entry)}")
    except ReelzeroError as error:
        output.error(f"reelzero: {error.message}")
        raise typer.Exit(1) from error


def this_machine() -> Machine:
    """Return what this machine has."""
    devices = [device for device in find_devices() if device != CPU]
    sizes = [int(gpu.total_mib) / 1024 for gpu in gpus() if gpu.total_mib.isdigit()]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    return Machine(len(devices), min(sizes) if sizes else None, memory, _free_disk())


def judge(entry: CatalogEntry, machine: Machine, places: Places) -> Verdict:
    """Return whether a model can run on a machine, and every reason why not."""
    weights, missing = _weights(entry, places)
    needs = f"{entry.gpus} GPU, {entry.gpu_memory_gib} GiB" if entry.gpus else "CPU"
    reasons = tuple(_obstacles(entry, machine, missing))
    return Verdict(entry.name, not reasons, weights, needs, reasons)


def _obstacles(entry: CatalogEntry, machine: Machine, missing: str | None) -> Iterator[str]:
    if entry.gpus > machine.gpus:
        yield f"needs {entry.gpus} GPU and there are {machine.gpus}"
    elif entry.gpus and machine.gpu_memory_gib and entry.gpu_memory_gib > machine.gpu_memory_gib:
        yield f"needs {entry.gpu_memory_gib} GiB of GPU memory and there are {machine.gpu_memory_gib:.1f}"
    if entry.memory_gib > machine.memory_gib:
        yield f"needs {entry.memory_gib} GiB of memory and there are {machine.memory_gib:.1f}"
    if missing:
        yield missing
        if entry.weights_gib > machine.disk_gib:
            yield f"its weights have {entry.weights_gib} GiB and the disk has {machine.disk_gib:.0f} free"


def _weights(entry: CatalogEntry, places: Places) -> tuple[str, str | None]:
    """Return where the weights are, and what is missing of them."""
    try:
        folder = places.folder(entry)
    except ModelUnavailable:
        size = f"{entry.weights_gib} GiB to fetch" if entry.weights_gib else "to fetch"
        return size, f"its weights are not here: reelzero models pull {entry.name}"
    if folder is None:
        return ("in the package" if entry.bundled else "comes at its start"), None
    try:
        check_folder(folder)
    except ModelUnavailable as error:
        return "broken", error.message
    return "here", None


def _pull(entry: CatalogEntry) -> str:
    """Fetch the weights of a model; say where they are. Raises ConfigurationError."""
    if not entry.repository:
        return "its weights need no download"
    if find_spec("huggingface_hub") is None:
        raise ConfigurationError("huggingface_hub is not installed: pip install 'reelzero[predictor]'")
    free = _free_disk()
    if entry.weights_gib > free:
        raise ConfigurationError(
            f"the weights of {entry.name} have {entry.weights_gib} GiB, and the disk of {hub_cache()} has "
            f"{free:.0f} GiB free; set HF_HUB_CACHE to a folder on a larger one"
        )
    hub = importlib.import_module("huggingface_hub")
    try:
        folder = Path(hub.snapshot_download(entry.repository, revision=entry.revision))
    except Exception as error:  # of many kinds: no network, no access, no such commit
        raise ConfigurationError(
            f"{entry.repository} at {entry.revision} cannot be fetched: {str(error).splitlines()[0]}"
        ) from error
    check_folder(folder)
    return f"in {folder}"


def _entries(names: list[str] | None) -> list[CatalogEntry]:
    folder = os.environ.get("REELZERO_CATALOG_DIR")
    catalog: Catalog = load_catalog(Path(folder) if folder else None)
    return [catalog.get(name) for name in names] if names else list(catalog.entries())


def _free_disk() -> float:
    """Return the free GiB where downloads go."""
    cache = hub_cache()
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return shutil.disk_usage(place).free / GIB


def _show(output: Output, machine: Machine, verdicts: list[Verdict]) -> None:
    if output.as_json:
        output.json({"machine": asdict(machine), "models": [asdict(verdict) for verdict in verdicts]})
        return
    size = f" of {machine.gpu_memory_gib:.0f} GiB" if machine.gpu_memory_gib else ""
    rest = f"{machine.memory_gib:.0f} GiB of memory, {machine.disk_gib:.0f} GiB of disk free"
    output.line(f"this machine: {machine.gpus} GPU{size}, {rest}")
    rows = [
        (verdict.model, Text("yes", "green") if verdict.can_run else Text("no", "red"), verdict.needs,
         verdict.weights, "; ".join(verdict.reasons))
        for verdict in verdicts
    ]  # fmt: skip
    output.table(("model", "runs", "needs", "weights", "because"), rows)
    if len(verdicts) == 1:
        for reason in verdicts[0].reasons:
            output.line(f"  {reason}")

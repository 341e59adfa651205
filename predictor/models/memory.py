"""Load the pipeline of one process into memory, from a folder whose files are checked."""

from __future__ import annotations

import logging
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from predictor.models.families import find_family
from predictor.settings import PredictorSettings

if TYPE_CHECKING:
    from predictor.models.pipelines import Pipeline

log = logging.getLogger(__name__)


def load_pipeline(entry: CatalogEntry, settings: PredictorSettings, folder: Path, device: str) -> Pipeline:
    """Load the pipeline on the calling thread, which must also run it. Raises ModelUnavailable."""
    _prepare_torch(device, settings.torch_threads)
    _quiet_libraries()
    log.info("loading weights", extra={"model": entry.name, "folder": str(folder), "device": device})
    with _loader(entry, settings, device):
        return _load(find_family(entry, settings.family_modules()), entry, folder, device)


def _loader(entry: CatalogEntry, settings: PredictorSettings, device: str) -> AbstractContextManager[None]:
    """Let the library of REELZERO_WEIGHTS_LOADER read weights that go straight to a GPU.

    On a CPU it reads to memory, for tests; weights that are offloaded or split over GPUs stay mapped.
    """
    name = settings.weights_loader
    is_direct = device.startswith("cuda") and entry.offload == "none"
    if name == "mapped" or not (is_direct or settings.device == "cpu"):
        if name != "mapped":
            log.warning("weights are mapped: no loader is used for an offloaded model, or for several GPUs")
        return nullcontext()
    from predictor.models.pipelines.loading import loaders  # noqa: PLC0415 - see predictor/models/devices.py

    return loaders.reading_with(name, device)


def _prepare_torch(device: str, threads: int | None) -> None:
    """Set the options of torch that are per thread."""
    import torch  # noqa: PLC0415 - see predictor/models/devices.py

    if threads is not None:
        torch.set_num_threads(threads)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)


def _quiet_libraries() -> None:
    """Turn off progress bars and warnings: diffusers quotes the part of a prompt that it cuts."""
    from diffusers.utils import logging as diffusers_logging  # noqa: PLC0415 - as above
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - as above

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    # Of adapters: what is wrong in one is raised, with its file.
    warnings.filterwarnings("ignore", module=r"peft\.")
    logging.getLogger("diffusers.loaders.peft").setLevel(logging.CRITICAL)


def _load(family: Any, entry: CatalogEntry, folder: Path, device: str) -> Pipeline:
    try:
        pipeline: Pipeline = family.load(folder, entry, device)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"{folder} could not be loaded as {entry.family}: {_first_line(error)}"
        ) from error
    return pipeline


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]

"""Find a model's weights, check every file, and load them, in one process or in one for each GPU.

A folder set by the operator (or STORAGE_URI in /mnt/models) comes first, then the folder bundled with this
package, then the Hugging Face cache. Every error is a ModelUnavailable that names the file.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.contract.prompts import Vocabulary, prompt_warnings
from eventing.contract.records.models import GenerationSpec
from eventing.contract.storage.weights import check_folder
from predictor import collector
from predictor.models.arrival import await_folder
from predictor.models.devices import pick_device, pick_devices
from predictor.models.engines.model import EngineModel, load_engine
from predictor.models.families import find_family
from predictor.models.loras import LOCAL, LoraShelf
from predictor.models.memory import load_pipeline
from predictor.models.prompts import read_prompt
from predictor.models.ranks.messages import Weights
from predictor.settings import PredictorSettings

if TYPE_CHECKING:
    from predictor.models.pipelines import Pipeline
    from predictor.models.ranks.processes import Ranks

ASSETS = Path(__file__).parents[1] / "assets"
NOTE = ".cache/huggingface/download/model_index.json.metadata"  # huggingface_hub's; line 1 is the commit
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """Weights in memory. `revision` goes into manifests; `device` is a torch device.

    `ranks` are the other processes of a model that runs on several GPUs.
    """

    entry: CatalogEntry
    pipeline: Pipeline
    revision: str
    device: str
    vocabulary: Vocabulary | None
    loras: LoraShelf = field(default_factory=LoraShelf)
    ranks: Ranks | None = None

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest for what the model cannot make or would round."""
        self.pipeline.require_exact(spec)

    def release(self) -> None:
        """Free the memory of a job, also of one that was stopped."""
        self.pipeline.release()

    def prompt_warnings(self, prompt: str) -> tuple[str, ...]:
        """Return warnings about everything in a prompt that the model ignores."""
        reading = read_prompt(self.pipeline.tokenizer, prompt)
        return prompt_warnings(prompt, self.entry.max_prompt_tokens, reading, self.vocabulary)


Model = LoadedModel | EngineModel


def open_model(entry: CatalogEntry, settings: PredictorSettings) -> Model:
    """Load the model, or find its engine. Raises ModelUnavailable; Unavailable while the engine is away."""
    return load_model(entry, settings) if entry.has_weights else load_engine(entry, settings)


def load_model(entry: CatalogEntry, settings: PredictorSettings) -> LoadedModel:
    """Load the model on the calling thread, which must also run it. Raises ModelUnavailable."""
    folder, revision = find_folder(entry, settings)
    check_folder(folder)
    vocabulary = Vocabulary.read(folder)
    family = find_family(entry, settings.family_modules())
    collector.keep_imports()
    if entry.gpus > 1 and getattr(family, "SHARED", False):
        pipeline, ranks, device = _load_shared(entry, settings, folder)
    else:
        ranks, device = None, pick_device(settings.device)
        pipeline = load_pipeline(entry, settings, folder, device)
    # On a CPU only the model in the box has previews: the others would take seconds to learn theirs.
    if settings.preview_steps and (device.startswith("cuda") or entry.bundled):
        _prepare_previews(pipeline)
    loras = LoraShelf(entry.loras, settings.allow_download)
    return LoadedModel(entry, pipeline, revision, device, vocabulary, loras, ranks)


def find_folder(entry: CatalogEntry, settings: PredictorSettings) -> tuple[Path, str]:
    """Return the folder of the weights and their revision. Raises ModelUnavailable saying what to do."""
    if (folder := settings.weights_folder()) is not None:
        await_folder(folder, entry.budget.cold_start_seconds)
        return folder, _noted_commit(folder)
    if entry.bundled:
        return ASSETS / entry.bundled, entry.revision
    if entry.repository:
        return _cached(entry.repository, entry.revision, settings.allow_download)
    raise ModelUnavailable(
        f"{entry.name} has no weights to download: build them with `python -m predictor.models.tiny FOLDER` "
        "and set REELZERO_MODEL_DIR to that folder"
    )


def _load_shared(
    entry: CatalogEntry, settings: PredictorSettings, folder: Path
) -> tuple[Pipeline, Ranks | None, str]:
    from predictor.models.ranks.start import load_shared  # noqa: PLC0415 - see predictor/models/devices.py

    devices = pick_devices(settings.device, entry)
    pipeline, ranks = load_shared(Weights(entry, settings, folder), devices)
    return pipeline, ranks, devices[0]


def _noted_commit(folder: Path) -> str:
    """Return the commit that huggingface_hub noted in a folder, as with KServe's hf://, or `local`."""
    try:
        first = (folder / NOTE).read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return LOCAL
    return first if re.fullmatch("[0-9a-f]{40}", first) else LOCAL


def _cached(repository: str, revision: str, download: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - see predictor/models/devices.py

    try:
        snapshot = Path(snapshot_download(repository, revision=revision, local_files_only=not download))
    except Exception as error:
        raise ModelUnavailable(
            f"{repository} at {revision} is not in the Hugging Face cache: set REELZERO_MODEL_DIR to "
            "a folder with it, or REELZERO_ALLOW_DOWNLOAD=true to fetch it"
        ) from error
    return snapshot, snapshot.name  # the folder's name is the commit


def _prepare_previews(pipeline: Pipeline) -> None:
    """Prepare previews. Without them the model still makes videos."""
    try:
        pipeline.prepare_previews()
    except Exception:
        log.exception("there will be no previews")

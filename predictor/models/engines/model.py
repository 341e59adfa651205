"""Stand in for a loaded model where an engine makes the videos: its entry, its revision and its client."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import InvalidRequest, ModelUnavailable
from eventing.contract.records.models import GenerationSpec
from predictor.models.engines.client import EngineClient
from predictor.models.loras import LoraShelf
from predictor.settings import PredictorSettings


@dataclass(frozen=True)
class EngineModel:
    """A model at an engine. `revision` is what the catalog says that the engine serves."""

    entry: CatalogEntry
    client: EngineClient
    revision: str
    loras: LoraShelf = field(default_factory=LoraShelf)  # none: an engine gets no adapters

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest for what the entry does not allow: the dispatcher may have another one."""
        has_image, has_last = spec.image is not None, spec.last_image is not None
        self.entry.tasks.choose(spec.model, image=has_image, last_image=has_last)
        if not self.entry.makes(spec.width, spec.height):
            sizes = self.entry.describe_sizes()
            raise InvalidRequest(f"{spec.model} makes {sizes}, not {spec.width}x{spec.height}", field="width")
        if not self.entry.frames.allows(spec.num_frames):
            frames = self.entry.frames.describe()
            raise InvalidRequest(
                f"{spec.model} makes {frames} frames, not {spec.num_frames}", field="num_frames"
            )

    def release(self) -> None:
        """Raise Unavailable if the engine went away: no attempt is taken before it is back."""
        self.client.require_ready()

    def prompt_warnings(self, _prompt: str) -> tuple[str, ...]:
        """Return none: the tokenizer is at the engine."""
        return ()


def load_engine(entry: CatalogEntry, settings: PredictorSettings) -> EngineModel:
    """Find the engine of an entry. Raises ModelUnavailable naming the setting, Unavailable while away."""
    engine = entry.engine
    assert engine is not None, "the entry names an engine"  # noqa: S101 - for the type checker
    url = settings.engine_url or engine.url
    if url is None:
        raise ModelUnavailable(
            f"the address of the engine of {entry.name} is missing: set REELZERO_ENGINE_URL, or "
            "engine.url of the catalog entry"
        )
    client = EngineClient(engine, url, settings.engine_token)
    client.require_ready()
    return EngineModel(entry, client, entry.revision)

"""List what each model can make, in the words of OpenRouter's requests, as its `GET /videos/models` does."""

from __future__ import annotations

from pydantic import Field

from eventing.api.dependencies import Container
from eventing.api.videos.shapes import durations, ratio_of, resolution_of
from eventing.contract.catalog import CatalogEntry
from eventing.contract.records.models import Frozen, JobRequest

FRAMES = {"image": "first_frame", "last_image": "last_frame"}
# Fields of a job request that OpenRouter's contract has itself, under this or another name.
CONTRACT = frozenset({"prompt", "model", "width", "height", "num_frames", "seed", "image", "last_image"})
CONTRACT |= {"generate_audio", "callback_url"}
PASSED_ON = tuple(name for name in JobRequest.model_fields if name not in CONTRACT)


class VideoModel(Frozen):
    """One model. `null` says that the contract has the field and no model here the ability."""

    id: str
    canonical_slug: str
    name: str
    description: str
    created: int
    hugging_face_id: str | None
    supported_resolutions: list[str] = Field(description="Of the listed sizes, by their short sides.")
    supported_aspect_ratios: list[str]
    supported_sizes: list[str]
    supported_durations: list[int] = Field(description="Whole seconds at the model's own frame rate.")
    supported_frame_images: list[str] = Field(description="Values of `frame_type`.")
    generate_audio: bool = Field(description="Whether the model makes sound.")
    seed: bool = Field(True, description="Every model here makes the same frames of the same seed.")
    allowed_passthrough_parameters: tuple[str, ...] = Field(
        PASSED_ON, description="Fields beside those of the contract, in the body or in provider.options."
    )
    pricing_skus: dict[str, str] | None = Field(None, description="No prices here.")
    creativity: list[int] | None = Field(None, description="Of models that enlarge videos: none here.")
    upscale_factor: dict[str, float] | None = Field(None, description="The same.")


class VideoModels(Frozen):
    """All models that are served here."""

    data: list[VideoModel]


def video_models(container: Container) -> VideoModels:
    """Return all models that are served here, in the operator's order."""
    entries = [container.catalog.get(name) for name in container.served.models()]
    return VideoModels(data=[video_model(entry) for entry in entries])


def video_model(entry: CatalogEntry) -> VideoModel:
    """Return what a model can make."""
    return VideoModel(
        id=entry.name,
        canonical_slug=entry.name,
        name=entry.title,
        description=entry.notes,
        created=entry.created,
        hugging_face_id=entry.repository,
        supported_resolutions=list(dict.fromkeys(map(resolution_of, entry.sizes))),
        supported_aspect_ratios=list(dict.fromkeys(map(ratio_of, entry.sizes))),
        supported_sizes=[f"{width}x{height}" for width, height in entry.sizes],
        supported_durations=durations(entry),
        supported_frame_images=[FRAMES[name] for name in entry.inputs if name in FRAMES],
        generate_audio=entry.sound is not None,
    )

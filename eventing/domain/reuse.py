"""Tell which jobs make the same frames, and turn a finished result into that of another job. Pure.

The digest is made of everything that eventing knows to change the frames: the spec with its seed, the pixels
of its pictures, the catalog entries of the model and of its adapters with their revisions, and this release,
whose libraries draw. Fields that later releases add count too. What only a predictor knows (its GPU, its
watermark) is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from eventing import __version__
from eventing.contract.catalog import CatalogEntry
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.results import StoredFile, VideoResult
from eventing.domain.job import Job

# Of an entry: words, prices and limits.
NOT_FRAMES = frozenset({
    "title", "sizes", "sides", "frames", "fps", "quality", "min_steps", "max_guidance", "negative_prompt",
    "gpus", "gpu_memory_gib", "memory_gib", "weights_gib", "budget", "licence", "licence_notes", "created",
    "notes", "draws", "examples",
})  # fmt: skip
FILES_OF_ADAPTER = frozenset({"folder", "repository", "revision", "file", "file_2"})
# Of a picture: where it is, and how it came. Its pixels and what was cut off count.
NOT_PIXELS = frozenset({"uri", "source_sha256"})


def spec_digest(spec: GenerationSpec, entry: CatalogEntry) -> str:
    """Return the SHA-256 that two jobs have in common if they make the same frames."""
    fields = spec.model_dump(mode="json", exclude_none=True)
    for name, picture in spec.pictures().items():
        fields[name] = picture.model_dump(mode="json", exclude=set(NOT_PIXELS))
    whole = {
        "release": __version__,
        "spec": fields,
        "entry": entry.model_dump(mode="json", exclude=set(NOT_FRAMES)),
        "loras": [
            entry.loras[lora.name].model_dump(mode="json", include=set(FILES_OF_ADAPTER))
            for lora in spec.loras or ()
        ],
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def files_of(result: VideoResult) -> dict[str, StoredFile]:
    """Return the files of a result, by field."""
    return {name: value for name, value in result if isinstance(value, StoredFile)}


def reused(source: Job, job: Job, uris: Mapping[str, str], manifest_uri: str) -> VideoResult:
    """Return the result of a job whose files are copies of those of another one, at the URIs by field.

    Its attempt is 0, since no predictor made one. Revision and timings are those of the source.
    """
    assert source.video_result is not None  # noqa: S101 - only a completed job is a source
    result = source.video_result
    files = {name: file.model_copy(update={"uri": uris[name]}) for name, file in files_of(result).items()}
    facts = {"job_id": job.id, "attempt": 0, "manifest_uri": manifest_uri, "reused_from": source.public_id}
    return result.model_copy(update=files | facts)

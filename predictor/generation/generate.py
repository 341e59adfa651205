"""The story of one video: encode the prompt, denoise, decode, encode the file, upload it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eventing.contract.models import CompletedRecord, Stage
from eventing.contract.s3 import Bucket
from predictor.generation import results as outcome
from predictor.generation import video
from predictor.generation.attempt import Job
from predictor.generation.monitor import Watch
from predictor.generation.result_store import Results
from predictor.generation.results import Files
from predictor.models.loading import LoadedModel
from predictor.models.pipelines import checked


@dataclass(frozen=True)
class Workspace:
    """Where a job works: a folder of its own on scratch, the bucket (None for an inline answer), and the
    seconds of cold start to report with it.
    """

    folder: Path
    bucket: Bucket | None = None
    cold_start: float = 0.0


def generate(model: LoadedModel, job: Job, watch: Watch, space: Workspace) -> CompletedRecord:
    """Do a job.

    Raises Cancelled, GenerationTimeout, BrokenFrames, StorageError, and whatever torch raises.
    """
    results = Results(space.bucket, job.address) if space.bucket else None
    if results and (earlier := results.find(watch)):
        return CompletedRecord(result=earlier)
    files = make_files(model, job, watch, space.folder)
    if results is None:
        return CompletedRecord(inline=outcome.inline(model, job, files, watch.timings(space.cold_start)))
    with watch.stage(Stage.upload):
        stored = outcome.store(files, results, watch)
    manifest = outcome.manifest(model, job, stored, results.manifest_uri(), watch.timings(space.cold_start))
    completed = CompletedRecord(result=results.complete(manifest, watch))
    watch.reached("after_upload")
    return completed


def make_files(model: LoadedModel, job: Job, watch: Watch, folder: Path) -> Files:
    """Generate the video and write its three files into a folder."""
    spec, pipeline = job.spec, model.pipeline
    with watch.stage(Stage.encode_prompt):
        embeds = pipeline.encode_prompt(spec)
    with watch.stage(Stage.denoise, spec.num_inference_steps):
        latents = pipeline.denoise(spec, embeds, watch.step)
    with watch.stage(Stage.decode), checked(pipeline.vae_decoder, watch.check):
        frames = pipeline.decode(spec, latents)
    files = Files(folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg")
    with watch.stage(Stage.encode_video):
        video.write_mp4(frames, spec.fps, files.video, watch.check)
        video.write_poster(frames, files.poster)
        video.write_spritesheet(frames, files.spritesheet)
    return files

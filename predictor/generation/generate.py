"""The story of one video: encode the prompt, denoise, decode, encode the file, upload it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eventing.contract.models import Stage
from eventing.contract.s3 import Bucket
from eventing.contract.stream import CompletedRecord
from predictor.generation import results, video
from predictor.generation.attempt import Attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import ResultStore
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


def generate(model: LoadedModel, attempt: Attempt, monitor: Monitor, space: Workspace) -> CompletedRecord:
    """Do a job.

    Raises Cancelled, GenerationTimeout, BrokenFrames, StorageError, and whatever torch raises.
    """
    store = ResultStore(space.bucket, attempt.address) if space.bucket else None
    if store and (earlier := store.find(monitor)):
        return CompletedRecord(result=earlier)
    files = make_files(model, attempt, monitor, space.folder)
    if store is None:
        return CompletedRecord(
            inline=results.inline(model, attempt, files, monitor.timings(space.cold_start))
        )
    with monitor.stage(Stage.upload):
        stored = results.upload(files, store, monitor)
    manifest = results.manifest(
        model, attempt, stored, store.manifest_uri(), monitor.timings(space.cold_start)
    )
    completed = CompletedRecord(result=store.complete(manifest, monitor))
    monitor.reached("after_upload")
    return completed


def make_files(model: LoadedModel, attempt: Attempt, monitor: Monitor, folder: Path) -> Files:
    """Generate the video and write its three files into a folder."""
    spec, pipeline = attempt.spec, model.pipeline
    with monitor.stage(Stage.encode_prompt):
        embeds = pipeline.encode_prompt(spec)
    with monitor.stage(Stage.denoise, spec.num_inference_steps):
        latents = pipeline.denoise(spec, embeds, monitor.step)
    with monitor.stage(Stage.decode), checked(pipeline.vae_decoder, monitor.check):
        frames = pipeline.decode(spec, latents)
    files = Files(folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg")
    with monitor.stage(Stage.encode_video):
        video.write_mp4(frames, spec.fps, files.video, monitor.check)
        video.write_poster(frames, files.poster)
        video.write_spritesheet(frames, files.spritesheet)
    return files

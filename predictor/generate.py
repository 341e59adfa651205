"""The story of one video: encode the prompt, denoise, decode, encode the file, upload it."""

from __future__ import annotations

from pathlib import Path

from eventing.contract import CompletedRecord, Stage
from eventing.s3 import Bucket
from predictor import outcome, video
from predictor.job import Job
from predictor.loading import LoadedModel
from predictor.outcome import Files
from predictor.pipelines import checked
from predictor.storage import Results
from predictor.watch import Watch


def generate(
    model: LoadedModel, job: Job, watch: Watch, folder: Path, bucket: Bucket | None, load: float
) -> CompletedRecord:
    """Do a job; `bucket` is None for an inline answer, `load` the cold start to report, in seconds.

    Raises Cancelled, GenerationTimeout, BrokenFrames, StorageError, and whatever torch raises.
    """
    results = Results(bucket, job.address) if bucket else None
    if results and (earlier := results.find(watch)):
        return CompletedRecord(result=earlier)
    files = make_files(model, job, watch, folder)
    if results is None:
        return CompletedRecord(inline=outcome.inline(model, job, files, watch.timings(load)))
    with watch.stage(Stage.upload):
        stored = outcome.store(files, results, watch)
    manifest = outcome.manifest(model, job, stored, results.manifest_uri(), watch.timings(load))
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

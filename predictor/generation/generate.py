"""Make one video: encode the prompt, denoise, decode, write the files, upload them or return the video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eventing.contract.models import Stage
from eventing.contract.stream import CompletedRecord
from predictor.generation import engine_files, results, video
from predictor.generation.attempt import Attempt
from predictor.generation.monitor import Monitor
from predictor.generation.pictures import read_pictures
from predictor.generation.preview import Previews
from predictor.generation.result_store import ResultStore
from predictor.generation.results import Files
from predictor.generation.workspace import Workspace
from predictor.models.loading import LoadedModel, Model
from predictor.models.pipelines import checked
from predictor.models.sound import Waveform


def generate(model: Model, attempt: Attempt, monitor: Monitor, space: Workspace) -> CompletedRecord:
    """Run an attempt to its result; an attempt that already has one in S3 is not run again.

    Raises Cancelled, GenerationTimeout, BrokenFrames, BrokenVideo, StorageError, and what torch raises.
    """
    store = ResultStore(space.bucket, attempt.address) if space.bucket and attempt.is_stored else None
    if store and (earlier := store.find(monitor)):
        return CompletedRecord(result=earlier)
    if isinstance(model, LoadedModel):
        return _deliver(make_files(model, attempt, monitor, space), store, model, attempt, monitor, space)
    with engine_files.at_engine(model, attempt, monitor, space) as run:
        files = engine_files.make_files(run, model, attempt, monitor, space)
        return _deliver(files, store, model, attempt, monitor, space)


def _deliver(
    files: Files,
    store: ResultStore | None,
    model: Model,
    attempt: Attempt,
    monitor: Monitor,
    space: Workspace,
) -> CompletedRecord:
    """Upload the files and write the manifest, or return the video in the record."""
    if store is None:
        timings = monitor.timings(space.cold_start)
        return CompletedRecord(inline=results.inline(model, attempt, files, timings))
    with monitor.stage(Stage.upload):
        stored = results.upload(files, store, monitor)
    timings = monitor.timings(space.cold_start)
    manifest = results.manifest(model, attempt, stored, store.manifest_uri(), timings)
    completed = CompletedRecord(result=store.complete(manifest, monitor))
    monitor.pass_point("after_upload")
    return completed


def make_files(model: LoadedModel, attempt: Attempt, monitor: Monitor, space: Workspace) -> Files:
    """Generate the video and write its three files. Raises ContentRefused, BrokenVideo if the MP4 differs."""
    spec, pipeline, finish = attempt.spec, model.pipeline, space.finish
    finish.hooks.check_request(spec)
    with monitor.stage(Stage.encode_prompt):
        model.loras.turn_on(spec, pipeline.adapt)
        monitor.check()
        pictures = read_pictures(spec, space.bucket, monitor)
        embeds = pipeline.encode_prompt(spec)
    with monitor.stage(Stage.denoise, spec.num_inference_steps), checked(pipeline.blocks, monitor.check):
        on_step = Previews(pipeline, spec, monitor, space.preview_steps).on_step()
        latents = pipeline.denoise(spec, embeds, on_step, pictures)
    with monitor.stage(Stage.decode), checked([pipeline.vae_decoder], monitor.check):
        frames = pipeline.decode(spec, latents)
        sound = pipeline.decode_sound(spec, latents) if spec.generate_audio else None
    with monitor.stage(Stage.encode_video):
        frames = finish.hooks.finish_frames(spec, frames)
        files = write_files(frames, sound, attempt, monitor, space.folder)
        return replace(files, mark=finish.sign(files.video, spec, model.revision))


def write_files(
    frames: video.Frames, sound: Waveform | None, attempt: Attempt, monitor: Monitor, folder: Path
) -> Files:
    """Write the MP4, check it, and write the two pictures. Raises BrokenVideo, OSError."""
    path, poster, spritesheet = folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg"
    video.write_mp4(frames, attempt.spec.fps, path, monitor.check, sound)
    measured = video.measure_mp4(path)
    results.require_promised(attempt.spec, measured)
    video.write_poster(frames, poster)
    video.write_spritesheet(frames, spritesheet)
    return Files(path, poster, spritesheet, measured)

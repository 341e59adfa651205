"""Make one video: encode the prompt, denoise, decode, write the files, upload them or return the video.

The frames are encoded while the device decodes the next ones. What follows the decode needs no device: the
end of the encoding, the pictures, the mark of origin, and the upload.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from eventing.contract.codecs.stream import CompletedRecord
from eventing.contract.records.models import Stage
from predictor.generation import results
from predictor.generation.attempt import Attempt
from predictor.generation.engines import files as engine_files
from predictor.generation.monitor import Monitor
from predictor.generation.pictures import read_pictures
from predictor.generation.preview import Previews
from predictor.generation.result_store import ResultStore
from predictor.generation.results import Files
from predictor.generation.video import mp4, stills
from predictor.generation.video.encoder import Encoder
from predictor.generation.video.stills import Frames
from predictor.generation.workspace import Workspace
from predictor.models.loading import LoadedModel, Model
from predictor.models.pipelines import Latents, checked

Rest = Callable[[], CompletedRecord]  # what is left of an attempt once it needs no device


def generate(model: Model, attempt: Attempt, monitor: Monitor, space: Workspace) -> CompletedRecord:
    """Run an attempt to its result. Raises as `begin` does."""
    with ExitStack() as stack:
        return begin(model, attempt, monitor, space, stack)()


def begin(model: Model, attempt: Attempt, monitor: Monitor, space: Workspace, stack: ExitStack) -> Rest:
    """Do what needs the device, and return the rest. An attempt that has a result in S3 is not run again.

    `stack` is for what must be closed after the rest. Both raise Cancelled, GenerationTimeout, BrokenFrames,
    BrokenVideo, StorageError, and what torch raises.
    """
    store = ResultStore(space.bucket, attempt.address) if space.bucket and attempt.is_stored else None
    if store and (earlier := store.find(monitor)):
        return lambda: CompletedRecord(result=earlier)
    if isinstance(model, LoadedModel):
        make = begin_files(model, attempt, monitor, space, stack)
    else:
        run = stack.enter_context(engine_files.at_engine(model, attempt, monitor, space))
        make = engine_files.begin_files(run, model, attempt, monitor, space)
    return lambda: _deliver(make(), store, model, attempt, monitor, space)


def begin_files(
    model: LoadedModel, attempt: Attempt, monitor: Monitor, space: Workspace, stack: ExitStack
) -> Callable[[], Files]:
    """Generate the frames, and return what writes the three files. Raises ContentRefused.

    The second part raises BrokenVideo if the MP4 is not what was promised.
    """
    spec, pipeline, hooks = attempt.spec, model.pipeline, space.finish.hooks
    hooks.check_request(spec)
    latents = _denoised(model, attempt, monitor, space)
    chunks: list[Frames] = []
    with monitor.stage(Stage.decode), checked(pipeline.vae_decoder.modules(), monitor.check):
        sound = pipeline.decode_sound(spec, latents) if spec.generate_audio else None
        encoder = stack.enter_context(Encoder(spec, space.folder / "video.mp4", monitor.check, sound))
        # Checks and watermarks take the whole video, so that only then the encoding begins.
        pipeline.stream(spec, latents, chunks.append if hooks.need_frames else encoder.take)

    def rest() -> Files:
        with monitor.stage(Stage.encode_video):
            if hooks.need_frames:
                encoder.take(hooks.finish_frames(spec, np.concatenate(chunks)))
            encoder.finish()
            return _with_pictures(encoder, model, attempt, space)

    return rest


def _denoised(model: LoadedModel, attempt: Attempt, monitor: Monitor, space: Workspace) -> Latents:
    spec, pipeline = attempt.spec, model.pipeline
    with monitor.stage(Stage.encode_prompt):
        model.loras.turn_on(spec, pipeline.adapt)
        monitor.check()
        pictures = read_pictures(spec, space.bucket, monitor)
        embeds = pipeline.encode_prompt(spec)
    with monitor.stage(Stage.denoise, spec.num_inference_steps), checked(pipeline.blocks, monitor.check):
        on_step = Previews(pipeline, spec, monitor, space.preview_steps).on_step()
        return pipeline.denoise(spec, embeds, on_step, pictures)


def _with_pictures(encoder: Encoder, model: LoadedModel, attempt: Attempt, space: Workspace) -> Files:
    """Check the MP4, write the two pictures, and sign. Raises BrokenVideo, OSError."""
    path, poster, sheet = encoder.path, space.folder / "poster.jpg", space.folder / "spritesheet.jpg"
    measured = mp4.measure_mp4(path)
    results.require_promised(attempt.spec, measured)
    stills.write_poster(encoder.stills.kept, poster)
    stills.write_spritesheet(encoder.stills.kept, sheet)
    files = Files(path, poster, sheet, measured)
    return replace(files, mark=space.finish.sign(path, attempt.spec, model.revision))


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

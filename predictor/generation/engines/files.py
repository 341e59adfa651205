"""Turn the file that an engine made into the files of an attempt: checked, copied, with pictures, and signed.

The engine's encoding is kept, and so is its sound unless the request wants none. Only the operator's
watermark needs a new encoding of the frames.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image

from eventing.contract.errors import BrokenVideo
from eventing.contract.records.models import GenerationSpec, Stage
from predictor.generation import results
from predictor.generation.attempt import Attempt
from predictor.generation.engines.note import Notebook
from predictor.generation.engines.run import EngineRun
from predictor.generation.failures import explain
from predictor.generation.hooks import Hooks
from predictor.generation.monitor import Monitor
from predictor.generation.pictures import read_pictures
from predictor.generation.results import Files
from predictor.generation.video import mp4, stills
from predictor.generation.video.stills import Frames
from predictor.generation.workspace import Workspace
from predictor.models.engines.model import EngineModel


@contextmanager
def at_engine(
    model: EngineModel, attempt: Attempt, monitor: Monitor, space: Workspace
) -> Iterator[EngineRun]:
    """Give the run of an attempt at its engine, and remove the video there once nothing can adopt it.

    The note in S3 is kept only for results in S3.
    """
    bucket = space.bucket if attempt.is_stored else None
    notebook = Notebook(bucket, attempt, model.client, monitor)
    run = EngineRun(model.client, attempt.spec, notebook, monitor)
    try:
        yield run
    except Exception as error:
        if bucket is None or not explain(error).retryable:
            run.remove()
        raise
    run.remove()


def begin_files(
    run: EngineRun, model: EngineModel, attempt: Attempt, monitor: Monitor, space: Workspace
) -> Callable[[], Files]:
    """Have the engine make the video, and return what writes the three files.

    Raises ContentRefused, and what EngineRun.fetch raises. The second part raises BrokenVideo if the file is
    not what was promised.
    """
    spec, finish, raw = attempt.spec, space.finish, space.folder / "engine.mp4"
    finish.hooks.check_request(spec)
    pictures = read_pictures(spec, space.bucket, monitor)
    run.fetch(_png(pictures.image), raw)

    def rest() -> Files:
        with monitor.stage(Stage.encode_video):
            files = _write_files(raw, spec, finish.hooks, monitor, space.folder)
            return replace(files, mark=finish.sign(files.video, spec, model.revision))

    return rest


def _write_files(raw: Path, spec: GenerationSpec, hooks: Hooks, monitor: Monitor, folder: Path) -> Files:
    path, poster, spritesheet = folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg"
    sound = None if spec.generate_audio is False else raw
    with _readable():
        mp4.copy_mp4(raw, sound, path)
        measured = mp4.measure_mp4(path)
        results.require_promised(spec, measured)
        frames = _frames(path, measured.frames, hooks.need_frames, monitor)
    if hooks.need_frames:
        frames = hooks.finish_frames(spec, frames)
    if hooks.watermark:
        marked = folder / "marked.mp4"
        mp4.write_mp4(frames, spec.fps, marked, monitor.check)
        mp4.copy_mp4(marked, sound, path)
        measured = mp4.measure_mp4(path)
    stills.write_poster(frames, poster)
    stills.write_spritesheet(frames, spritesheet)
    return Files(path, poster, spritesheet, measured)


def _frames(path: Path, count: int, need_all: bool, monitor: Monitor) -> Frames:
    """Decode every frame, and return all or those of the pictures. Raises BrokenVideo if one is missing."""
    wanted = set(range(count)) if need_all else set(stills.sprite_indices(count))
    decoded, kept = 0, []
    for index, frame in enumerate(mp4.read_frames(path, monitor.check)):
        decoded += 1
        if index in wanted:
            kept.append(frame)
    if decoded != count:
        raise BrokenVideo(f"the engine's file has {count} frames, of which {decoded} can be decoded")
    return np.stack(kept)


@contextmanager
def _readable() -> Iterator[None]:
    """Raise BrokenVideo for a file that is no video, or a damaged one."""
    try:
        yield
    except (av.FFmpegError, IndexError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the copy has no room
        raise BrokenVideo("the engine's file is no video, or it is damaged") from error


def _png(image: Image.Image | None) -> bytes | None:
    if image is None:
        return None
    body = io.BytesIO()
    image.save(body, "PNG", compress_level=1)
    return body.getvalue()

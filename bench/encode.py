"""Encode the same frames with ours, `export_to_video` and the ffmpeg program: `python -m bench.encode`.

The clip is a blurred texture that moves, with some noise and a red block. The peers take turns with ours.
`pip install imageio imageio-ffmpeg` brings both peers; without them ours is only next to the settings that it
had before: x264 `medium`, crf 18, one thread. The ffmpeg program has the preset that comes nearest to ours in
SSIM. SSIM is that of luma in blocks of 8x8.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bench.harness.records import Record, Size, Target, at_most, main, median
from predictor.generation.video.mp4 import read_frames, write_mp4
from predictor.generation.video.stills import Frames

FPS = 8
FFMPEG = ("-preset", "veryfast", "-crf", "20")
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
C1, C2 = 0.01**2 * 255**2, 0.03**2 * 255**2
Encode = Callable[[Path], None]


def clip(count: int, height: int, width: int) -> Frames:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 8 + count, width // 8 + count, 3)).astype(np.uint8)
    texture = Image.fromarray(coarse).resize((coarse.shape[1] * 8, coarse.shape[0] * 8))
    wide = np.asarray(texture.filter(ImageFilter.GaussianBlur(3))).astype(np.int16)
    return np.stack([_frame(wide, index, height, width, random) for index in range(count)])


def _frame(
    wide: NDArray[np.int16], index: int, height: int, width: int, random: np.random.Generator
) -> Frames:
    part = wide[2 * index : 2 * index + height, 3 * index : 3 * index + width]
    frame: Frames = np.clip(part + random.integers(-4, 5, part.shape), 0, 255).astype(np.uint8)
    frame[height // 4 : height // 2, 3 * index : 3 * index + width // 6] = (220, 20, 30)
    return frame


def ssim(frames: Frames, path: Path) -> float:
    decoded = read_frames(path, lambda: None)
    return float(np.mean([_ssim(a @ LUMA, b @ LUMA) for a, b in zip(frames, decoded, strict=True)]))


def _ssim(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    x, y = _blocks(one), _blocks(other)
    mx, my, vx, vy = x.mean(1), y.mean(1), x.var(1), y.var(1)
    both = (x * y).mean(1) - mx * my
    return float(np.mean((2 * mx * my + C1) * (2 * both + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))))


def _blocks(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side // 8 * 8 for side in plane.shape)
    cut = plane[:height, :width].reshape(height // 8, 8, width // 8, 8)
    return cut.swapaxes(1, 2).reshape(-1, 64)


def before(frames: Frames, path: Path) -> None:
    """Encode as this project did before: for the ratio, and where no other peer is at hand."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        options = {"preset": "medium", "crf": "18", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        for pixels in frames:
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace=1)))
        container.mux(stream.encode())


def ffmpeg(program: str, frames: Frames, path: Path) -> None:
    height, width = frames.shape[1:3]
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", "-")
    target = ("-c:v", "libx264", *FFMPEG, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path))
    subprocess.run(
        [program, "-y", "-loglevel", "error", *source, *target], input=frames.tobytes(), check=True
    )


def peers(frames: Frames) -> dict[str, tuple[Encode, Target | None]]:
    found: dict[str, tuple[Encode, Target | None]] = {
        "medium, crf 18, one thread": (lambda path: before(frames, path), None)
    }
    program = shutil.which("ffmpeg")
    if find_spec("imageio_ffmpeg"):
        program = import_module("imageio_ffmpeg").get_ffmpeg_exe()
        from diffusers.utils import export_to_video

        floats = list(frames.astype(np.float32) / 255)  # what a pipeline returns
        found["export_to_video"] = (
            lambda path: export_to_video(floats, str(path), fps=FPS),
            at_most(1 / 3.5),
        )
    if program:
        words = f"ffmpeg {' '.join(FFMPEG)}"
        found[words] = (lambda path: ffmpeg(program, frames, path), at_most(1.0))
    return found


def cases(size: Size) -> list[Record]:
    """Encode with all in turns."""
    frames = clip(*size.of(full=(49, 480, 720), quick=(49, 480, 720), smallest=(9, 64, 96)))
    rivals = peers(frames)
    ways: dict[str, Encode] = {"ours": lambda path: write_mp4(frames, FPS, path, lambda: None)}
    ways |= {name: encode for name, (encode, _) in rivals.items()}
    with tempfile.TemporaryDirectory() as folder:
        seconds, facts = _turns(ways, frames, Path(folder), size.of(full=7, quick=3, smallest=1))
    name = f"encode {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}"
    records = []
    for peer, (_, target) in rivals.items():
        note = f"SSIM {facts['ours'][1]:.4f} against {facts[peer][1]:.4f}"
        records.append(Record(name, "s", seconds["ours"], seconds[peer], peer, target, note))
        kilobytes = facts["ours"][0] / 1000, facts[peer][0] / 1000
        limit = at_most(1.2) if target else None
        records.append(Record(f"bytes of {name[7:]}", "kB", *kilobytes, peer, limit, note))
    return records


def _turns(
    ways: dict[str, Encode], frames: Frames, folder: Path, rounds: int
) -> tuple[dict[str, float], dict[str, tuple[int, float]]]:
    """Return the median seconds of each way, and the bytes and the SSIM of its file."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    facts: dict[str, tuple[int, float]] = {}
    for _ in range(rounds):
        for number, (name, encode) in enumerate(ways.items()):
            path = folder / f"{number}.mp4"
            begin = time.perf_counter()
            encode(path)
            seconds[name].append(time.perf_counter() - begin)
            facts.setdefault(name, (path.stat().st_size, ssim(frames, path)))
    return {name: median(times) for name, times in seconds.items()}, facts


if __name__ == "__main__":
    main(cases)

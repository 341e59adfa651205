"""Files that play: a decoder finds the frames, size and rate of the request."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from eventing.contract.errors import Cancelled
from predictor.generation.video.mp4 import Measured, measure_mp4, write_mp4
from predictor.generation.video.stills import Frames, write_poster, write_spritesheet


def moving(count: int = 9, height: int = 64, width: int = 96) -> Frames:
    """A red block that moves right on a noisy green ground."""
    frames = np.random.default_rng(0).integers(0, 40, (count, height, width, 3), dtype=np.uint8)
    frames[..., 1] += 100
    for index in range(count):
        frames[index, 16:48, index * 4 : index * 4 + 32] = (220, 20, 30)
    return frames


def nothing() -> None:
    """Never stop."""


@pytest.mark.parametrize(("count", "fps"), [(1, 8), (9, 8), (17, 30)])
def test_the_mp4_has_the_frames_size_and_rate(tmp_path: Path, count: int, fps: int) -> None:
    path = tmp_path / "video.mp4"
    write_mp4(moving(count), fps, path, nothing)
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (96, 64, Fraction(fps))
        assert stream.duration is not None and stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(count / fps)
        assert sum(1 for _ in container.decode(stream)) == count
    measured = measure_mp4(path)
    assert measured == Measured(count, 96, 64, Fraction(fps), measured.seconds)
    assert measured.seconds == pytest.approx(count / fps)


def test_colours_survive(tmp_path: Path) -> None:
    frames = moving()
    write_mp4(frames, 8, tmp_path / "video.mp4", nothing)
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert (container.streams.video[0].codec_context.colorspace) == 1, "tagged BT.709"
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    block = first[24:40, 8:24].reshape(-1, 3).mean(0)
    assert np.abs(block - (220, 20, 30)).max() < 6


def test_the_index_comes_before_the_pictures(tmp_path: Path) -> None:
    write_mp4(moving(), 8, tmp_path / "video.mp4", nothing)
    body = (tmp_path / "video.mp4").read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")


def test_equal_frames_give_equal_files_whatever_was_encoded_before(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    found = set()
    for _ in range(12):
        count, size = int(random.integers(3, 12)), int(random.choice([64, 80, 96, 128]))
        other = random.integers(0, 255, (count, size, size, 3), dtype=np.uint8)
        write_mp4(other, 8, tmp_path / "other.mp4", nothing)
        write_mp4(moving(9, 64, 64), 8, tmp_path / "video.mp4", nothing)
        found.add((tmp_path / "video.mp4").read_bytes())
    assert len(found) == 1


def test_encoding_can_be_stopped(tmp_path: Path) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        write_mp4(moving(), 8, tmp_path / "video.mp4", check)
    assert len(calls) == 3


def test_a_full_disk_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_mp4(moving(120), 8, Path("/dev/full"), nothing)


def test_the_poster_is_the_first_frame(tmp_path: Path) -> None:
    frames = moving()
    write_poster(frames, tmp_path / "poster.jpg")
    image = Image.open(tmp_path / "poster.jpg")
    assert (image.format, image.size) == ("JPEG", (96, 64))
    assert np.abs(np.asarray(image, dtype=int)[24:40, 8:24].mean((0, 1)) - (220, 20, 30)).max() < 10


@pytest.mark.parametrize(
    ("count", "height", "width", "size"),
    [
        (1, 64, 96, (96, 64)),
        (5, 64, 96, (288, 128)),
        (49, 64, 96, (384, 256)),
        (49, 480, 720, (640, 428)),
    ],
)
def test_the_sprite_sheet_is_a_grid(
    tmp_path: Path, count: int, height: int, width: int, size: tuple[int, int]
) -> None:
    frames = np.zeros((count, height, width, 3), dtype=np.uint8)
    frames[-1] = 255
    write_spritesheet(frames, tmp_path / "sheet.jpg")
    sheet = Image.open(tmp_path / "sheet.jpg")
    assert (sheet.format, sheet.size) == ("JPEG", size)
    white = np.asarray(sheet.convert("L")) > 200
    assert white.any(), "the last frame is on the sheet"

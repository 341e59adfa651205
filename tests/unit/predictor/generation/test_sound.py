"""The sound of an MP4: in step with its frames, exactly as long, as loud as it was, the same every time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from eventing.contract.records.results import Sound
from predictor.generation.video.mp4 import measure_mp4, write_mp4
from predictor.models.sound import Waveform

Samples = NDArray[np.float32]
FRAMES = np.random.default_rng(0).integers(0, 255, (25, 64, 64, 3), dtype=np.uint8)
EDGE = 1024  # samples of one AAC frame


def tone(seconds: float, rate: int, channels: int = 1, peak: float = 0.25) -> Waveform:
    """A tone in each channel, an octave apart."""
    time = np.arange(round(seconds * rate)) / rate
    waves = [peak * np.sin(2 * np.pi * 220 * 2**channel * time) for channel in range(channels)]
    return Waveform(np.stack(waves).astype(np.float32), rate)


def written(folder: Path, sound: Waveform, fps: int = 24, count: int = 25) -> Path:
    path = folder / "video.mp4"
    write_mp4(FRAMES[:count], fps, path, lambda: None, sound)
    return path


def heard(path: Path) -> Samples:
    """The samples of a file, (channels, samples). The last frame of AAC may be longer than the track."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].pts == 0
    samples: Samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    return samples


@pytest.mark.parametrize(
    ("rate", "channels", "fps", "count"),
    [(24_000, 1, 24, 25), (48_000, 2, 24, 25), (44_100, 2, 23, 10), (16_000, 1, 8, 1)],
)
def test_a_track_has_its_rate_and_channels_and_is_as_long_as_the_video(
    tmp_path: Path, rate: int, channels: int, fps: int, count: int
) -> None:
    path = written(tmp_path, tone(count / fps, rate, channels), fps, count)
    with av.open(str(path)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (audio.codec.name, audio.rate, audio.channels) == ("aac", rate, channels)
        assert (video.start_time, audio.start_time) == (0, 0)
        assert audio.duration is not None and audio.time_base is not None
        assert abs(audio.duration * audio.time_base - Fraction(count, fps)) <= Fraction(1, rate)
        assert sum(1 for _ in container.decode(video)) == count
    assert heard(path).shape[1] - count / fps * rate < EDGE
    measured = measure_mp4(path)
    assert (measured.frames, measured.sound) == (count, Sound(rate=rate, channels=channels))


def test_a_click_is_heard_where_it_was(tmp_path: Path) -> None:
    samples = np.zeros((2, 50_000), np.float32)
    samples[:, 20_000:20_010] = 0.9
    samples[1] *= 0.5
    left, right = np.abs(heard(written(tmp_path, Waveform(samples, 48_000))))
    assert abs(int(left.argmax()) - 20_005) < 20 and abs(int(right.argmax()) - 20_005) < 20
    assert left.max() == pytest.approx(2 * right.max(), rel=0.1)


@pytest.mark.parametrize("peak", [0.01, 0.25, 0.9])
def test_the_loudness_is_not_touched(tmp_path: Path, peak: float) -> None:
    sound = tone(25 / 24, 48_000, 2, peak)
    got = heard(written(tmp_path, sound))[:, :50_000]
    assert np.abs(got - sound.samples).max() < 0.1 * peak, "also where it begins and ends"
    assert got.std(axis=1) == pytest.approx(sound.samples.std(axis=1), rel=0.02)


def test_peaks_above_one_are_clipped_and_nothing_else_is(tmp_path: Path) -> None:
    loud = tone(25 / 24, 48_000, peak=1.5)
    clipped = Waveform(np.clip(loud.samples, -1, 1), loud.rate)
    (tmp_path / "clipped").mkdir()
    assert written(tmp_path, loud).read_bytes() == written(tmp_path / "clipped", clipped).read_bytes()


def test_a_short_sound_ends_in_silence_and_a_long_one_is_cut(tmp_path: Path) -> None:
    whole, half = heard(written(tmp_path, tone(9, 48_000))), heard(written(tmp_path, tone(0.5, 48_000)))
    assert whole.shape == half.shape
    assert np.abs(half[:, 24_000 + 2 * EDGE :]).max() < 1e-3
    assert np.abs(whole[:, 40_000:48_000]).max() == pytest.approx(0.25, rel=0.05)


def test_equal_frames_and_sound_give_equal_files_whatever_was_encoded_before(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    (tmp_path / "other").mkdir()
    bodies = set()
    for _ in range(6):
        noise = random.normal(size=(int(random.integers(1, 3)), 30_000)).astype(np.float32)
        written(tmp_path / "other", Waveform(noise, 32_000), count=3)
        bodies.add(written(tmp_path, tone(0.4, 48_000, 2), count=9).read_bytes())
    assert len(bodies) == 1


def test_the_frames_are_the_same_with_sound_and_without(tmp_path: Path) -> None:
    def packets(path: Path) -> list[tuple[int | None, bytes]]:
        with av.open(str(path)) as container:
            return [(packet.pts, bytes(packet)) for packet in container.demux(video=0) if packet.size]

    loud = packets(written(tmp_path, tone(1, 48_000)))
    write_mp4(FRAMES, 24, tmp_path / "silent.mp4", lambda: None)
    assert loud == packets(tmp_path / "silent.mp4")
    body = (tmp_path / "video.mp4").read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")

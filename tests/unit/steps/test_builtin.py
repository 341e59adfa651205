"""The steps in the box, judged by what is in their files: frames, samples, words and times."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from steps.__main__ import work
from steps.builtin import concat, film, fit, mux, narrate, still, subtitles, title
from steps.media import clips, frames, mixing, sound
from steps.media.frames import Shape
from steps.work import StepError, Work

SMALL = {"width": 64, "height": 48, "fps": 8}
SHAPE = Shape(64, 48, Fraction(8))
RED, BLUE = (200, 20, 20), (20, 20, 200)
OUTPUTS = ("clip", "speech", "timings", "subtitles", "film", "poster", "preview")
Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a step; return the folder of its outputs, which are files named as they are."""

    def go(step: ModuleType, inputs: Mapping[str, list[Path]] | None = None, **parameters: Any) -> Path:
        folder = tmp_path / f"{step.__name__.rpartition('.')[2]}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        outputs = {name: folder / name for name in OUTPUTS}
        files = {name: tuple(paths) for name, paths in (inputs or {}).items()}
        step.run(Work(files, outputs, parameters, lambda _share: None))
        return folder

    return go


def plain(path: Path, colour: tuple[int, int, int], count: int, hertz: float | None = None) -> Path:
    """Write a clip of one colour, and of one tone."""
    frame = frames.from_rgb(np.full((48, 64, 3), colour, np.uint8))
    heard = [tone(hertz, count / 8)] if hertz else None
    clips.write(path, SHAPE, [frame] * count, heard)
    return path


def tone(hertz: float, seconds: float) -> sound.Samples:
    places = np.arange(round(seconds * sound.RATE)) / sound.RATE
    return np.tile(0.3 * np.sin(2 * math.pi * hertz * places), (2, 1)).astype(np.float32)


def colours(path: Path) -> list[tuple[int, ...]]:
    """The mean colour of each frame."""
    return [tuple(frames.to_rgb(frame).mean((0, 1)).round().astype(int)) for frame in frames.read(path)]


def is_like(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) < 12


def heard(path: Path) -> sound.Samples:
    return np.concatenate([sound.silence(0), *sound.read(path)], axis=1)


def level(samples: sound.Samples, start: float, end: float) -> float:
    """The root of the mean square between two times."""
    return float(np.sqrt((samples[:, sound.at(start) : sound.at(end)] ** 2).mean()))


def test_a_clip_between_steps_loses_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    made = [random.integers(0, 256, (72, 64)).astype(np.uint8) for _ in range(5)]
    clips.write(tmp_path / "clip", SHAPE, made, None)
    assert all(np.array_equal(a, b) for a, b in zip(made, frames.read(tmp_path / "clip"), strict=True))


def test_narration_has_every_word_in_order_and_silence_around(run: Run) -> None:
    text = "Once there was a red circle. It cost $25!"
    folder = run(narrate, text=text, pause_seconds=0.5)
    timings = json.loads((folder / "timings").read_text())
    words = timings["words"]
    assert [word["text"] for word in words] == text.split()
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    samples = heard(folder / "speech")
    assert timings["seconds"] == pytest.approx(samples.shape[1] / sound.RATE, abs=0.001)
    assert level(samples, 0, 0.45) == 0
    assert all(level(samples, word["start"], word["end"]) > 0.01 for word in words)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"text": "a", "voice": "klingon-9"}, "no voice klingon-9"), ({"text": "…"}, "no word in it")],
)
def test_what_cannot_be_spoken_is_refused(run: Run, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(StepError, match=words):
        run(narrate, **parameters)


def test_a_title_appears_and_goes(run: Run) -> None:
    shown = list(frames.read(run(title, text="A circle", seconds=2, **SMALL) / "clip"))
    brightest = [int(frame[:48].max()) for frame in shown]
    assert len(shown) == 16
    assert brightest[8] > 120
    assert brightest[0] < 60
    assert brightest[-1] < 60


def test_a_colour_that_is_none_is_refused(run: Run) -> None:
    with pytest.raises(ValidationError, match="background"):
        run(title, text="A", background="reddish", **SMALL)


@pytest.mark.parametrize(("movement", "grows"), [("in", True), ("out", False)])
def test_a_still_moves_its_view(run: Run, tmp_path: Path, movement: str, grows: bool) -> None:
    picture = Image.new("RGB", (320, 240))
    picture.paste(RED, (120, 90, 200, 150))
    picture.save(tmp_path / "picture.png")
    folder = run(
        still, {"image": [tmp_path / "picture.png"]}, seconds=1, movement=movement, amount=0.5, **SMALL
    )
    red = [colour[0] for colour in colours(folder / "clip")]
    assert len(red) == 8
    assert (red == sorted(red)) is grows
    assert max(red) > 2 * min(red)


def test_a_picture_that_is_none_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a red circle")
    with pytest.raises(StepError, match=r"inputs.image: is no picture"):
        run(still, {"image": [tmp_path / "notes.txt"]}, **SMALL)


def test_fit_changes_size_rate_and_length_and_keeps_the_sound(run: Run, tmp_path: Path) -> None:
    clip = plain(tmp_path / "red.mkv", RED, 8, hertz=440)
    folder = run(fit, {"clip": [clip]}, width=32, height=32, fps=16, seconds=2)
    fitted = frames.measure(folder / "clip")
    assert (fitted.shape, fitted.count) == (Shape(32, 32, Fraction(16)), 32)
    assert all(is_like(colour, RED) for colour in colours(folder / "clip"))
    samples = heard(folder / "clip")
    assert samples.shape[1] == 2 * sound.RATE
    assert level(samples, 0.1, 0.9) > 0.1
    assert level(samples, 1.1, 2) == 0


def test_a_preview_beside_a_clip_plays_in_browsers_and_speaks(run: Run, tmp_path: Path) -> None:
    clip = plain(tmp_path / "clip", RED, 8, 440)
    speech = tmp_path / "speech"
    sound.write_wave(speech, [tone(880, 1.5)])
    large = {"width": 1280, "height": 720, "fps": 8}
    for inputs, seconds, hertz in (
        ({"clip": [clip], "speech": [speech]}, 1.5, 880),
        ({"clip": [clip]}, 1.0, 440),
    ):
        shown = frames.measure(run(fit, inputs, **large) / "preview")
        assert shown.shape == Shape(480, 270, Fraction(8))
        assert shown.seconds == seconds
        assert pitch(shown.path) == pytest.approx(hertz, rel=0.05)
        assert all(
            abs(a - b) < 12 for colour in colours(shown.path) for a, b in zip(colour, RED, strict=True)
        )
    for name in ("inputs", "outputs"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (640, 480), BLUE).save(tmp_path / "inputs" / "image", "PNG")
    still.run(work(tmp_path / "inputs", tmp_path / "outputs", {"seconds": 1, **SMALL}))  # as the command does
    silent = frames.measure(tmp_path / "outputs" / "preview")
    assert (silent.shape, silent.count, silent.has_sound) == (SHAPE, 8, False)


def pitch(path: Path) -> float:
    """The loudest frequency of the sound of a file, in hertz."""
    heard = np.concatenate([block[0] for block in sound.read(path)])
    return float(np.abs(np.fft.rfft(heard)).argmax() * sound.RATE / len(heard))


def test_a_fitted_clip_that_is_right_keeps_its_pixels(run: Run, tmp_path: Path) -> None:
    clip = plain(tmp_path / "red.mkv", RED, 8)
    kept = run(fit, {"clip": [clip]}, seconds=0.5) / "clip"
    assert [frame.tobytes() for frame in frames.read(kept)] == [f.tobytes() for f in frames.read(clip)][:4]


def test_clips_follow_each_other_by_cut_and_crossfade(run: Run, tmp_path: Path) -> None:
    red, blue = plain(tmp_path / "red.mkv", RED, 16, 440), plain(tmp_path / "blue.mkv", BLUE, 16, 880)
    cut = colours(run(concat, {"clips": [red, blue]}) / "clip")
    assert [is_like(colour, RED) for colour in cut] == [True] * 16 + [False] * 16
    folder = run(concat, {"clips": [red, blue, red]}, transitions=[1, 0])
    shown = colours(folder / "clip")
    assert len(shown) == 16 + 16 + 16 - 8
    blues = [colour[2] for colour in shown[8:17]]
    assert blues == sorted(blues)
    samples = heard(folder / "clip")
    assert samples.shape[1] == 5 * sound.RATE
    assert level(samples, 1.4, 1.6) == pytest.approx(level(samples, 0.4, 0.6), rel=0.1)  # equal power


@pytest.mark.parametrize(
    ("transitions", "words"),
    [
        ([1.0, 1.0], "2 for 2 clips; 1 are right"),
        ([9.0], r"clips\[0\]: has 8 frames, and its transitions take 72"),
    ],
)
def test_transitions_that_do_not_fit_are_named(
    run: Run, tmp_path: Path, transitions: list[float], words: str
) -> None:
    clip = plain(tmp_path / "red.mkv", RED, 8)
    with pytest.raises(StepError, match=words):
        run(concat, {"clips": [clip, clip]}, transitions=transitions)


def test_clips_of_two_shapes_are_refused_with_both(run: Run, tmp_path: Path) -> None:
    red = plain(tmp_path / "red.mkv", RED, 8)
    small = run(fit, {"clip": [red]}, width=32) / "clip"
    with pytest.raises(StepError, match=r"clips\[1\]: is 32x48 at 8 .* before are 64x48 at 8 .* step fit"):
        run(concat, {"clips": [red, small]})


def test_music_is_softer_under_speech_and_all_is_as_loud_as_wanted(run: Run, tmp_path: Path) -> None:
    clip = plain(tmp_path / "red.mkv", RED, 48)
    sound.write_wave(tmp_path / "music.wav", [tone(220, 1.0)])  # is repeated
    sound.write_wave(tmp_path / "speech.wav", [sound.silence(sound.RATE)])  # so that only music is heard
    inputs = {"clip": [clip], "speech": [tmp_path / "speech.wav"], "music": [tmp_path / "music.wav"]}
    folder = run(mux, inputs, starts=[3.0], duck_db=20, loudness=-20)
    samples = heard(folder / "clip")
    assert level(samples, 1, 2) == pytest.approx(10 * level(samples, 3.1, 3.9), rel=0.1)
    assert mixing.loudness(folder / "clip") == pytest.approx(-20, abs=1)
    assert samples.shape[1] == 6 * sound.RATE


def test_subtitles_are_shown_when_their_words_are_spoken(run: Run, tmp_path: Path) -> None:
    words = [{"text": "Red <b>", "start": 0.25, "end": 0.5}, {"text": "circle.", "start": 0.5, "end": 1.0}]
    (tmp_path / "words.json").write_text(json.dumps({"words": words}))
    clip = plain(tmp_path / "red.mkv", RED, 16)
    folder = run(subtitles, {"timings": [tmp_path / "words.json"], "clip": [clip]}, starts=[0.5])
    text = (folder / "subtitles").read_text()
    assert text == "WEBVTT\n\n00:00:00.750 --> 00:00:01.500\nRed &lt;b&gt; circle.\n"
    white = [int(frame[:48].max()) > 110 for frame in frames.read(folder / "clip")]
    assert white == [False] * 6 + [True] * 6 + [False] * 4


def test_the_film_has_speech_and_subtitles_with_their_clips(run: Run, tmp_path: Path) -> None:
    red, blue = plain(tmp_path / "red.mkv", RED, 24), plain(tmp_path / "blue.mkv", BLUE, 24)
    spoken = run(narrate, text="A blue square.")
    inputs = {"clips": [red, blue], "speech": [spoken / "speech"], "timings": [spoken / "timings"]}
    folder = run(film, inputs, speech_clips=[1])
    made = frames.measure(folder / "film")
    assert (made.shape, made.count) == (SHAPE, 48)
    assert [is_like(colour, RED) for colour in colours(folder / "film")] == [True] * 24 + [False] * 24
    samples = heard(folder / "film")
    assert level(samples, 0, 2.9) < 0.001
    assert level(samples, 3.2, 4) > 0.02
    assert (folder / "subtitles").read_text().startswith("WEBVTT\n\n00:00:03.2")
    assert Image.open(folder / "poster").size == (64, 48)


def test_a_minute_of_odd_frames_keeps_sound_and_picture_together(run: Run, tmp_path: Path) -> None:
    """Thirds of a second have no whole number of samples in many clips; the places still agree."""
    shape = Shape(16, 16, Fraction(30000, 1001))
    frame = frames.from_rgb(np.full((16, 16, 3), RED, np.uint8))
    click = sound.silence(sound.at(31 / shape.rate))
    click[:, :48] = 1
    clips.write(tmp_path / "a.mkv", shape, [frame] * 31, [click])
    folder = run(concat, {"clips": [tmp_path / "a.mkv"] * 58})
    samples = heard(folder / "clip")
    begins = np.flatnonzero(np.diff((samples[0] > 0.5).astype(int)) == 1) + 1
    wanted = [sound.at(number * 31 / shape.rate) for number in range(1, 58)]
    assert np.abs(begins - wanted).max() <= 1

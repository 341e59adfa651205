"""A model that makes sound: that of one plain call of diffusers, in the file, switched off on request."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import av
import c2pa
import pytest
import torch

from eventing.contract.catalog import CatalogEntry, SoundRule
from eventing.contract.certificates import make_self_made
from eventing.contract.codecs.stream import FailedRecord, InlineVideo
from eventing.contract.credentials import Credentials
from eventing.contract.errors import BrokenFrames, ModelUnavailable
from eventing.contract.records.results import Sound
from predictor.generation.attempt import make_attempt
from predictor.generation.finish import Finish
from predictor.generation.generate import generate
from predictor.generation.monitor import Monitor
from predictor.generation.workspace import Workspace
from predictor.models.loading import LoadedModel, load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.models.variants import build, small
from tests.unit.predictor.running import attempt, finish, make_worker

FIELDS = {
    "prompt": "a red circle",
    "seed": 4,
    "num_inference_steps": 1,
    "guidance_scale": 1.0,
    "output": "inline",
}
Made = dict[str, tuple[Path, InlineVideo]]
REQUESTS: dict[str, dict[str, Any]] = {
    "first": {},
    "again": {"generate_audio": "true"},
    "other": {"seed": 5},
    "silent": {"generate_audio": False},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("ltx-2.3", tmp_path_factory.mktemp("ltx2") / "weights")


def load(fields: dict[str, Any], weights: Path) -> LoadedModel:
    entry = CatalogEntry.model_validate(small("ltx-2.3").model_dump() | fields)
    return load_model(entry, PredictorSettings(model_dir=weights, device="cpu"))


@pytest.fixture(scope="module")
def model(weights: Path) -> LoadedModel:
    return load({}, weights)


def make(model: LoadedModel, folder: Path, **fields: Any) -> tuple[Path, InlineVideo]:
    """The file of a request, marked as every file is, and its result."""
    space = Workspace(folder, finish=Finish(credentials=Credentials(make_self_made())))
    result = generate(model, make_attempt(model.entry, FIELDS | fields), Monitor("ltx-2.3", 60), space).inline
    assert result is not None
    path = folder / f"{result.sha256}.mp4"
    path.write_bytes(base64.b64decode(result.video_base64))
    return path, result


@pytest.fixture(scope="module")
def made(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    return {name: make(model, folder, **fields) for name, fields in REQUESTS.items()}


def decoded(path: Path) -> tuple[bytes, bytes]:
    """Frames and samples of a file, from its first moment on; no samples if it has no sound."""
    with av.open(str(path)) as container:
        assert {stream.start_time for stream in container.streams} == {0}
        parts: dict[str, list[bytes]] = {"video": [], "audio": []}
        for frame in container.decode():
            kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
            parts[kind].append(frame.to_ndarray().tobytes())
    return b"".join(parts["video"]), b"".join(parts["audio"])


def test_the_file_has_the_sound_its_result_says_so_and_its_mark_is_read_back(made: Made) -> None:
    path, result = made["first"]
    assert result.sound == Sound(rate=48_000, channels=2)
    with av.open(str(path)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (audio.codec.name, audio.rate, audio.channels) == ("aac", 48_000, 2)
        assert audio.time_base is not None
        assert (video.frames, audio.duration, audio.time_base.denominator) == (5, 10_000, 48_000)
    with c2pa.Reader(path) as reader:
        assert reader.get_validation_state() in ("Valid", "Trusted")


def test_equal_seeds_give_equal_sound(made: Made) -> None:
    (one, first), (two, second), (other, _) = (made[name] for name in ("first", "again", "other"))
    assert decoded(one) == decoded(two)
    assert first.mark and second.mark
    assert first.mark.unmarked_sha256 == second.mark.unmarked_sha256
    assert decoded(one)[1] != decoded(other)[1]


def test_without_sound_the_file_has_the_same_frames_and_no_track(made: Made) -> None:
    path, result = made["silent"]
    assert result.sound is None
    frames, samples = decoded(made["first"][0])
    assert decoded(path) == (frames, b"") and samples


def test_sound_that_is_no_numbers_is_named_so(
    model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocoder: Any = model.pipeline.pipe.vocoder  # type: ignore[attr-defined]
    monkeypatch.setattr(vocoder.bwe_generator, "forward", lambda mel: torch.full((1, 2, 1), float("nan")))
    with pytest.raises(BrokenFrames, match="samples of sound"):
        make(model, tmp_path)
    assert make(model, tmp_path, generate_audio=False)[1].sound is None


def test_an_entry_that_states_another_sound_than_the_model_makes_is_not_loaded(weights: Path) -> None:
    words = r"24000 Hz and one channel.* 48000 Hz and two channels: set sound"
    with pytest.raises(ModelUnavailable, match=words):
        load({"sound": {"rate": 24_000, "channels": 1}}, weights)


def test_an_entry_with_sound_of_a_model_without_is_not_loaded(folders: dict[str, Path]) -> None:
    sound = SoundRule(rate=24_000, channels=1)
    entry = entry_of("cogvideox").model_copy(update={"sound": sound})
    with pytest.raises(ModelUnavailable, match="this cogvideox model makes none: remove sound"):
        load_model(entry, PredictorSettings(model_dir=folders["cogvideox"], device="cpu"))


async def test_a_video_without_the_sound_that_was_wanted_is_broken(entry: CatalogEntry) -> None:
    class Silent(FakePipeline):
        def decode_sound(self, _spec: Any, _latents: Any) -> None:
            """Make none."""

    loud = entry.model_copy(update={"sound": SoundRule(rate=24_000, channels=1)})
    worker = await make_worker(loud, Silent())
    record = await finish(worker.take(attempt(loud)))
    assert isinstance(record, FailedRecord)
    assert (record.error.code, record.error.retryable) == ("broken_video", False)
    assert "at 8 fps instead of 9 frames of 64x64 at 8 fps with sound" in record.error.message

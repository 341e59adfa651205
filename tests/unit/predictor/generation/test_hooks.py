"""The operator's modules may refuse a prompt or a video with a reason, and may mark the frames."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch

from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord
from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.contract.records.models import VideoRequest
from predictor.device.channel import Terminal
from predictor.generation.hooks import load_hooks
from predictor.settings import PredictorSettings
from tests.unit.predictor.fakes import FakePipeline
from tests.unit.predictor.running import attempt, finish, make_worker

MODULES = {
    "no_dogs": """
def check_request(spec):
    return "it names a dog" if "dog" in spec.prompt else None
""",
    "no_films": """
def check_frames(spec, frames):
    assert frames.dtype == "uint8" and frames.shape[1:] == (spec.height, spec.width, 3)
    return f"it has {len(frames)} frames"
""",
    "white_half": """
def watermark(spec, frames):
    marked = frames.copy()
    marked[:, : spec.height // 2] = 255
    return marked
""",
    "smaller": """
def watermark(spec, frames):
    return frames[1:]
""",
    "broken": "raise RuntimeError('no licence')",
    "idle": "",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


async def made(entry: CatalogEntry, pipeline: FakePipeline, **settings: Any) -> Terminal:
    worker = await make_worker(entry, pipeline, settings=PredictorSettings(**settings))
    return await finish(worker.take(attempt(entry, prompt="a dog")))


async def test_a_check_refuses_a_prompt_before_any_step(entry: CatalogEntry) -> None:
    pipeline = FakePipeline()
    steps: list[int] = []
    pipeline.at_step = steps.append
    record = await made(entry, pipeline, checks="no_films, no_dogs")
    assert isinstance(record, FailedRecord)
    assert (record.error.code, record.error.retryable) == ("content_refused", False)
    assert record.error.message == "refused by the operator's check: it names a dog"
    assert steps == []


async def test_a_check_refuses_a_video(entry: CatalogEntry) -> None:
    record = await made(entry, FakePipeline(), checks="no_films")
    assert isinstance(record, FailedRecord)
    assert record.error.message == "refused by the operator's check: it has 9 frames"


async def test_a_check_without_a_reason_lets_the_video_pass(entry: CatalogEntry) -> None:
    worker = await make_worker(entry, FakePipeline(), settings=PredictorSettings(checks=("no_dogs",)))
    assert isinstance(await finish(worker.take(attempt(entry, prompt="a cat"))), CompletedRecord)


async def test_the_watermark_is_in_the_video(entry: CatalogEntry) -> None:
    record = await made(entry, FakePipeline(), watermark="white_half")
    assert isinstance(record, CompletedRecord)
    assert record.inline is not None
    with av.open(io.BytesIO(base64.b64decode(record.inline.video_base64)), "r") as video:
        frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
    assert frame[:28].min() > 240
    assert frame[36:].max() < 240


async def test_a_watermark_that_changes_the_shape_fails_the_attempt(entry: CatalogEntry) -> None:
    record = await made(entry, FakePipeline(), watermark="smaller")
    assert isinstance(record, FailedRecord)
    assert record.error.message == "the watermark must return uint8 frames of shape (9, 64, 64, 3)"


@pytest.mark.parametrize(
    ("checks", "watermark", "words"),
    [
        (("nowhere",), None, "REELZERO_CHECKS: the module nowhere cannot be imported: No module named"),
        (("broken",), None, "REELZERO_CHECKS: the module broken cannot be imported: no licence"),
        (("idle",), None, "REELZERO_CHECKS: the module idle has no function check_request or check_frames"),
        ((), "idle", "REELZERO_WATERMARK: the module idle has no function watermark"),
    ],
)
def test_a_module_that_is_none_is_named(checks: tuple[str, ...], watermark: str | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_hooks(checks, watermark)


async def test_no_mark_only_if_the_operator_wants_none(entry: CatalogEntry) -> None:
    for mark, is_marked in (("c2pa", True), ("off", False)):
        record = await made(entry, FakePipeline(), mark=mark)
        assert isinstance(record, CompletedRecord)
        assert record.inline is not None
        assert (record.inline.mark is not None) is is_marked


def test_a_certificate_without_its_key_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="REELZERO_MARK_CERTIFICATE and REELZERO_MARK_KEY"):
        read(PredictorSettings, mark_certificate="chain.pem")


class StandIn(torch.nn.Module):
    """Takes the calls of videoseal 1.0.1, and writes the message into the first row of each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def embed(self, imgs: torch.Tensor, msgs: torch.Tensor, is_video: bool) -> dict[str, torch.Tensor]:
        assert is_video and msgs.shape == (1, 256) and 0 <= imgs.min() <= imgs.max() <= 1
        marked = imgs.clone()
        marked[:, 0, 0, :256] = msgs
        return {"imgs_w": marked}

    def extract_message(self, imgs: torch.Tensor) -> torch.Tensor:
        return (imgs[:, 0, 0, :256].mean(0) > 0.5)[None]


def test_the_sample_watermark_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []

    def load(card: str) -> StandIn:
        folders.append(Path.cwd())
        assert card == "videoseal"
        return StandIn()

    monkeypatch.setitem(sys.modules, "videoseal", SimpleNamespace(load=load))
    monkeypatch.delitem(sys.modules, "videoseal_mark", raising=False)
    monkeypatch.syspath_prepend("docs/samples")
    monkeypatch.setenv("VIDEOSEAL_DIR", str(tmp_path))
    hooks = load_hooks((), "videoseal_mark")
    assert folders == [tmp_path], "loaded once, in the checkout"
    frames = np.full((70, 16, 256, 3), 90, dtype=np.uint8)
    spec = load_catalog().get("tiny").resolve(VideoRequest(prompt="a dot"))
    marked = hooks.finish_frames(spec, frames)
    assert np.array_equal(marked[:, 1:], frames[:, 1:])
    sample: Any = sys.modules["videoseal_mark"]
    for part in (marked, marked[-1:]):
        assert sample.read_mark(part) == hashlib.sha256(b"reelzero").digest()
    assert sample.read_mark(frames) != sample.message()


async def test_the_sample_check_refuses_listed_words(
    entry: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.txt").write_text("Dog\n")
    monkeypatch.setenv("WORDS_FILE", str(tmp_path / "words.txt"))
    monkeypatch.syspath_prepend("docs/samples")
    record = await made(entry, FakePipeline(), checks="word_check")
    assert isinstance(record, FailedRecord)
    assert record.error.message.endswith("the word dog is not allowed here")

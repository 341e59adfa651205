"""One video on two devices: a predictor of two processes on the CPU, which exchange tokens by gloo."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
import torch
import yaml
from numpy.typing import NDArray

from eventing.contract.catalog import HERE, CatalogEntry, load_catalog
from eventing.contract.records.models import VideoRequest
from predictor.generation.video.mp4 import write_mp4
from predictor.models import tiny
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.integration.predictor.process import START_LIMIT, Predictor, wait_for
from tests.support import adapters

# In levels of 255, of the mean difference of two videos. Two ranks add in another order than one.
TOLERANCE = 0.5
BROKEN = 13  # the seed that fails on every rank
# An operator's family, which logs how many tokens each rank has in its blocks.
FAMILY = f"""
import logging
from predictor.models.pipelines import wan
class Family(wan.Family):
    def denoise(self, spec, embeds, on_step, *pictures):
        def step(done, total):
            on_step(done, total)
            if spec.seed == {BROKEN}:
                raise ValueError("a mistake of the pipeline")
        def show(_block, inputs):
            logging.getLogger("test").info("tokens", extra={{"tokens": inputs[0].shape[1]}})
        hook = self.pipe.transformer.blocks[1].register_forward_pre_hook(show)
        try:
            return super().denoise(spec, embeds, step, *pictures)
        finally:
            hook.remove()
"""
# One that ends its process as soon as rank 1 loads it.
DEADLY = """
import os, sys
from predictor.models.pipelines.wan import Family as Family
if "ranks" in sys.argv[0]:
    os._exit(7)
"""
STYLE = {"name": "style", "scale": 1.0}
JOB = {"output": "inline", "seed": 3, "num_frames": 9}


class Pair:
    """A predictor of two ranks, and the same model in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tiny.wan(small=True).save_pretrained(folder / "weights")
        (folder / "catalog").mkdir()
        (folder / "catalog/tiny.yaml").write_text(yaml.safe_dump(self._entry()))
        style = folder / "style.safetensors"
        adapters.write_adapter(folder / "weights/transformer", style, 1, ["to_q", "proj_out"])
        style_entry = adapters.entry("style", style).model_dump(mode="json", exclude_none=True)
        (folder / "catalog/style.yaml").write_text(yaml.safe_dump(style_entry))
        (folder / "ranked_family.py").write_text(FAMILY)
        self._env = {
            "REELZERO_MODEL_DIR": str(folder / "weights"),
            "REELZERO_CATALOG_DIR": str(folder / "catalog"),
            "REELZERO_DEVICE": "cpu",
            "REELZERO_SCRATCH_DIR": str(folder),
            "REELZERO_FAMILIES": "wan=ranked_family",
            "PYTHONPATH": str(folder),
        }
        self.predictor = Predictor(self._env, folder / "log", alone=True)  # PYTHONPATH
        self.predictor.wait()

    def again(self, name: str, family: str) -> Predictor:
        """A second predictor of the same weights, with another family."""
        (self._folder / f"{name}.py").write_text(family)
        env = self._env | {"REELZERO_FAMILIES": f"wan={name}"}
        return Predictor(env, self._folder / f"{name}.log", alone=True)  # PYTHONPATH

    def ranks(self) -> list[psutil.Process]:
        """The processes beside rank 0."""
        processes: list[psutil.Process] = psutil.Process(self.predictor.process.pid).children(recursive=True)
        return processes

    def log(self, message: str) -> list[dict[str, Any]]:
        """The lines of the log with this message."""
        lines = map(json.loads, filter(lambda line: line.startswith("{"), self._lines()))
        return [line for line in lines if line["message"] == message]

    def frames_of_one_process(self, **fields: Any) -> NDArray[np.uint8]:
        """The same job's frames, as they are in a file."""
        entry = load_catalog(self._folder / "catalog").get("tiny").model_copy(update={"gpus": 1})
        settings = PredictorSettings(model_dir=self._folder / "weights", device="cpu", torch_threads=1)
        model = load_model(entry, settings)
        pipeline = model.pipeline
        request = {"prompt": "a red circle", "seed": 3, "num_frames": 9} | fields
        spec = entry.resolve(VideoRequest.model_validate(request))
        model.loras.turn_on(spec, pipeline.adapt)
        latents = pipeline.denoise(spec, pipeline.encode_prompt(spec), lambda _done, _total: None)
        path = self._folder / "one.mp4"
        write_mp4(pipeline.decode(spec, latents), spec.fps, path, lambda: None)
        return decoded(path.read_bytes())

    def _lines(self) -> list[str]:
        return self.predictor.log.read_text().splitlines()

    def _entry(self) -> dict[str, Any]:
        """The entry of the tiny model, as a Wan 2.2 5B on two devices with guidance."""
        base = yaml.safe_load((HERE / "tiny.yaml").read_text())
        tier = {"steps": 4, "guidance": 4.0}
        changes = {
            "family": "wan", "tasks": {"text": "WanPipeline"}, "gpus": 2, "sizes": [[64, 64]],
            "sides": {"multiple": 32},
            "frames": {"multiple": 4, "min": 5, "max": 17, "default": 9},
            "quality": {"low": tier, "medium": tier, "high": tier | {"steps": 300}},
        }  # fmt: skip
        return CatalogEntry.model_validate(base | changes).model_dump(mode="json")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair for all tests. The last one ends it."""
    pair = Pair(tmp_path_factory.mktemp("pair"))
    ranks = pair.ranks()
    yield pair
    pair.predictor.process.kill()
    pair.predictor.process.wait()
    psutil.wait_procs(ranks, START_LIMIT)


def decoded(video: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(video), "r") as container:
        pictures: NDArray[np.uint8] = np.stack(
            [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]
        )
    return pictures


def frames_of(pair: Pair, **fields: Any) -> NDArray[np.uint8]:
    last = pair.predictor.stream(**JOB | fields).last()
    assert last["type"] == "completed", last
    return decoded(base64.b64decode(last["inline"]["video_base64"]))


def test_two_ranks_make_the_frames_of_one_process(pair: Pair) -> None:
    assert len(pair.ranks()) == 1
    ours, alone = frames_of(pair).astype(np.float64), pair.frames_of_one_process().astype(np.float64)
    assert ours.shape == alone.shape == (9, 64, 64, 3)
    assert alone.std() > 1, "the frames are not all of one colour"
    assert np.abs(ours - alone).mean() < TOLERANCE
    # 3 latent frames of 2 x 2 tokens, half of them on each rank; 4 steps with and without the prompt.
    assert [line["tokens"] for line in pair.log("tokens")] == [6] * 4 * 2 * 2


def test_a_cancel_stops_all_ranks_at_the_same_step_and_the_next_job_works(pair: Pair) -> None:
    before = frames_of(pair)
    ends = len(pair.log("steps ended"))
    stream = pair.predictor.stream(**JOB | {"quality": "high"})
    step = next(record["progress"]["step"] for record in stream if record.get("progress", {}).get("step"))
    stream.close()
    wait_for(lambda: pair.log("job cancelled"), "the cancel")
    wait_for(lambda: len(pair.log("steps ended")) > ends, "the end of the other rank's steps")
    assert step <= pair.log("steps ended")[-1]["steps"] < 300
    assert np.array_equal(frames_of(pair), before)


def test_two_ranks_have_the_adapters_of_one_process(pair: Pair) -> None:
    """Also one for the last layer, after which the ranks exchange what they have made."""
    plain, styled = frames_of(pair), frames_of(pair, loras=[STYLE])
    alone = pair.frames_of_one_process(loras=[STYLE]).astype(np.float64)
    assert np.abs(styled - alone).mean() < TOLERANCE < np.abs(styled.astype(np.float64) - plain).mean()
    assert np.array_equal(frames_of(pair), plain)


def test_a_mistake_that_all_ranks_make_fails_the_job_and_no_other(pair: Pair) -> None:
    error = pair.predictor.stream(**JOB | {"seed": BROKEN}).last()["error"]
    assert (error["code"], error["retryable"]) == ("generation_failed", False)
    frames_of(pair)


def test_a_killed_rank_ends_the_job_and_the_process(pair: Pair) -> None:
    stream = pair.predictor.stream(**JOB | {"quality": "high"})
    records = iter(stream)
    assert next(record for record in records if record.get("progress", {}).get("step"))
    (rank,) = pair.ranks()
    rank.kill()
    error = list(records)[-1]["error"]
    assert (error["code"], error["retryable"]) == ("device_lost", True)
    assert "rank 1 was ended by signal 9" in error["message"]
    assert pair.predictor.process.wait(START_LIMIT) == 1


def test_a_rank_that_dies_in_the_load_ends_the_process(pair: Pair) -> None:
    """A supervisor starts it again. The weights and the entry are those of the pair."""
    predictor = pair.again("deadly", DEADLY)
    assert predictor.process.wait(START_LIMIT) == 1
    assert "rank 1 ended with status 7" in predictor.log.read_text()

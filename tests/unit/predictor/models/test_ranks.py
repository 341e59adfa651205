"""A model on several GPUs: what is refused, a rank that fails to load, and ranks that outlive nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from eventing.contract.errors import DeviceLost, InvalidRequest, ModelUnavailable
from eventing.contract.records.models import VideoRequest
from predictor.models.devices import pick_devices
from predictor.models.loading import load_model
from predictor.models.ranks import processes
from predictor.models.ranks.pipeline import SharedPipeline, require_shares
from predictor.models.ranks.processes import Ranks
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import entry_of

ROOT = Path(__file__).parents[4]
LIMIT = 300  # seconds that a test waits for what must come
SETTINGS: dict[str, Any] = {"device": "cpu", "torch_threads": 1}
# A rank that reports what it is told to, and then ends or waits.
STUB = """
import sys
from multiprocessing.connection import Connection
from predictor.models.ranks.messages import Report, send, receive
channel = Connection(int(sys.argv[-1]))
{0}
"""
PARENT = """
import time
from predictor.models.ranks.processes import Ranks
ranks = Ranks(2)
print("started", flush=True)
time.sleep(600)
"""


def left() -> list[psutil.Process]:
    """The ranks that still run below this process."""
    return [
        child for child in psutil.Process().children() if any("ranks" in word for word in child.cmdline())
    ]


def stubs(code: str) -> Ranks:
    return Ranks(2, (sys.executable, "-c", STUB.format(code)))


def refused(family: str, folders: dict[str, Path], **changes: Any) -> str:
    entry = entry_of(family).model_copy(update={"gpus": 2} | changes)
    with pytest.raises(ModelUnavailable) as refusal:
        load_model(entry, PredictorSettings(model_dir=folders[family], **SETTINGS))
    return refusal.value.message


@pytest.mark.parametrize("family", ["cogvideox", "mochi", "ltx", "ltx2", "hunyuan15"])
def test_a_family_that_cannot_share_a_video_is_refused(family: str, folders: dict[str, Path]) -> None:
    words = f"asks for 2 GPUs, but the family {family} uses one: set gpus to 1, or take a model of the"
    assert words in refused(family, folders)


def test_more_gpus_than_the_machine_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of("wan").model_copy(update={"gpus": 4})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert pick_devices("cuda", entry) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    with pytest.raises(ModelUnavailable, match="REELZERO_DEVICE is cuda:1: set it to cuda"):
        pick_devices("cuda:1", entry)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ModelUnavailable, match="asks for 4 GPUs, but this machine has 1: set gpus to"):
        pick_devices("auto", entry)


def test_gpus_that_cannot_share_heads_or_tokens_are_refused(folders: dict[str, Path]) -> None:
    entry = entry_of("wan")
    family: Any = load_model(entry, PredictorSettings(model_dir=folders["wan"], **SETTINGS)).pipeline
    require_shares(family, 2)
    with pytest.raises(ModelUnavailable, match="cannot share the 2 attention heads of this model"):
        require_shares(family, 3)
    family.entry = entry.model_copy(update={"sizes": ((80, 48),)})  # 5 x 3 tokens a latent frame
    with pytest.raises(ModelUnavailable, match="allows 9 frames of 80x48, but 2 GPUs cannot share 45 tok"):
        require_shares(family, 2)


def test_a_size_of_a_job_that_the_ranks_cannot_share_is_refused(folders: dict[str, Path]) -> None:
    entry = entry_of("wan")
    family: Any = load_model(entry, PredictorSettings(model_dir=folders["wan"], **SETTINGS)).pipeline
    ranks = stubs("receive(channel)")
    spec = entry.resolve(VideoRequest(prompt="x", num_frames=9))
    SharedPipeline(family, ranks).require_exact(spec)
    with pytest.raises(InvalidRequest, match="2 GPUs cannot share 45 tokens; take a width that") as refusal:
        SharedPipeline(family, ranks).require_exact(spec.model_copy(update={"width": 80, "height": 48}))
    assert refusal.value.field == "width"
    ranks.close()


def test_a_rank_that_fails_to_load_refuses_the_model_with_its_own_error(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "receive(channel); send(channel, Report(1, 'MemoryError: no room')); receive(channel)"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", STUB.format(code)))
    assert refused("wan", folders) == "rank 1: MemoryError: no room"
    assert not left()


def test_a_rank_that_ends_is_told_with_its_last_failure() -> None:
    ranks = stubs("send(channel, Report(1, 'out of memory')); sys.exit(3)")
    causes: list[str] = []
    with pytest.raises(DeviceLost, match="rank 1 ended with status 3: out of memory; this predictor must"):
        list(ranks.reports(2, LIMIT))
    ranks.when_lost(causes.append)
    assert causes == ["rank 1 ended with status 3: out of memory"]
    ranks.close()


def test_a_rank_that_does_not_report_in_time_is_lost_and_ended() -> None:
    ranks = stubs("receive(channel)")
    causes: list[str] = []
    ranks.when_lost(causes.append)
    with pytest.raises(DeviceLost, match="a rank did not answer within 0 s"):
        list(ranks.reports(1, 0))
    assert causes == ["a rank did not answer within 0 s"]
    ranks.close()
    assert not left()


def test_no_rank_outlives_rank_0() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"started\n"
        (rank,) = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([rank], LIMIT)[0] == [rank]

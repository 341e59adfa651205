"""From start to end of a process: loading in the background, weights that are not there, and SIGTERM."""

from __future__ import annotations

import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.integration.predictor.conftest import Start
from tests.integration.predictor.process import START_LIMIT, Predictor, reached, wait_for
from tests.integration.predictor.test_one_job import GENERATE, INFER, grpc_request

ALONE = True  # these predictors start by their command, since their start is what is tested
# Needed by no job, and a second or more to import. Who imports them is put off: predictor/later.py.
NEEDLESS = (
    "sympy",
    "scipy.stats",
    "kubernetes",
    "torch._dynamo.eval_frame",
    "torch._inductor",
    "torch.distributed.tensor",
)


def stub(predictor: Predictor) -> GRPCInferenceServiceStub:
    return GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{predictor.grpc_port}"))


def test_it_is_alive_while_it_loads_and_ready_when_it_has(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    predictor = start(hold=("load", go), PYTHONPROFILEIMPORTTIME="1")
    predictor.wait("/v2/health/live")
    wait_for(reached(go).exists, "the load")
    status, answer = predictor.get("/v2/models/tiny/ready")
    assert (status, answer["code"], answer["ready"]) == (503, "loading", False)
    assert predictor.get("/v2/health/ready")[0] == 503
    for path, body in (("generate_stream", GENERATE), ("infer", INFER)):
        status, answer = predictor.post(path, body)
        assert (status, answer["code"]) == (503, "unavailable")
        assert "loading" in answer["error"]
    client = stub(predictor)
    assert not client.ModelReady(pb.ModelReadyRequest(name="tiny")).ready
    with pytest.raises(grpc.RpcError) as refusal:
        client.ModelInfer(grpc_request())
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    go.touch()
    predictor.wait()
    assert predictor.post("infer", INFER)[0] == 200
    log = predictor.log.read_text()
    assert log.count('"loading weights"') == 1, "one load for all callers"
    imports = {
        line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")
    }
    assert "torch" in imports and not [name for name in NEEDLESS if name in imports]


def test_sigterm_while_it_loads_ends_it_cleanly(start: Start, tmp_path: Path) -> None:
    predictor = start(hold=("load", tmp_path / "never"))
    predictor.wait("/v2/health/live")
    assert predictor.stop() == 0


def test_sigterm_lets_the_job_finish_and_refuses_new_ones(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    predictor = start(hold=("decode", go))
    predictor.wait()
    client = stub(predictor)
    stream = predictor.stream(output="inline", seed=3)
    wait_for(reached(go).exists, "the job's decode")
    predictor.process.terminate()
    ready = pb.ModelReadyRequest(name="tiny")
    wait_for(lambda: not client.ModelReady(ready).ready, "the drain")
    with pytest.raises(grpc.RpcError) as refusal:
        client.ModelInfer(grpc_request())
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "shutting down" in refusal.value.details()
    with suppress(ConnectionError):  # refused by the worker, and a moment later by the closed port
        assert predictor.post("generate", GENERATE)[0] == 503
    go.touch()
    assert stream.last()["type"] == "completed"
    assert predictor.process.wait(300) == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REELZERO_MODEL", "sora", "unknown model 'sora'"),
        ("REELZERO_DEVICE", "tpu", "REELZERO_DEVICE"),
    ],
)
def test_a_wrong_setting_is_one_line_and_an_exit_status(
    start: Start, name: str, value: str, words: str
) -> None:
    predictor = start(**{name: value})
    assert predictor.process.wait(300) == 1
    lines = predictor.log.read_text().splitlines()
    assert [words in line for line in lines] == [True]


@pytest.mark.parametrize("shared", [False, True], ids=["another server", "another gRPC server"])
def test_a_grpc_port_that_is_taken_ends_it_with_the_reason(tiny: Path, tmp_path: Path, shared: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=shared) as taken:
        port = taken.getsockname()[1]
        predictor = Predictor({"REELZERO_MODEL_DIR": str(tiny)}, tmp_path / "log", grpc_port=port)
        try:
            assert predictor.process.wait(START_LIMIT) == 1
        finally:
            predictor.process.kill()
    assert f"gRPC port {port} cannot be used: " in predictor.log.read_text()


@pytest.mark.parametrize("broken", ["no folder", "half a file"])
def test_it_stays_up_and_names_the_file_when_weights_are_broken(
    start: Start, tiny: Path, tmp_path: Path, broken: str
) -> None:
    folder = tmp_path / "weights"
    culprit = folder
    if broken == "half a file":
        shutil.copytree(tiny, folder)
        culprit = folder / "vae" / "diffusion_pytorch_model.safetensors"
        culprit.write_bytes(culprit.read_bytes()[:-1000])
    predictor = start(REELZERO_MODEL_DIR=str(folder))
    predictor.wait("/v2/models/tiny/ready", 503)
    wait_for(lambda: predictor.get("/v2/models/tiny/ready")[1]["code"] == "failed", "the failed load")
    assert str(culprit) in predictor.get("/v2/models/tiny/ready")[1]["error"]
    assert predictor.get("/v2/health/live")[0] == 200
    status, answer = predictor.post("generate_stream", GENERATE)
    assert (status, answer["code"]) == (503, "model_unavailable")
    assert str(culprit) in answer["error"]
    with pytest.raises(grpc.RpcError) as refusal:
        stub(predictor).ModelInfer(grpc_request())
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    assert predictor.stop() == 0


def test_a_killed_predictor_leaves_nothing_on_scratch_to_its_successor(start: Start, tmp_path: Path) -> None:
    scratch, go = tmp_path / "scratch", tmp_path / "go"
    scratch.mkdir()
    killed = start(hold=("encode_video", go), REELZERO_SCRATCH_DIR=str(scratch))
    killed.wait()
    stream = killed.stream(output="inline", seed=3)  # kept: a closed connection cancels the job
    wait_for(reached(go).exists, "the job's encoding")
    assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
    stream.close()
    assert len(list(scratch.iterdir())) == 1
    start(REELZERO_SCRATCH_DIR=str(scratch)).wait()
    assert list(scratch.iterdir()) == []

"""With a token set the predictor serves only those who send it: HTTP, gRPC, events and metrics."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.integration.predictor.process import Predictor
from tests.integration.predictor.serving import serving

TOKEN = "a-token-of-sixteen-characters"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WRONG = [
    {}, {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"X-API-Key": TOKEN},
]  # fmt: skip
GUARDED = [
    ("GET", "/metrics"), ("GET", "/"), ("GET", "/v2"), ("GET", "/v2/models/tiny"), ("GET", "/docs"),
    ("POST", "/"),
    ("POST", "/v2/models/tiny/generate"), ("POST", "/v2/models/tiny/generate_stream"),
    ("POST", "/v2/models/tiny/infer"), ("POST", "/v1/models/tiny:predict"), ("POST", "/v2/models/tiny/ready"),
    ("POST", "/v2/repository/models/tiny/unload"), ("GET", "/v2/models/tiny/ready/../../../../metrics"),
]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(
    tiny: Path, storage: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Predictor]:
    log = tmp_path_factory.mktemp("guarded") / "log"
    env = {"REELZERO_MODEL_DIR": str(tiny), "REELZERO_PREDICTOR_TOKEN": TOKEN}
    predictor = Predictor(storage | env, log)
    try:
        predictor.wait()
        yield predictor
    finally:
        predictor.process.kill()
        predictor.process.wait()


def status(predictor: Predictor, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=300)
    try:
        connection.request(method, path, json.dumps({}) if method == "POST" else None, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("headers", WRONG)
@pytest.mark.parametrize("method, path", GUARDED)
def test_nothing_but_health_is_served_without_the_token(
    guarded: Predictor, method: str, path: str, headers: dict[str, str]
) -> None:
    assert status(guarded, method, path, headers) == 401


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready"])
def test_health_needs_no_token(guarded: Predictor, path: str) -> None:
    assert status(guarded, "GET", path, {}) == 200


@pytest.mark.parametrize("method, path", GUARDED)
def test_the_token_opens_all_of_it(guarded: Predictor, method: str, path: str) -> None:
    assert status(guarded, method, path, RIGHT) != 401


def test_grpc_needs_it_too(guarded: Predictor) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{guarded.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest(), wait_for_ready=True).live
        assert stub.ModelReady(pb.ModelReadyRequest(name="tiny")).ready
        calls = (
            (stub.ModelInfer, pb.ModelInferRequest(model_name="tiny")),
            (stub.ModelMetadata, pb.ModelMetadataRequest(name="tiny")),
            (stub.ServerMetadata, pb.ServerMetadataRequest()),
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="tiny")),
        )
        for call, request in calls:
            for metadata in (None, [("authorization", f"Bearer {TOKEN}x")]):
                with pytest.raises(grpc.RpcError) as refusal:
                    call(request, metadata=metadata)
                assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
        known = [("authorization", f"Bearer {TOKEN}")]
        assert stub.ModelMetadata(pb.ModelMetadataRequest(name="tiny"), metadata=known).name == "tiny"


async def test_eventing_sends_it_and_says_so_when_it_is_wrong(
    guarded: Predictor, storage: dict[str, str], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{guarded.port}"
    async with serving(tmp_path, storage, url, predictor_token=TOKEN) as service:
        assert (await service.ended(await service.submit()))["status"] == "completed"
    other = tmp_path / "other"
    other.mkdir()
    async with serving(other, storage, url, predictor_token=TOKEN + "x") as service:
        await service.put_back(await service.submit(), "unauthorized")

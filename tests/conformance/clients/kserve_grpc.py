"""KServe's own gRPC client, against the predictor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from kserve import InferenceGRPCClient, InferInput, InferRequest

from tests.conformance.clients.report import PREDICTOR_GRPC, PROMPT, call


def request(**numbers: int) -> InferRequest:
    named = [InferInput("prompt", [1], "BYTES", [PROMPT.encode()])]
    return InferRequest("tiny", named + [InferInput(k, [1], "INT32", [v]) for k, v in numbers.items()])


async def use(action: Callable[[Any], Awaitable[Any]]) -> Any:
    client = InferenceGRPCClient(PREDICTOR_GRPC, timeout=120)
    try:
        return await action(client)
    finally:
        await client.close()


@call("predictor: live, ready, model ready")
def _() -> object:
    async def ask(client: Any) -> list[bool]:
        return [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("tiny"),
        ]

    answers = asyncio.run(use(ask))
    assert all(answers), answers
    return "yes, three times"


@call("predictor: infer")
def _() -> object:
    answer = asyncio.run(use(lambda client: client.infer(request(num_frames=17, seed=7))))
    values = {output.name: output.as_numpy()[0] for output in answer.outputs}
    assert values["seed"] == 7, values
    return values["video_uri"]


@call("predictor: a wrong value is INVALID_ARGUMENT")
def _() -> object:
    try:
        asyncio.run(use(lambda client: client.infer(request(num_frames=10))))
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "10 frames" in error.details()
        return error.code().name
    raise AssertionError("it was not refused")

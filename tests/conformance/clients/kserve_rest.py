"""KServe's own REST client: against eventing and against the predictor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from tests.conformance.clients.report import PREDICTOR_URL, PROMPT, URL, call


async def use(action: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run an action with a client of its own: its connections belong to one event loop."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=120, retries=1))
    try:
        return await action(client)
    finally:
        await client.close()


def request(**frames: int) -> InferRequest:
    named = [InferInput("prompt", [1], "BYTES", [PROMPT])]
    return InferRequest("tiny", named + [InferInput(k, [1], "INT32", [v]) for k, v in frames.items()])


for where, base in (("eventing", URL), ("predictor", PREDICTOR_URL)):

    @call(f"{where}: live, ready, model ready")
    def _(base: str = base) -> object:
        async def ask(client: Any) -> list[bool]:
            return [
                await client.is_server_live(base),
                await client.is_server_ready(base),
                await client.is_model_ready(base, "tiny"),
            ]

        answers = asyncio.run(use(ask))
        assert all(answers), answers
        return "yes, three times"

    @call(f"{where}: infer")
    def _(base: str = base) -> object:
        answer = asyncio.run(
            use(lambda client: client.infer(base, request(num_frames=17), model_name="tiny"))
        )
        values = {output.name: output.data[0] for output in answer.outputs}
        assert values["video_uri"].startswith("s3://"), values
        return values["video_uri"]

    @call(f"{where}: a wrong value is refused")
    def _(base: str = base) -> object:
        try:
            asyncio.run(use(lambda client: client.infer(base, request(num_frames=10), model_name="tiny")))
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == 422 and "10 frames" in error.response.json()["error"]
            return f"{error.response.status_code}, {error.response.json()['code']}"
        raise AssertionError("it was not refused")

"""The tools for agents, by the SDK's own client: over standard input and output, and over HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import sys
from pathlib import Path

import aiohttp
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ImageContent
from PIL import Image

from eventing.client import AsyncClient
from eventing.contract.records.models import Failure
from eventing.contract.records.pictures import inline
from eventing.contract.records.results import VideoResult
from eventing.contract.storage.s3 import Bucket
from eventing.mcp.remote import RemoteDoor
from eventing.mcp.server import build_server
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.agents import facts, settled, words
from tests.support.pictures import picture
from tests.support.ports import free_port

TOOLS = ["make_video", "wait_for_video", "get_video", "list_videos", "cancel_video", "list_models"]


def with_poster(bucket: Bucket, result: VideoResult) -> VideoResult:
    """Store a real picture as the poster of a result."""
    poster = picture(size=(1280, 720), form="JPEG")
    bucket.put(bucket.key(result.poster.uri), poster, "image/jpeg")
    facts = {"bytes": len(poster), "sha256": hashlib.sha256(poster).hexdigest()}
    return result.model_copy(update={"poster": result.poster.model_copy(update=facts)})


async def walk(client: Client, running: Deployment) -> None:
    """What an agent does, by one client."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    assert len(json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in tools])) < 8000
    models = facts(await client.call_tool("list_models"))["models"]
    assert [(model["model"], model["default"]) for model in models] == [("tiny", True)]

    await settled(client)
    bucket = running.service.container.bucket
    running.predictor.scripts = [Script(lie=lambda result: with_poster(bucket, result))]
    made = facts(await client.call_tool("make_video", {"prompt": "a red dot", "seed": 7}))
    assert (made["status"], made["seed"], made["model"]) == ("queued", 7, "tiny")
    shown = await client.call_tool("wait_for_video", {"id": made["id"], "seconds": 50})
    assert facts(shown)["status"] == "completed"
    small = shown.content[1]
    assert isinstance(small, ImageContent) and small.mime_type == "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(small.data))) as thumbnail:
        assert thumbnail.format == "JPEG" and thumbnail.size == (256, 144)
    async with aiohttp.ClientSession() as http, http.get(facts(shown)["link"]) as video:
        assert (await video.read()).decode().startswith(f"video.mp4 of {made['id']}")

    group = facts(await client.call_tool("make_video", {"prompt": "a dot", "n": 2}))
    assert len(group["videos"]) == 2
    listed = facts(await client.call_tool("list_videos", {"limit": 2}))
    assert {video["id"] for video in listed["videos"]} == {video["id"] for video in group["videos"]}
    rest = facts(await client.call_tool("list_videos", {"limit": 1, "after": listed["next"]}))
    assert rest["videos"][0]["id"] == made["id"]
    for video in group["videos"]:
        await client.call_tool("cancel_video", {"id": video["id"]})
        assert facts(await client.call_tool("wait_for_video", {"id": video["id"]}))["status"] != "queued"

    assert "unknown model" in words(await client.call_tool("make_video", {"prompt": "a dot", "model": "x"}))
    assert words(await client.call_tool("make_video", {})).startswith("prompt: ")
    assert "unknown field" in words(await client.call_tool("make_video", {"prompt": "a", "lane": "default"}))
    assert "there is no job vid_x" in words(await client.call_tool("get_video", {"id": "vid_x"}))
    assert words(await client.call_tool("wait_for_video", {"id": "vid_x", "seconds": 900})).startswith(
        "seconds"
    )
    assert "there is no tool 'draw'" in words(await client.call_tool("draw"))


async def test_an_agent_makes_videos_over_standard_input_and_output(running: Deployment, clean: None) -> None:
    command = ["-m", "eventing", "mcp", "--server", running.url]
    async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
        await walk(client, running)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_makes_videos_over_http(running: Deployment, mode: str) -> None:
    async with Client(f"{running.url}/mcp", mode=mode) as client:
        await walk(client, running)


async def test_a_video_that_runs_shows_its_progress_and_one_that_failed_its_reason(
    running: Deployment, loop_of_service: asyncio.AbstractEventLoop
) -> None:
    gate = asyncio.Event()
    broken = Failure(code="out_of_memory", message="too large")
    async with Client(f"{running.url}/mcp") as client:
        await settled(client)
        running.predictor.scripts = [Script(gate=gate, failure=broken)]
        made = facts(await client.call_tool("make_video", {"prompt": "a dot"}))
        waited = facts(await client.call_tool("wait_for_video", {"id": made["id"], "seconds": 0.1}))
        assert waited["status"] in ("queued", "in_progress") and "link" not in waited
        loop_of_service.call_soon_threadsafe(gate.set)
        ended = facts(await client.call_tool("wait_for_video", {"id": made["id"], "seconds": 50}))
    assert (ended["status"], ended["error"]) == ("failed", "too large")


async def test_the_key_of_the_header_is_the_owner_and_a_foreign_page_is_refused(
    running: Deployment, loop_of_service: asyncio.AbstractEventLoop
) -> None:
    keys = running.service.container.keys
    key = await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(keys.create("agent-of-bob"), loop_of_service)
    )
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(f"{running.url}/mcp", http_client=http)) as bob:
            assert facts(await bob.call_tool("list_videos")) == {"videos": []}
            made = facts(await bob.call_tool("make_video", {"prompt": "a dot"}))
            async with Client(f"{running.url}/mcp") as other:
                refused = words(await other.call_tool("cancel_video", {"id": made["id"]}))
            await bob.call_tool("wait_for_video", {"id": made["id"], "seconds": 50})
    assert refused == f"there is no job {made['id']}"
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with aiohttp.ClientSession() as http_:
        for page in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            async with http_.post(f"{running.url}/mcp", json=message, headers=page) as answer:
                assert answer.status == 403
        async with http_.get(f"{running.url}/mcp") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "OPTIONS, POST")


async def test_a_server_that_is_away_is_named_to_the_agent(clean: None) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    async with AsyncClient(address) as client, Client(build_server(RemoteDoor(client))) as agent:
        assert f"{address} cannot be reached" in words(await agent.call_tool("list_models"))


async def test_a_path_names_a_picture_on_the_machine_of_the_agent_only(
    running: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "first.png"
    file.write_bytes(picture(size=(40, 30)))
    request = {"prompt": "a dot", "image": str(file)}
    async with Client(f"{running.url}/mcp") as client:
        refused = words(await client.call_tool("make_video", request))
        address = {"image": inline(file.read_bytes())}
        read = words(await client.call_tool("make_video", request | address))
    assert refused.startswith("image: must be an https://") and "reelzero mcp" in refused
    assert read == "tiny takes no image; it takes a prompt"
    async with AsyncClient(running.url) as remote, Client(build_server(RemoteDoor(remote))) as agent:
        assert words(await agent.call_tool("make_video", request)) == read

"""The client and the commands against servers and programs that are not as they should be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from eventing.cli import app
from eventing.client import AsyncClient, Client, Refused
from eventing.contract.errors import InvalidRequest
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.conftest import Reelzero


@asynccontextmanager
async def answering(answer: Any) -> AsyncIterator[str]:
    """A server that answers everything with the same JSON; its address."""

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(answer)

    server = web.Application()
    server.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("answer", [[], {"data": 3, "object": "group", "has_more": False}, None, "x"])
async def test_another_kind_of_server_is_an_error_that_says_so(answer: Any) -> None:
    async with answering(answer) as url, AsyncClient(url) as client:
        for call in (client.models(), client.page(), client.submit(prompt="a dot"), client.job("vid_a"),
                     client.deliveries("vid_a"), client.link("vid_a"), client.wait("vid_a")):  # fmt: skip
            with pytest.raises(Refused, match="is it a reelzero server"):
                await call


@pytest.mark.parametrize("command", ["list", "ps", "status", "models list", "get x", "watch", "submit a"])
def test_a_command_to_another_kind_of_server_ends_without_a_traceback(
    clean: None, loop_of_service: asyncio.AbstractEventLoop, command: str
) -> None:
    server = answering([])
    url = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop_of_service).result()
    result = CliRunner().invoke(app, [*command.split(), "--server", url])
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop_of_service).result()
    assert result.exit_code == 1 and "is it a reelzero server" in result.stderr, result.output


async def test_patience_counts_from_the_moment_that_the_server_is_away(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may wait for hours, with signs of life and no event, before the server restarts."""
    now, calls = [1000.0], 0
    monkeypatch.setattr("eventing.client.stream.monotonic", lambda: now[0])
    monkeypatch.setattr("eventing.client.stream.PAUSE_SECONDS", 0.01)
    async with AsyncClient(running.url) as client:
        made = await client.submit(prompt="a dot")
        job = (await client.wait(made.id)).model_dump(mode="json")

    async def events(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 2:
            return web.Response(status=503)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        if calls == 1:
            await answer.write(b": still here\n\n")
            now[0] += 3600
            assert request.transport
            request.transport.close()
        else:
            await answer.write(f"id: 1\nevent: completed\ndata: {json.dumps(job)}\n\n".encode())
        return answer

    server = web.Application()
    server.router.add_get("/v1/jobs/{id}/events", events)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with AsyncClient(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            assert (await client.wait(job["id"])).id == job["id"] and calls == 3
    finally:
        await runner.cleanup()


async def test_the_client_without_a_loop_names_the_other_one_where_a_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="AsyncClient"), Client():
        pass


def test_a_key_is_one_line(reelzero: Reelzero, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELZERO_API_KEY", "key\n")  # as `cat` and secrets have it
    assert reelzero("models", "list", "-q").stdout == "tiny\n"
    monkeypatch.setenv("REELZERO_API_KEY", "two\nlines")
    broken = reelzero("models", "list")
    assert broken.exit_code == 2 and "one line" in broken.stderr and "two" not in broken.output


@pytest.mark.parametrize("image", ["5", "[]", '{"url": "x"}'])
def test_a_picture_of_another_type_is_named(reelzero: Reelzero, image: str) -> None:
    wrong = reelzero("submit", "-", text=f'{{"prompt": "a dot", "image": {image}}}')
    assert wrong.exit_code == 2 and "image" in wrong.stderr, wrong.output


def test_a_byte_order_mark_is_no_part_of_a_prompt(reelzero: Reelzero, clean: None) -> None:
    (job_id,) = reelzero("submit", "-", "-q", text="\ufeffa dot\n").stdout.split()
    assert json.loads(reelzero("get", job_id, "--json").stdout)["request"]["prompt"] == "a dot"


def test_a_wrong_key_is_an_argument_error_of_the_library() -> None:
    with pytest.raises(InvalidRequest, match="one line"):
        AsyncClient(api_key="a\nb")


def test_a_profile_that_cannot_be_stored_is_named(
    reelzero: Reelzero, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reelzero").symlink_to(tmp_path / "absent")  # the folder can be neither read nor made
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = reelzero("login", text="k\n")
    assert result.exit_code == 1 and "profiles.json cannot be written" in result.stderr, result.output


def test_a_file_for_two_videos_is_refused_before_they_are_made(reelzero: Reelzero) -> None:
    before = reelzero("list", "-q").stdout
    result = reelzero("submit", "a dot", "-n", "2", "--out", "one.mp4")
    assert result.exit_code == 2 and "name a folder" in result.stderr
    assert reelzero("list", "-q").stdout == before

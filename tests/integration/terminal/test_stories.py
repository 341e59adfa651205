"""`reelzero story` and `stories` against a server that answers as the API of stories does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner, Result

from eventing.cli import app

FILM = b"the film"
STORY = "story_1"
Body = dict[str, Any]


def step(name: str, state: str, **more: Any) -> Body:
    return {"name": name, "uses": "film", "state": state, "percent": 0, "expected_seconds": 1.0,
            "outputs": {}, "error": None, **more}  # fmt: skip


def story(status: str, *steps: Body, **more: Any) -> Body:
    return {"object": "story", "id": STORY, "status": status, "percent": 50,
            "submitted_at": "2026-11-26T20:00:00Z", "steps": list(steps), "error": None,
            "request": {}} | more  # fmt: skip


FILE = {"url": f"/v1/stories/{STORY}/files/film/film", "sha256": hashlib.sha256(FILM).hexdigest(),
        "bytes": len(FILM), "content_type": "video/mp4"}  # fmt: skip
WAITS = story("in_progress", step("voice", "running", queued=True), step("film", "waiting"))
RUNS = story("in_progress", step("voice", "completed", seconds=1.25), step("film", "running"))
DONE = story("completed", step("voice", "completed", reused=True),
             step("film", "completed", seconds=2.0, outputs={"film": FILE}))  # fmt: skip
CAUSE = {"code": "step_failed", "message": "steps.film: inputs.clips: missing", "retryable": False}
FAILED = story(
    "failed", step("film", "failed", error=CAUSE | {"message": "inputs.clips: missing"}), error=CAUSE
)


class Server:
    """Answers for one story: each connection to its events sends some states, and the last one stays."""

    def __init__(self) -> None:
        self.connections: list[list[Body]] = [[WAITS, RUNS, DONE]]
        self.requests: list[tuple[str, str, Any]] = []
        self.state = WAITS
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path_qs, body))
        path = request.path.removeprefix("/v1/stories")
        if path.endswith("/events"):
            return await self._events(request)
        if path.endswith("/files/film/film"):
            return web.Response(body=FILM)
        if path.endswith("/result"):
            return web.json_response({"film": FILE | {"url": "http://s3.invalid/film"}, "subtitles": None})
        if request.query.get("dry_run"):
            steps = [{"name": "film", "uses": "film", "expected_seconds": 8.0}]
            return web.json_response(
                {"steps": steps, "expected_seconds": 75.0, "expected_cost": 0.25, "currency": "EUR"}
            )
        if request.method == "GET" and not path:
            return web.json_response({"data": [self.state], "has_more": False})
        return web.json_response(self.state, status=202)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number, state in enumerate(self.connections.pop(0)):
            self.state = state
            await answer.write(f"id: {number}\nevent: story\ndata: {json.dumps(state)}\n\n".encode())
        return answer


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[Server]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
def server(clean: None, loop_of_service: asyncio.AbstractEventLoop) -> Iterator[Server]:
    context = listening(Server())
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop_of_service).result()
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop_of_service).result()


@pytest.fixture
def reelzero(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("REELZERO_SERVER", server.url)
    monkeypatch.setattr("eventing.client.stream.PAUSE_SECONDS", 0.0)
    return lambda *arguments, text=None: CliRunner().invoke(app, list(arguments), input=text)


def written(body: Body) -> str:
    path = Path("stories") / "film.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(body))
    return str(path)


SCENES: Body = {
    "scenes": [{"image": "kite.jpg", "narration": "A kite."}],
    "film": {"music": "https://a/m.mp3"},
}


def test_a_film_is_followed_and_downloaded(server: Server, reelzero: Callable[..., Result]) -> None:
    file = written(SCENES)
    Path("stories/kite.jpg").write_bytes(b"picture")
    result = reelzero("story", file, "--out", "films")
    assert result.exit_code == 0, result.output
    assert Path("films/story_1-film.mp4").read_bytes() == FILM
    assert result.stdout.splitlines()[-1] == "films/story_1-film.mp4"
    notes = [line.partition("%  ")[2] for line in result.stderr.splitlines()]
    assert notes == ["voice  waits for a worker", "voice  completed in 1.2 s", "film  runs",
                     "voice  as before, reused", "film  completed in 2.0 s"]  # fmt: skip
    _, _, body = server.requests[0]
    picture = body["scenes"][0]["image"]
    assert base64.b64decode(picture.partition(",")[2]) == b"picture", (
        "a path begins at the folder of the file"
    )
    assert body["film"] == SCENES["film"]


def test_a_stream_that_breaks_goes_on_and_json_is_one_document(
    server: Server, reelzero: Callable[..., Result]
) -> None:
    server.connections = [[WAITS], [RUNS, DONE]]
    result = reelzero("story", written({"steps": {}}), "--watch", "--json")
    assert json.loads(result.stdout)["status"] == "completed"
    assert not result.stderr


def test_a_story_that_fails_says_why(server: Server, reelzero: Callable[..., Result]) -> None:
    server.connections = [[FAILED]]
    result = reelzero("story", written({"steps": {}}), "--out", "films")
    assert result.exit_code == 3
    assert f"{STORY}  failed  steps.film: inputs.clips: missing" in result.stdout
    assert not Path("films").exists()


def test_without_watch_the_id_is_printed_at_once(reelzero: Callable[..., Result]) -> None:
    assert reelzero("story", written({"steps": {}}), "-q").stdout == f"{STORY}\n"
    result = reelzero("story", "-", text='{"steps": {}}')
    assert result.stdout == f"{STORY}  in_progress\n"
    assert "reelzero stories watch story_1" in result.stderr


def test_a_revision_sends_what_changes(server: Server, reelzero: Callable[..., Result]) -> None:
    change = {
        "scenes": {2: {"narration": "Two kites."}},
        "steps": {"fit": {"inputs": {"clip": "video-2.video"}}},
    }
    assert reelzero("story", written(change), "--revise", STORY).exit_code == 0
    method, path, body = server.requests[0]
    assert (method, path) == ("POST", f"/v1/stories/{STORY}/revise")
    assert body == {"scenes": {"2": {"narration": "Two kites."}}, "steps": change["steps"]}


def test_a_dry_run_shows_steps_time_and_price(server: Server, reelzero: Callable[..., Result]) -> None:
    result = reelzero("story", written({"steps": {}}), "--dry-run")
    assert "film\tfilm\t8 s" in result.stdout
    assert "about 1:15 min, about 0.2500 EUR" in result.stdout
    assert [path for _, path, _ in server.requests] == ["/v1/stories?dry_run=true"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes: [", ["film.yaml", "neither YAML nor JSON"]),
        ("- a", ["film.yaml is no story"]),
        ("scenes: [{image: ./no.jpg}]", ["scenes[0].image", "no.jpg cannot be read"]),
        ("steps: {a: {uses: fit, inputs: {clip: [./b.mp4]}}}", ["steps.a.inputs.clip[0]", "b.mp4"]),
    ],
)
def test_a_wrong_file_is_named_before_anything_is_sent(
    server: Server, reelzero: Callable[..., Result], text: str, words: list[str]
) -> None:
    Path("film.yaml").write_text(text)
    result = reelzero("story", "film.yaml")
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words), result.stderr
    assert not server.requests


def test_stories_are_listed_shown_cancelled_and_continued(
    server: Server, reelzero: Callable[..., Result]
) -> None:
    assert reelzero("stories", "list").stdout.splitlines()[1].startswith(f"{STORY}\tin_progress\t50 %\t2\t")
    assert "voice\tfilm\twaits for a worker" in reelzero("stories", "show", STORY).stdout
    assert reelzero("stories", "cancel", STORY).exit_code == 0
    assert reelzero("stories", "retry", STORY).exit_code == 0
    assert reelzero("stories", "watch", STORY).stdout == f"{STORY}  completed\n"
    assert [path for method, path, _ in server.requests if method == "POST"] == [
        f"/v1/stories/{STORY}/cancel", f"/v1/stories/{STORY}/retry",
    ]  # fmt: skip

"""Answers of `/v1/stories` that a test decides: the editor is tested without workers for its steps."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

VIDEO_FILES = {"video": ("video.mp4", "video/mp4"), "poster": ("poster.jpg", "image/jpeg")}
CLIP_FILES = {"preview": ("video.mp4", "video/mp4")}
FILM_FILES = {
    "film": ("video.mp4", "video/mp4"),
    "poster": ("poster.jpg", "image/jpeg"),
    "subtitles": ("film.vtt", "text/vtt"),
}
SUBTITLES = b"WEBVTT\n\n00:00.000 --> 00:01.500\nA square moves to the right.\n"


class StoryServer:
    """Stories by their ids, and what the page has sent. `refusal` is the answer to a story that is sent."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.stories: dict[str, dict[str, Any]] = {}
        self.sent: list[tuple[str, str, Any]] = []
        self.refusal: dict[str, Any] | None = None
        self._files = {**files, "film.vtt": SUBTITLES}
        self._changed = asyncio.Event()

    async def install(self, page: Any) -> None:
        """Answer the page's calls of stories."""
        await page.route("**/v1/stories**", self._answer)
        await page.route("**/v1/stories/**", self._answer)
        await page.route("**/v1/step-types", lambda route: _json(route, {"data": []}))

    def add(self, request: dict[str, Any], story_id: str = "story_1", **fields: Any) -> dict[str, Any]:
        """Keep a story whose steps all wait."""
        story = {
            "object": "story", "id": story_id, "status": "queued", "percent": 0,
            "submitted_at": "2026-11-26T12:00:00Z", "started_at": None, "completed_at": None,
            "expires_at": None, "metadata": {}, "revised_from": None, "callback_url": None,
            "request": request, "steps": _steps(request), "error": None,
        }  # fmt: skip
        self.stories[story_id] = story | fields
        return self.stories[story_id]

    def change(self, story_id: str, *names: str, **fields: Any) -> None:
        """Change steps of a story, and tell those that follow it."""
        story = self.stories[story_id]
        for step in story["steps"]:
            if step["name"] in names:
                step.update(fields)
            if step["state"] == "completed" and not step["outputs"]:
                step.update(percent=100, seconds=1.5, outputs=self._outputs(story_id, step))
        states = {step["state"] for step in story["steps"]}
        story["percent"] = sum(step["percent"] for step in story["steps"]) // len(story["steps"])
        story["status"] = next((each for each in ("failed", "cancelled") if each in states), "in_progress")
        story["status"] = "completed" if states == {"completed"} else story["status"]
        story["error"] = next((step["error"] for step in story["steps"] if step["error"]), None)
        self._changed.set()
        self._changed = asyncio.Event()

    def finish(self, story_id: str) -> None:
        """Complete every step."""
        self.change(
            story_id,
            *(step["name"] for step in self.stories[story_id]["steps"]),
            state="completed",
            queued=False,
        )

    def _outputs(self, story_id: str, step: dict[str, Any]) -> dict[str, Any]:
        kinds = {"video": VIDEO_FILES, "film": FILM_FILES}.get(step["uses"], CLIP_FILES)
        kinds = {} if step["uses"] == "narrate" else kinds
        return {
            name: {
                "sha256": hashlib.sha256(f"{story_id} {step['name']} {name}".encode()).hexdigest(),
                "bytes": len(self._files[file]), "content_type": media,
                "url": f"/v1/stories/{story_id}/files/{step['name']}/{name}",
            }
            for name, (file, media) in kinds.items()
        }  # fmt: skip

    async def _answer(self, route: Any) -> None:
        request = route.request
        path = urlsplit(request.url).path.removeprefix("/v1/stories").strip("/").split("/")
        if request.method == "POST":
            await self._post(route, path, json.loads(request.post_data) if request.post_data else None)
        elif path == [""]:
            await _json(route, {"data": list(self.stories.values()), "next": None, "has_more": False})
        elif path[0] not in self.stories:
            await _json(route, {"detail": "there is no such story", "code": "not_found"}, 404)
        elif path[1:2] == ["files"]:
            await self._file(route, path[-1])
        elif path[1:] == ["events"]:
            await self._events(route, path[0])
        elif path[1:] == ["result"]:
            await _json(route, self._result(path[0]))
        else:
            await _json(route, self.stories[path[0]])

    async def _post(self, route: Any, path: list[str], body: Any) -> None:
        name = path[-1] or ("dry_run" if "dry_run" in route.request.url else "submit")
        self.sent.append((name, path[0], body))
        if self.refusal and name in ("submit", "revise", "dry_run"):
            await _json(route, self.refusal, 422)
        elif name == "dry_run":
            steps = _steps(body)
            seconds = sum(step["expected_seconds"] for step in steps)
            await _json(route, {"steps": steps, "expected_seconds": seconds, "expected_cost": None})
        elif name == "submit":
            await _json(route, self.add(body, f"story_{len(self.stories) + 1}"), 202)
        elif name == "revise":
            await _json(route, self._revised(path[0], body), 202)
        else:
            story = self.stories[path[0]]
            names = [step["name"] for step in story["steps"] if step["state"] != "completed"]
            self.change(path[0], *names, state="cancelled" if name == "cancel" else "waiting", error=None)
            await _json(route, story)

    def _revised(self, story_id: str, body: dict[str, Any]) -> dict[str, Any]:
        request = json.loads(json.dumps(self.stories[story_id]["request"]))
        if isinstance(body["scenes"], dict):
            for at, changes in body["scenes"].items():
                request["scenes"][int(at) - 1].update(changes)
        else:
            request = body
        return self.add(request, f"story_{len(self.stories) + 1}", revised_from=story_id)

    async def _events(self, route: Any, story_id: str) -> None:
        """Answer with the present state, or with the next one if the page has that; the page comes again."""
        text = json.dumps(self.stories[story_id])
        if self.stories[story_id].get("_seen") == text:
            await self._changed.wait()
            text = json.dumps(self.stories[story_id])
        self.stories[story_id]["_seen"] = text
        headers = {"Content-Type": "text/event-stream"}
        await route.fulfill(status=200, headers=headers, body=f"event: story\ndata: {text}\n\n")

    async def _file(self, route: Any, output: str) -> None:
        kinds = VIDEO_FILES | CLIP_FILES | FILM_FILES
        name, media = kinds[output]
        await route.fulfill(status=200, content_type=media, body=self._files[name])

    def _result(self, story_id: str) -> dict[str, Any]:
        film = next(step for step in self.stories[story_id]["steps"] if step["uses"] == "film")
        return {name: {**file, "url": file["url"]} for name, file in film["outputs"].items()}


def _steps(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that the template `film` makes of scenes."""
    steps = []
    for number, scene in enumerate(request.get("scenes", ()), 1):
        if scene.get("narration"):
            steps.append(_step(f"speech-{number}", "narrate", 1))
        if scene.get("prompt"):
            steps.append(_step(f"video-{number}", "video", 20))
        uses = "title" if scene.get("title") else "fit" if scene.get("prompt") else "still"
        steps.append(_step(f"scene-{number}", uses, 2))
    film = _step("film", "film", 4) | {"needs": [step["name"] for step in steps]}
    return [*steps, film]


def _step(name: str, uses: str, seconds: float) -> dict[str, Any]:
    return {
        "name": name, "uses": uses, "state": "waiting", "percent": 0, "job_id": None, "reused": False,
        "needs": [], "expected_seconds": seconds, "seconds": None, "queued": False,
        "outputs": {}, "error": None,
    }  # fmt: skip


async def _json(route: Any, body: Any, status: int = 200) -> None:
    await route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

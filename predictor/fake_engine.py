"""Stand in for a server with `/v1/videos`, with the habits that the sources of SGLang and vLLM-Omni show.

Its videos end as fast as a test wants: `statuses` are the answers to one look after the other. It makes real
MP4 files, whose first frame is the picture that was sent.
"""

from __future__ import annotations

import io
import secrets
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from PIL import Image
from starlette.datastructures import UploadFile

from eventing.contract.catalog import Dialect
from predictor.generation.video.mp4 import write_mp4
from predictor.generation.video.stills import Frames


@dataclass
class Habits:
    """How the server behaves; a test may change them while it runs."""

    dialect: Dialect = Dialect.sglang
    model: str = "some/model"
    token: str | None = None
    statuses: tuple[str, ...] = ("queued", "in_progress", "completed")  # look by look; the last one stays
    progress: tuple[int, ...] = (0,)  # percent, look by look
    error: Mapping[str, Any] | None = None  # of a failed video
    has_cancel: bool = True  # POST /v1/videos/{id}/cancel, of SGLang
    delete_frees: bool = True  # without it the engine works on a deleted video
    refusals: list[Response] = field(default_factory=list)  # answers to the next requests for videos
    changes: dict[str, Any] = field(default_factory=dict)  # of what the file holds against the request
    file: bytes | None = None  # instead of a video
    cuts: int = 0  # downloads that end in the middle of the file
    loses_files: bool = False  # 404 for the file of a finished video


@dataclass
class Making:
    """A video at the server."""

    fields: dict[str, Any]
    picture: bytes | None
    is_form: bool
    looks: int = 0


class FakeEngine:
    """The server, in a thread of its own. `restart` makes it forget everything."""

    def __init__(self, habits: Habits | None = None, port: int = 0) -> None:
        self.habits = habits or Habits()
        self.created: list[Making] = []
        self.videos: dict[str, Making] = {}
        self.working: set[str] = set()  # what the accelerator is busy with
        self.stopped: list[str] = []  # calls that stopped a video, or did not
        config = uvicorn.Config(self._app(), host="127.0.0.1", port=port, log_level="warning")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            assert self._thread.is_alive(), "the engine did not start"  # noqa: S101 - for tests
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()

    @property
    def url(self) -> str:
        """Return the server's address."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def restart(self) -> None:
        """Forget every video, as a server does that keeps them in memory."""
        self.videos.clear()
        self.working.clear()

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.middleware("http")(self._check_token)
        app.get("/v1/models")(self._models)
        app.get("/v1/videos")(self._list)
        app.post("/v1/videos")(self._create)
        app.get("/v1/videos/{name}")(self._look)
        app.delete("/v1/videos/{name}")(self._delete)
        app.get("/v1/videos/{name}/content")(self._content)
        app.post("/v1/videos/{name}/cancel")(self._cancel)
        return app

    async def _check_token(self, request: Request, call_next: Any) -> Any:
        token = self.habits.token
        if token and request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({"error": {"message": "Unauthorized", "code": 401}}, 401)
        return await call_next(request)

    async def _models(self) -> Any:
        return {"object": "list", "data": [{"id": self.habits.model, "object": "model"}]}

    async def _list(self) -> Any:
        return {"object": "list", "data": [self._video(*item) for item in list(self.videos.items())]}

    async def _create(self, request: Request) -> Any:
        making = await self._read(request)
        if self.habits.refusals:
            return self.habits.refusals.pop(0)
        name = f"video_gen_{secrets.token_hex(8)}"
        self.created.append(making)
        self.videos[name] = making
        self.working.add(name)
        return self._video(name, making)

    async def _read(self, request: Request) -> Making:
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        if not is_form:
            if self.habits.dialect is Dialect.vllm_omni:
                raise HTTPException(422, [{"loc": ["body", "prompt"], "msg": "Field required"}])
            return Making(await request.json(), None, is_form)
        async with request.form() as form:
            fields = {key: value for key, value in form.items() if isinstance(value, str)}
            upload = form.get("input_reference")
            picture = await upload.read() if isinstance(upload, UploadFile) else None
        if picture is None and self.habits.dialect is Dialect.sglang:
            raise HTTPException(400, "input_reference file or reference_url is required")
        return Making(fields, picture, is_form)

    async def _look(self, name: str) -> Any:
        making = self._making(name)
        making.looks += 1
        return self._video(name, making)

    async def _delete(self, name: str) -> Any:
        self._making(name)
        self.stopped.append("DELETE")
        self.videos.pop(name, None)
        if self.habits.delete_frees:
            self.working.discard(name)
        return {"id": name, "deleted": True, "object": "video.deleted"}

    async def _cancel(self, name: str) -> Any:
        if not self.habits.has_cancel or self.habits.dialect is not Dialect.sglang:
            raise HTTPException(404, "Not Found")
        making = self._making(name)
        self.stopped.append("POST cancel")
        making.fields["cancelled"] = True
        self.working.discard(name)
        return self._video(name, making)

    async def _content(self, name: str) -> Any:
        making = self._making(name)
        if self._status(making) != "completed" or self.habits.loses_files:
            raise HTTPException(404, "Generation is still in-progress")
        body = _file(making, self.habits) if self.habits.file is None else self.habits.file
        if self.habits.cuts:
            self.habits.cuts -= 1
            return Response(body[: len(body) // 2], headers={"content-length": str(len(body))})
        return Response(body, media_type="video/mp4")

    def _making(self, name: str) -> Making:
        if (making := self.videos.get(name)) is None:
            raise HTTPException(404, "Video not found")
        return making

    def _video(self, name: str, making: Making) -> dict[str, Any]:
        status = self._status(making)
        if status in ("completed", "failed"):
            self.working.discard(name)
        progress = self.habits.progress[min(making.looks, len(self.habits.progress)) - 1]
        error = self.habits.error if status == "failed" else None
        model = making.fields["model"]
        return {"id": name, "object": "video", "model": model, "status": status, "progress": progress} | (
            {"error": error} if error else {}
        )

    def _status(self, making: Making) -> str:
        if making.fields.get("cancelled"):
            return "cancelled"
        statuses = self.habits.statuses
        return statuses[min(max(making.looks, 1), len(statuses)) - 1]


def _file(making: Making, habits: Habits) -> bytes:
    """Make the MP4 of a request."""
    fields = making.fields | habits.changes
    width, height = map(int, fields["size"].split("x"))
    frames = _frames(int(fields["num_frames"]), width, height, int(fields["seed"]))
    if making.picture:
        frames[0] = np.asarray(Image.open(io.BytesIO(making.picture)).convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_mp4(frames, int(fields["fps"]), path, lambda: None)
        return path.read_bytes()


def _frames(count: int, width: int, height: int, seed: int) -> Frames:
    """Make frames whose brightness rises, from a seed."""
    levels = (np.arange(count) * 8 + seed) % 200
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).astype(np.uint8)

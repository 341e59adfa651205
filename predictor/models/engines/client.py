"""Call a server with `/v1/videos`: create, look, fetch, stop and remove a video.

Every call blocks for some seconds at most. Unavailable means that the server is away or busy: time heals it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from eventing.contract.catalog import Engine
from eventing.contract.errors import BrokenVideo, ReelzeroError, Unavailable
from eventing.contract.records.models import GenerationSpec
from predictor.models.engines import answers, dialects
from predictor.models.engines.answers import Video

PATH = "/v1/videos"
TIMEOUT = httpx.Timeout(30, connect=5)  # seconds
SHORT = httpx.Timeout(5)  # of calls that nothing depends on
LARGEST = 4 << 30  # bytes of a video
log = logging.getLogger(__name__)


class EngineClient:
    """One server and one model there. Any thread may call it."""

    def __init__(self, engine: Engine, url: str, token: str | None = None) -> None:
        self.engine, self.url = engine, url
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A connection of its own for each call: one that was kept may be closed by the server just now.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, headers=headers, limits=limits)
        self._place = f"the engine at {url}"

    def require_ready(self) -> None:
        """Raise Unavailable unless the server answers, takes the token and serves the model."""
        answer = self._call("GET", PATH, params={"limit": 1}, timeout=SHORT)
        if answer.status_code in (401, 403, 404) or answer.status_code in answers.BUSY:
            raise Unavailable(self._cause(answer))
        served = answers.names(self._call("GET", "/v1/models", timeout=SHORT))
        if served and self.engine.model not in served:
            raise Unavailable(
                f"{self._place} serves {', '.join(served[:10])}, not {self.engine.model}: correct "
                "engine.model of the catalog entry"
            )

    def create(self, spec: GenerationSpec, picture: bytes | None) -> Video:
        """Start a video and return it. Raises InvalidRequest with the server's words, Unavailable, others."""
        body = dialects.body(self.engine, spec, picture)
        answer = self._call("POST", PATH, json=body.json, files=body.form)
        if answer.is_success:
            return answers.video(answer)
        raise answers.refusal(answer, self._place)

    def look(self, video_id: str) -> Video | None:
        """Return a video as it is now; None if the server does not know it."""
        answer = self._call("GET", f"{PATH}/{video_id}")
        if answer.status_code == 404:
            return None
        if answer.is_success:
            return answers.video(answer)
        raise answers.refusal(answer, self._place)

    def fetch(self, video_id: str, path: Path, check: Callable[[], None]) -> bool:
        """Write the file of a video; False if the server does not have it. `check` may raise to stop.

        Raises BrokenVideo if the file is too large, OSError if it cannot be written.
        """
        # Servers that keep their files in S3 redirect there.
        with (
            self._reached(),
            self._http.stream("GET", f"{PATH}/{video_id}/content", follow_redirects=True) as answer,
        ):
            if answer.status_code == 404:
                return False
            if not answer.is_success:
                answer.read()
                raise answers.refusal(answer, self._place)
            _write(answer, path, check)
        return True

    def stop(self, video_id: str) -> str:
        """Stop a video, by the call that the server has for it. Return what came of it, in words."""
        if self.engine.dialect in dialects.HAS_CANCEL:
            answer = self._call("POST", f"{PATH}/{video_id}/cancel", timeout=SHORT)
            if answer.status_code not in (404, 405):
                return _outcome(answer, "the engine stops it")
        answer = self._call("DELETE", f"{PATH}/{video_id}", timeout=SHORT)
        if self.engine.dialect in dialects.HAS_CANCEL:
            return _outcome(answer, "the engine has no call to stop it: it is forgotten there and works on")
        return _outcome(answer, "the engine was asked to stop it; older releases of it work on")

    def remove(self, video_id: str) -> None:
        """Delete a video that is fetched, with its file where the server deletes it. Raises Unavailable."""
        self._call("DELETE", f"{PATH}/{video_id}", timeout=SHORT)

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._reached():
            return self._http.request(method, path, **options)

    def _reached(self) -> _Reached:
        return _Reached(self._place)

    def _cause(self, answer: httpx.Response) -> str:
        if answer.status_code == 404:
            return f"{self._place} has no {PATH} (404)"
        return answers.refusal(answer, self._place).message


class _Reached:
    """Turns errors of the connection into Unavailable that names the address."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Begin a call."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, httpx.HTTPError):
            reason = str(error) or type(error).__name__
            raise Unavailable(f"{self._place} cannot be reached: {reason}") from error


def _write(answer: httpx.Response, path: Path, check: Callable[[], None]) -> None:
    size = 0
    with path.open("wb") as file:
        for chunk in answer.iter_bytes():
            check()
            size += len(chunk)
            if size > LARGEST:
                raise BrokenVideo(f"the engine's file has more than {LARGEST} bytes")
            file.write(chunk)


def _outcome(answer: httpx.Response, success: str) -> str:
    if answer.is_success:
        return success
    return "the engine does not know it" if answer.status_code == 404 else f"refused ({answer.status_code})"


def stop_quietly(client: EngineClient, video_id: str) -> None:
    """Stop a video; what goes wrong is logged, because the attempt has ended either way."""
    try:
        facts = {"video": video_id, "outcome": client.stop(video_id)}
    except ReelzeroError as error:
        facts = {"video": video_id, "outcome": error.message}
    log.warning("a video at the engine is cancelled", extra=facts)

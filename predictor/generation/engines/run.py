"""Have one video made by an engine: create or adopt it, wait for it, fetch its file, stop it on a cancel.

A killed predictor leaves its video running at the engine. The next attempt finds its id in S3 and adopts it.
If the engine does not know the id, because it was restarted, a new video is created. A kill between the
answer of the engine and the note in S3 leaves a video at the engine that no attempt adopts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx

from eventing.contract.errors import Cancelled, GenerationError, GenerationTimeout, ReelzeroError, Unavailable
from eventing.contract.records.models import GenerationSpec, Stage
from predictor.generation.engines.note import Notebook
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import interruptible
from predictor.models.engines.answers import State, Video
from predictor.models.engines.client import EngineClient, stop_quietly

POLL = 1.0  # seconds between two looks at a video
CLEANUP = 5.0  # seconds to find out whether a later attempt has the video
AWAY = 60.0  # seconds that the engine may be away or busy before the attempt fails, to be tried again
BUSY = 2.0  # seconds to wait for a busy engine that does not say how long
CREATIONS = 2  # of one attempt; an engine that loses each video is not asked for ever
CREATED = "created"  # a point where a test may hold the attempt
T = TypeVar("T")
log = logging.getLogger(__name__)


class Vanished(Exception):
    """The engine does not know the video any more."""


@dataclass
class EngineRun:
    """One attempt's way to its file. `video` is the id at the engine, once there is one."""

    client: EngineClient
    spec: GenerationSpec
    notebook: Notebook
    monitor: Monitor
    video: str | None = None

    def fetch(self, picture: bytes | None, path: Path) -> None:
        """Have the video made and write its file.

        Raises InvalidRequest with the engine's words, Unavailable, GenerationError, Cancelled and others.
        """
        try:
            self._fetch(picture, path)
        except (Cancelled, GenerationTimeout):
            self._stop()
            raise

    def remove(self) -> None:
        """Delete the video at the engine, unless a later attempt waits for it. Never raises."""
        try:
            if self.video is not None and not self._is_overtaken():
                self.client.remove(self.video)
        except ReelzeroError as error:
            log.warning("a finished video stays at the engine", extra={"cause": error.message})

    def _fetch(self, picture: bytes | None, path: Path) -> None:
        for _ in range(CREATIONS):
            try:
                with self.monitor.stage(Stage.engine_queue):
                    self.video = self._adopted() or self._created(picture)
                    self._await(self.video, lambda state: state is not State.queued)
                return self._follow(self.video, path)
            except Vanished:
                log.warning("the engine lost a video", extra={"video": self.video})
                if self._is_overtaken():
                    break
        raise GenerationError("the engine lost the video; it may have been restarted")

    def _adopted(self) -> str | None:
        """Return the video that an earlier attempt left at the engine; None if there is none to wait for."""
        if (note := self.notebook.read()) is None or note.video == self.video:
            return None
        video = self._patiently(lambda: self.client.look(note.video))
        if video is None or video.state in (State.failed, State.gone):
            return None
        self.video = note.video
        log.info("a video at the engine is adopted", extra={"video": note.video, "status": video.status})
        self.notebook.write(note.video)
        return note.video

    def _created(self, picture: bytes | None) -> str:
        # Not interruptible: a cancel must know the id of what it stops.
        video = self._patiently(
            lambda: self.client.create(self.spec, picture), made_nothing, in_a_thread=False
        )
        self.video = video.id
        log.info("a video is created at the engine", extra={"video": video.id})
        self.notebook.write(video.id)
        self.monitor.pass_point(CREATED)
        return video.id

    def _follow(self, video: str, path: Path) -> None:
        with self.monitor.stage(Stage.generate):
            self._await(video, lambda state: state is State.done)
        with self.monitor.stage(Stage.download):
            if not self._patiently(lambda: self.client.fetch(video, path, self.monitor.check)):
                raise Vanished

    def _await(self, video_id: str, is_enough: Callable[[State], bool]) -> None:
        while True:
            video = self._patiently(lambda: self.client.look(video_id))
            state = _living(video)
            if is_enough(state):
                return
            if video and video.progress and state is State.working:
                self.monitor.step(int(video.progress), 100)
            self.monitor.wait(POLL)

    def _stop(self) -> None:
        if self.video is not None and not self._is_overtaken():
            stop_quietly(self.client, self.video)
        self.video = None

    def _is_overtaken(self) -> bool:
        """Tell whether a later attempt waits for the video; no if that cannot be found out."""
        # This attempt's own monitor would stop the lookup: it may be cancelled or past its limit.
        try:
            return replace(self.notebook, monitor=Monitor(self.spec.model, CLEANUP)).is_overtaken()
        except ReelzeroError:
            return False

    def _patiently(
        self,
        call: Callable[[], T],
        may_wait: Callable[[Unavailable], bool] = lambda _error: True,
        in_a_thread: bool = True,
    ) -> T:
        """Call the engine until it answers, for AWAY seconds. Raises the last Unavailable after that."""
        end = self.monitor.elapsed + AWAY
        while True:
            try:
                return interruptible(call, self.monitor) if in_a_thread else call()
            except Unavailable as error:
                delay = BUSY if error.retry_after is None else max(error.retry_after, POLL)
                if not may_wait(error) or self.monitor.elapsed + delay > end:
                    raise
                log.warning("the engine is away or busy", extra={"seconds": delay, "cause": error.message})
            self.monitor.wait(delay)


def made_nothing(error: Unavailable) -> bool:
    """Tell whether a request that failed has created no video for sure: a lost answer may hide one."""
    return error.__cause__ is None or isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


def _living(video: Video | None) -> State:
    """Return the state of a video that is not lost. Raises Vanished, or the reason why it failed."""
    if video is None or video.state is State.gone:
        raise Vanished
    if video.state is State.failed:
        raise video.failure()
    return video.state

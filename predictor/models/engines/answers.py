"""Read what a server with `/v1/videos` answers: a video and its state, or a refusal in the server's words."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx
from pydantic import Field, ValidationError

from eventing.contract.errors import (
    GenerationError,
    InvalidRequest,
    ModelUnavailable,
    OutOfMemory,
    ReelzeroError,
    Unavailable,
)
from eventing.contract.records.models import Received

LONGEST = 500  # characters of the server's words in a message
BUSY = (408, 425, 429, 502, 503, 504)
REFUSED = (400, 409, 413, 415, 422)


class State(StrEnum):
    """What the server does with a video."""

    queued = "queued"
    working = "working"
    done = "done"
    failed = "failed"
    gone = "gone"  # cancelled or deleted there


STATES = {
    "queued": State.queued,
    "pending": State.queued,
    "in_progress": State.working,
    "processing": State.working,
    "running": State.working,
    "completed": State.done,
    "succeeded": State.done,
    "failed": State.failed,
    "cancelled": State.gone,
    "canceled": State.gone,
    "deleted": State.gone,
    "expired": State.gone,
}


class Video(Received):
    """A video at the server. `progress` is in percent; 0 if the server tells none."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$")  # it becomes part of a path
    status: str
    progress: float = Field(0, ge=0, le=100, allow_inf_nan=False)
    error: Any = None

    @property
    def state(self) -> State:
        """Return the state. Raises GenerationError for a word that no server is known to use."""
        try:
            return STATES[self.status]
        except KeyError as error:
            raise GenerationError(
                f"the engine answered with the status {self.status[:60]!r}, which is not known here"
            ) from error

    def failure(self) -> GenerationError:
        """Return why the server could not make it, in the server's words."""
        words = _of_error(self.error) or "it gave no reason"
        if "out of memory" in words.lower():
            return OutOfMemory(f"the engine ran out of memory: {words}")
        return GenerationError(f"the engine could not make the video: {words}")


def video(answer: httpx.Response) -> Video:
    """Return the video in an answer. Raises GenerationError if there is none."""
    try:
        return Video.model_validate(answer.json())
    except (ValueError, ValidationError, RecursionError) as error:
        raise GenerationError(f"the engine answered {answer.status_code} without a video") from error


def refusal(answer: httpx.Response, place: str) -> ReelzeroError:
    """Return the error that an answer stands for. `place` names the server, such as `the engine at http://…`."""
    status, words = answer.status_code, _words(answer)
    if status in BUSY:
        return Unavailable(f"{place} is not ready ({status}): {words}", retry_after=retry_after(answer))
    if status in REFUSED:
        return InvalidRequest(f"the engine refused the request ({status}): {words}")
    if status in (401, 403):
        return ModelUnavailable(f"{place} refuses the token ({status}): correct REELZERO_ENGINE_TOKEN")
    if status < 500:
        return ModelUnavailable(f"{place} does not make videos of this model ({status}): {words}")
    return GenerationError(f"the engine failed ({status}): {words}")


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header, which may also hold a date; None if there is none."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def names(answer: httpx.Response) -> list[str]:
    """Return the names of a list of models, in OpenAI's form; none if the answer is something else."""
    try:
        listing = answer.json()["data"] if answer.status_code == 200 else []
        return [str(model["id"]) for model in listing]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _words(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return answer.text.strip()[:LONGEST] or answer.reason_phrase
    return _of_error(body) or answer.reason_phrase


def _of_error(body: Any) -> str:
    """Return the sentence in an error of OpenAI's form, of FastAPI's, or of plain text."""
    if isinstance(body, dict):
        body = next((body[key] for key in ("message", "msg", "detail", "error") if body.get(key)), "")
        return _of_error(body)
    if isinstance(body, list):
        return "; ".join(filter(None, map(_of_error, body)))[:LONGEST]
    return str(body).strip()[:LONGEST] if body else ""

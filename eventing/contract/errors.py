"""Define every error that reelzero raises on purpose, in one tree: its code, HTTP status, whether to retry.

ReelzeroError                 code, message, field, retryable; HTTP status for the API
├── InvalidRequest            422  a value of the request cannot be served; `field` names it
├── MalformedRequest          400  the bytes do not follow the protocol
├── UnsupportedMedia          415  a content type that is not read here
├── TooLarge                  413  the body is over the limit
├── UnsatisfiableRange        416  no byte of the range exists
├── Unauthorized              401  no key, or not a valid one
├── Forbidden                 403  another origin, a Host that is not served, a key without the right
├── NotFound                  404  no such job, or it has another owner: one answer for both
├── Conflict                  409  the id or state does not allow it
├── TooMany                   429  rate or quota; `retry_after` seconds
├── Unavailable               503  a needed part is away; `retry_after` seconds
│   └── Busy                  503  this predictor runs another job
├── GenerationError           500  an attempt failed
│   ├── OutOfMemory                not retryable, since the same job would fail the same way
│   ├── PipelineFault              a mistake in the pipeline's code or its input; not retryable
│   ├── BrokenFrames               NaN or infinite pixels; not retryable
│   ├── BrokenPicture              a picture in S3 is gone or is another one; not retryable
│   ├── AdapterUnavailable         the file of an adapter is missing or does not fit the model; not retryable
│   ├── ContentRefused             a check of the operator refused the prompt or the video; not retryable
│   ├── BrokenVideo                the file differs from the request; not retryable
│   ├── DeviceLost                 retryable on another predictor; this one becomes unready
│   ├── StorageError               retryable, since S3 was away
│   ├── ScratchFull                retryable on another predictor: no room for the file before its upload
│   ├── GenerationTimeout          over the model's time limit; not retryable
│   └── ModelUnavailable           weights missing or corrupt; names the file
├── Cancelled                 499  the caller closed the connection or cancelled the job
└── ConfigurationError             a setting is wrong; names the key (start-up only)
"""

from __future__ import annotations


class ReelzeroError(Exception):
    """Base of all errors raised on purpose. `code` is stable and public; `message` is for people."""

    code = "internal_error"
    status = 500
    retryable = False
    may_repeat = True  # False: the call must not be sent again by itself, since it would make another job

    def __init__(self, message: str, *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def sentence(self) -> str:
        """Return the message with the field in front, for protocols whose errors are one line of text."""
        if self.field is None or self.field.lower() in self.message.lower():
            return self.message
        return f"{self.field}: {self.message}"


class InvalidRequest(ReelzeroError):
    """The request is well formed, but a value in it cannot be served."""

    code, status = "invalid_request", 422


class MalformedRequest(ReelzeroError):
    """The bytes do not follow the protocol (JSON, UTF-8, CloudEvents attributes)."""

    code, status = "malformed_request", 400


class UnsupportedMedia(ReelzeroError):
    """A content type that is not read here."""

    code, status = "unsupported_media_type", 415


class TooLarge(ReelzeroError):
    """The body exceeds the configured limit."""

    code, status = "body_too_large", 413


class UnsatisfiableRange(ReelzeroError):
    """The Range header begins after the end of the file."""

    code, status = "range_not_satisfiable", 416


class Unauthorized(ReelzeroError):
    """No API key, or one that is unknown or revoked."""

    code, status = "unauthorized", 401


class Forbidden(ReelzeroError):
    """The request comes from a web page of another origin, names a host that is not served, or has a key
    without the right to operate."""

    code, status = "forbidden", 403


class NotFound(ReelzeroError):
    """There is nothing under this name, or it belongs to another owner: the answer is the same."""

    code, status = "not_found", 404


class Conflict(ReelzeroError):
    """The resource's state, or its id, does not allow the call."""

    code, status = "conflict", 409


class TooMany(ReelzeroError):
    """A rate or a quota is used up; `retry_after` is the seconds until it is not."""

    code, status, retryable = "too_many_requests", 429, True


class Unavailable(ReelzeroError):
    """A needed part, such as the database, is away for now."""

    code, status, retryable = "unavailable", 503, True


class Busy(Unavailable):
    """The predictor already runs a job; it never queues."""

    code = "busy"


class GenerationError(ReelzeroError):
    """One attempt at a video failed."""

    code = "generation_failed"
    retryable = True


class OutOfMemory(GenerationError):
    """The device has too little memory for this request."""

    code, retryable = "out_of_memory", False


class PipelineFault(GenerationError):
    """The pipeline's code raised an error that every further attempt would raise too."""

    retryable = False


class ContentRefused(GenerationError):
    """A check that the operator installed refused the prompt or the video; the message has its reason."""

    code, retryable = "content_refused", False


class BrokenVideo(GenerationError):
    """The file differs from the request in frames, size or rate, or its credentials are not valid."""

    code, retryable = "broken_video", False


class BrokenPicture(GenerationError):
    """A picture that the video starts or ends with is gone from S3, or is not the one that was stored."""

    code, retryable = "broken_picture", False


class AdapterUnavailable(GenerationError):
    """The file of an adapter is missing, broken or not for this model; the message names it."""

    code, retryable = "adapter_unavailable", False


class BrokenFrames(GenerationError):
    """The pipeline produced NaN or infinite pixels."""

    code, retryable = "broken_frames", False


class DeviceLost(GenerationError):
    """The accelerator no longer answers; the process must be replaced."""

    code = "device_lost"


class StorageError(GenerationError):
    """Object storage could not be reached or refused the write."""

    code = "storage_unavailable"


class ScratchFull(GenerationError):
    """The predictor's scratch disk has no room for the video; another machine may have."""

    code = "scratch_full"


class GenerationTimeout(GenerationError):
    """The attempt took longer than the model's time budget allows."""

    code, retryable = "generation_timeout", False


class ModelUnavailable(GenerationError):
    """The weights are missing or corrupt; the message names the file."""

    code, status = "model_unavailable", 503


class Cancelled(ReelzeroError):
    """The caller closed the connection or cancelled the job."""

    code, status = "cancelled", 499


class ConfigurationError(ReelzeroError):
    """A setting is missing or wrong; `field` is its environment variable."""

    code = "configuration_error"

"""List every error code with what it means and what to do: the catalogue of errors.

The running server shows it at /problems, docs/errors.md is made from it, and a problem's `type` leads to it.
HTTP status and whether a repetition helps come from the errors themselves (errors.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eventing.contract.errors import ReelzeroError

PATH = "/problems"
TEXTS: dict[str, tuple[str, str]] = {  # code: what it means, what to do
    "adapter_unavailable": (
        "The file of an adapter (LoRA) is missing, broken or not for this model. The message names it.",
        "Leave the adapter out, or ask the operator to put its file in place.",
    ),
    "attempts_exhausted": (
        "Every attempt at the job failed or was lost with its predictor.",
        "Retry the job. If it fails again, the operator finds the causes with `reelzero logs JOB`.",
    ),
    "body_too_large": (
        "The body, or a part of it, is over the limit that the message names.",
        "Send a picture by its address, a batch in parts. The operator's limit is REELZERO_MAX_BODY_BYTES.",
    ),
    "broken_frames": (
        "The model made NaN or infinite pixels.",
        "Change the request, such as its guidance or size. The same request fails the same way.",
    ),
    "broken_picture": (
        "A picture of the request is gone from S3, or is not the one that was stored.",
        "Submit the job again with its picture.",
    ),
    "broken_video": (
        "The file differs from the request in frames, size or rate, or its credentials are not valid.",
        "Report it to the operator, with the id of the job: it is a fault of the model or of its engine.",
    ),
    "busy": (
        "The predictor runs another job. It never queues by itself.",
        "Repeat the call after `Retry-After`, or call eventing, which queues.",
    ),
    "cancelled": (
        "The job was cancelled, or the caller closed the connection while it waited.",
        "Nothing, if this was meant. Otherwise submit it again.",
    ),
    "configuration_error": (
        "A setting is missing or wrong: the message names its variable. The process ends at its start.",
        "Correct the setting.",
    ),
    "conflict": (
        "The id is taken by another request, or the state of the job does not allow the call.",
        "Read the message: use another id or `Idempotency-Key`, or wait until the job has ended.",
    ),
    "content_refused": (
        "A check that the operator installed refused the prompt or the video. The message has its reason.",
        "Change the prompt.",
    ),
    "device_lost": (
        "The GPU does not answer any more. The attempt is repeated on another predictor.",
        "Wait. The operator replaces the node if it happens again.",
    ),
    "forbidden": (
        "A web page of another origin made the request, or its Host is not one that is served without keys.",
        "Call the server by its own address, or let the operator add the name to REELZERO_ALLOWED_HOSTS.",
    ),
    "generation_failed": (
        "An attempt at the video failed. The message has the cause.",
        "Retry the job. If it fails again, the operator finds more with `reelzero logs JOB`.",
    ),
    "generation_timeout": (
        "The attempt took longer than the model's time limit.",
        "Ask for fewer frames, fewer steps or a smaller size. The limit is in the model's entry: `budget`.",
    ),
    "headers_too_large": (
        "The request line and the headers are over their limit.",
        "Send fewer or shorter headers.",
    ),
    "http_error": (
        "The request is not one that an HTTP server of this kind answers. The message has the cause.",
        "Read the message.",
    ),
    "internal_error": (
        "A fault of this service. The operator finds the cause in the log.",
        "Report it with the time and the id of the job.",
    ),
    "invalid_request": (
        "A value of the request cannot be served. `field` names it, the message tells what would be right.",
        "Correct the field. The same request is refused every time.",
    ),
    "lease_lapsed": (
        "The process that ran the attempt went silent. The job is tried again by itself.",
        "Nothing.",
    ),
    "malformed_request": (
        "The bytes do not follow the protocol: JSON, UTF-8, or the attributes of a CloudEvent.",
        "Correct the encoding of the request.",
    ),
    "method_not_allowed": (
        "The path exists, but not with this method.",
        "Use one of the methods in the header `Allow`.",
    ),
    "model_unavailable": (
        "The model cannot start: its weights are missing or broken, or no predictor became ready in time.",
        "Choose another model, or wait: its jobs stay in the queue. `/v1/models` has the cause.",
    ),
    "not_found": (
        "There is nothing under this name, or it belongs to another owner: the answer is the same.",
        "Check the id, and the key that you call with. Ended jobs are deleted after their retention.",
    ),
    "out_of_memory": (
        "The device has too little memory for this request.",
        "Ask for fewer frames or a smaller size, or use a larger GPU.",
    ),
    "predictor_lost": (
        "The connection to the predictor broke off. The job is tried again by itself.",
        "Nothing. If all attempts are lost, the operator looks at the predictors.",
    ),
    "range_not_satisfiable": (
        "The header `Range` begins after the end of the file.",
        "Ask for a range within the size that `Content-Range` names.",
    ),
    "rejected_by_predictor": (
        "The predictor refused the job, and its answer had no code. The message has the answer.",
        "Report it to the operator: eventing and the predictor may be of different releases.",
    ),
    "request_timeout": (
        "The request line and the headers did not arrive in time.",
        "Send it without pauses.",
    ),
    "scratch_full": (
        "The predictor's disk had no room for the video before its upload. The job is tried again elsewhere.",
        "Wait. The operator gives predictors more ephemeral storage.",
    ),
    "start_deadline_passed": (
        "The job had not started when its `start_within_seconds` were over.",
        "Submit it again with more time, or when the queue is shorter.",
    ),
    "step_failed": (
        "A step of a story ended without its outputs. The message has the last words of its command.",
        "Change what the message names and revise the story; or retry it, if what the step needs was away.",
    ),
    "stopped": (
        "The service was stopped in mid-attempt. The job is tried again by itself.",
        "Nothing.",
    ),
    "storage_unavailable": (
        "S3 was away, or refused to store the file. The job is tried again by itself.",
        "Wait. The operator checks S3 with `reelzero doctor`.",
    ),
    "too_many_requests": (
        "A rate or a quota of your key is used up. The message tells which one.",
        "Repeat the call after `Retry-After`.",
    ),
    "unauthorized": (
        "There is no API key, or it is unknown or revoked, or the token is not valid.",
        "Send `Authorization: Bearer rz_…`. The operator makes keys with `reelzero keys create OWNER`.",
    ),
    "unavailable": (
        "A part that the call needs is away for now, such as the database or S3.",
        "Repeat the call after `Retry-After`, with the same `Idempotency-Key`.",
    ),
    "unsupported_media_type": (
        "The content type or the encoding of the body is not read here.",
        "Send one of the types that the message names, uncompressed.",
    ),
}
STATUSES = {  # of codes that no class of errors.py has
    "headers_too_large": 431,
    "http_error": 400,
    "method_not_allowed": 405,
    "request_timeout": 408,
}
AGAIN = {"lease_lapsed", "predictor_lost", "stopped"}  # the same: codes of attempts that are repeated


@dataclass(frozen=True)
class Problem:
    """One code: its HTTP status, or None if only jobs have it, and whether a repetition can help."""

    code: str
    status: int | None
    retryable: bool
    meaning: str
    remedy: str

    @property
    def title(self) -> str:
        """Return the code in words."""
        return self.code.replace("_", " ")


def address(code: str) -> str:
    """Return the path that explains a code on every server of eventing."""
    return f"{PATH}/{code}"


def catalogue() -> dict[str, Problem]:
    """Return all problems by code, in the order of their codes."""
    kinds = {kind.code: kind for kind in reversed(list(_kinds(ReelzeroError)))}
    return {code: _problem(code, kinds.get(code), *texts) for code, texts in TEXTS.items()}


def _kinds(kind: type[ReelzeroError]) -> Iterator[type[ReelzeroError]]:
    """Give an error and those derived from it in errors.py, the general ones first."""
    yield kind
    for derived in kind.__subclasses__():
        if derived.__module__ == ReelzeroError.__module__:
            yield from _kinds(derived)


def _problem(code: str, kind: type[ReelzeroError] | None, meaning: str, remedy: str) -> Problem:
    status = kind.status if kind else STATUSES.get(code)
    return Problem(code, status, kind.retryable if kind else code in AGAIN, meaning, remedy)

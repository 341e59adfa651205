"""Count and time jobs and their attempts."""

from __future__ import annotations

from eventing.contract.errors import GenerationError
from eventing.contract.metrics.declare import Service, counter, histogram
from eventing.contract.problems import TEXTS
from eventing.contract.telemetry import exemplar

OURS = Service.eventing
FAILURES = {  # the codes with which a job may fail
    "attempts_exhausted", "internal_error", "predictor_lost", "rejected_by_predictor",
    "start_deadline_passed",
    GenerationError.code, *(error.code for error in GenerationError.__subclasses__()),
}  # fmt: skip
STARTS = {"unreachable", "unavailable", "model_unavailable", "other"}  # with which attempts do not start
KNOWN = {"", *TEXTS, *FAILURES, *STARTS}
OUTCOMES = ("completed", "failed", "cancelled", "put_back", "adopted", "lost")  # of attempts

SUBMITTED = counter(OURS, "reelzero_jobs_submitted_total", "Jobs stored.", "model", "lane", "way")
ENDED = counter(
    OURS, "reelzero_jobs_ended_total", "Jobs that ended, in any way.", "model", "lane", "status", "code"
)
PUT_BACK = counter(
    OURS, "reelzero_jobs_put_back_total", "Jobs returned to the queue for another attempt.",
    "model", "lane", "code",
)  # fmt: skip
ATTEMPTS = counter(OURS, "reelzero_attempts_total", "Attempts begun.", "model", "lane")
LAPSED = counter(
    OURS, "reelzero_leases_lapsed_total", "Leases that ended without a report of their holder.",
    "model", "lane",
)  # fmt: skip
ADOPTED = counter(
    OURS, "reelzero_results_adopted_total", "Finished files found after a lost report.", "model"
)
REUSED = counter(
    OURS, "reelzero_results_reused_total", "Jobs that ended with an equal job's result.", "model"
)
START_FAILURES = counter(
    OURS, "reelzero_start_failures_total", "Attempts whose predictor did not start or answer.",
    "model", "lane", "code",
)  # fmt: skip
QUEUE = histogram(OURS, "reelzero_queue_seconds", "Submission to last claim.", "model", "lane")
COLD_START = histogram(
    OURS,
    "reelzero_cold_start_seconds",
    "Claim to the first record, where the predictor loaded its weights for the job.",
    "model",
    "lane",
)
WARM_START = histogram(
    OURS,
    "reelzero_warm_start_seconds",
    "Claim to the first record, where the predictor was loaded already.",
    "model",
    "lane",
)
JOB = histogram(OURS, "reelzero_job_seconds", "Submission to the end.", "model", "lane", "status")
ATTEMPT = histogram(
    OURS, "reelzero_attempt_seconds", "Claim to the end of the use of a slot.", "model", "lane", "outcome"
)


def code_label(code: str) -> str:
    """Return an error code as a label. A predictor may send any text, so one that is not ours is `other`."""
    return code if code in KNOWN else "other"


def count_end(model: str, lane: str, status: str, code: str, seconds: float) -> None:
    """Count a job that has ended, and the seconds since its submission."""
    ENDED.labels(model, lane, status, code_label(code)).inc()
    JOB.labels(model, lane, status).observe(seconds, exemplar=exemplar())


def begin_at_zero(model: str, lane: str) -> None:
    """Make the series of a model and lane, so that their first increase can be seen."""
    for each in (ATTEMPTS, LAPSED, QUEUE, COLD_START, WARM_START):
        each.labels(model, lane)
    for each in (ADOPTED, REUSED):
        each.labels(model)
    failures = (("failed", code) for code in {*FAILURES, "other"})
    ends = {("completed", ""), ("cancelled", "cancelled"), *failures}
    for status, code in ends:
        ENDED.labels(model, lane, status, code)
        JOB.labels(model, lane, status)
    for code in STARTS:
        START_FAILURES.labels(model, lane, code)
    for outcome in OUTCOMES:
        ATTEMPT.labels(model, lane, outcome)

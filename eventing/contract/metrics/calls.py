"""Count and time HTTP requests that a service answers, and calls that it sends to S3."""

from __future__ import annotations

from eventing.contract.metrics.declare import CALL_SECONDS, Service, counter, histogram

HTTP_REQUESTS = counter(
    Service.both,
    "reelzero_http_requests_total",
    "HTTP answers, by the template of the route.",
    "method",
    "route",
    "status",
)
HTTP_SECONDS = histogram(
    Service.both,
    "reelzero_http_request_seconds",
    "From an HTTP request to the head of its answer.",
    "method",
    "route",
    buckets=CALL_SECONDS,
)
S3_SECONDS = histogram(
    Service.both, "reelzero_s3_request_seconds", "One call to S3.", "operation", buckets=CALL_SECONDS
)
S3_ERRORS = counter(
    Service.both,
    "reelzero_s3_errors_total",
    "Calls to S3 that failed or were refused; a missing object is no error.",
    "operation",
)

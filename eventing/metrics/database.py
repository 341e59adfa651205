"""Count and time transactions on the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from eventing.contract.errors import Unavailable
from eventing.contract.metrics.declare import CALL_SECONDS, Service, counter, histogram

SECONDS = histogram(
    Service.eventing,
    "reelzero_database_transaction_seconds",
    "One transaction, with its wait for a connection.",
    "access",
    buckets=CALL_SECONDS,
)
ERRORS = counter(
    Service.eventing,
    "reelzero_database_errors_total",
    "Transactions that the database did not serve.",
    "access",
)


@contextmanager
def measured(access: str) -> Iterator[None]:
    """Time one transaction, `read` or `write`; count it as an error if the database does not serve it."""
    begin = time.monotonic()
    try:
        yield
    except Unavailable:
        ERRORS.labels(access).inc()
        raise
    finally:
        SECONDS.labels(access).observe(time.monotonic() - begin)


def begin_at_zero() -> None:
    """Make all series, so that their first increase can be seen."""
    for access in ("read", "write"):
        ERRORS.labels(access)
        SECONDS.labels(access)

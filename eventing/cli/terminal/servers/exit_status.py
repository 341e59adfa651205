"""The exit statuses of the commands that talk to a server, and the errors that lead to them."""

from __future__ import annotations

from enum import IntEnum

from eventing.client import Away, Refused
from eventing.contract.errors import InvalidRequest, ReelzeroError

UNAUTHORIZED = (401, 403)


class ExitStatus(IntEnum):
    """What a script reads from `$?`."""

    done = 0
    failed = 1  # the server refused, or a file cannot be written
    usage = 2  # the command line or the request is wrong
    no_video = 3  # a job failed or was cancelled
    away = 4  # the server does not answer
    unauthorized = 5  # the server wants another key
    timed_out = 6  # the limit of `wait` has passed
    interrupted = 130


HELP = (
    "Exit status: 0 done, 1 refused, 2 wrong call or request, 3 a job ended without a video, "
    "4 the server is away, 5 no valid key, 6 the limit of `wait` has passed, 130 interrupted."
)


def status_of(error: ReelzeroError) -> ExitStatus:
    """Return the exit status of an error."""
    if isinstance(error, Away):
        return ExitStatus.away
    if isinstance(error, InvalidRequest):
        return ExitStatus.usage
    if isinstance(error, Refused):
        if error.status in UNAUTHORIZED:
            return ExitStatus.unauthorized
        return ExitStatus.usage if error.status in (400, 413, 415, 422) else ExitStatus.failed
    return ExitStatus.failed

"""Say how an attempt can end without a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Check = Callable[[], None]  # raises Gone when the attempt is to stop


class Failed(Exception):
    """The step failed. `retryable` says whether another attempt may help."""

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.record: Record = {"code": code, "message": message, "retryable": retryable}


class Gone(Exception):
    """The caller has gone, or this process is to end."""


def failure(code: str, message: str, retryable: bool = False) -> Record:
    """Return the terminal record of a failure."""
    return {"type": "failed", "error": Failed(code, message, retryable).record}

"""Find an exception behind another one. aiohttp chains some causes and keeps others as `os_error`."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T", bound=BaseException)


def cause_of(error: BaseException | None, kind: type[T]) -> T | None:
    """Return the first exception of a kind in the chain of causes, the error itself included, or None."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__ or getattr(error, "os_error", None)
    return error

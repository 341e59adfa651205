"""Know the time of the database between two readings of it, so that a statement need not read it first.

The time since the last reading is taken from this process's monotonic clock, so a wrong wall clock changes
nothing. The way back of the reading is not counted, so the time is a little behind the database's. A
statement that uses it checks it (`is_right`): a process that was frozen, or its machine, is behind by more.
"""

from __future__ import annotations

from time import monotonic

from sqlalchemy import Double, bindparam
from sqlalchemy.sql import ColumnElement

from eventing.store.database.engine import db_now

MOST_BEHIND = 0.5  # seconds


class Clock:
    """The database's clock as this process knows it."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # of the monotonic clock, in seconds

    def read(self, at: float) -> None:
        """Keep a time that the database has just answered."""
        self._ahead = at - monotonic()

    def now(self) -> float | None:
        """Return the time; None before the first reading."""
        return None if self._ahead is None else self._ahead + monotonic()


def is_right() -> ColumnElement[bool]:
    """Return SQL: whether the value `at` is the time, by the database's clock."""
    at: ColumnElement[float] = bindparam("at", type_=Double())
    return (at <= db_now()) & (at > db_now() - MOST_BEHIND)

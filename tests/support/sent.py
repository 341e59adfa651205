"""Read what a database is sent: statements, commits and rollbacks, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import Engine, event

from eventing.store.database.engine import Database

ENDS = ("COMMIT", "ROLLBACK")
WRITING = ("INSERT INTO ", "UPDATE ", "DELETE FROM ")
Note = Callable[[str], None]


class Sent:
    """Counts the statements of a database since the last call of `clear`."""

    def __init__(self, database: Database) -> None:
        self.statements: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self._stack = ExitStack()
        for engine in _engines(database):
            self._stack.enter_context(_heard(engine, self._note))

    def clear(self) -> None:
        """Begin to count."""
        self.statements.clear()
        self.ends.clear()

    def _note(self, statement: str) -> None:
        if statement in ENDS:
            self.ends[statement] += 1
        else:
            self.statements[statement] += 1


@contextmanager
def listening(database: Database) -> Iterator[list[str]]:
    """All statements, commits and rollbacks that are sent meanwhile."""
    sent = list[str]()
    with ExitStack() as stack:
        for engine in _engines(database):
            stack.enter_context(_heard(engine, sent.append))
        yield sent


def _engines(database: Database) -> list[Engine]:
    return [part.engine.sync_engine for part in (database, database.reserved)]


@contextmanager
def _heard(engine: Engine, note: Note) -> Iterator[None]:
    listeners = _of_sqlite(note) if engine.dialect.name == "sqlite" else _of_postgresql(note)
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    yield
    for name, listener in listeners.items():
        event.remove(engine, name, listener)


def _of_sqlite(note: Note) -> dict[str, Callable[..., None]]:
    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith("BEGIN"):
            note(" ".join(text.split()))

    def commit(_: Any) -> None:
        note("COMMIT")

    def rollback(_: Any) -> None:
        note("ROLLBACK")

    return {"before_cursor_execute": statement, "commit": commit, "rollback": rollback}


def _of_postgresql(note: Note) -> dict[str, Callable[..., None]]:
    """Listen to SQLAlchemy, and to the driver for what does not go by way of it.

    A statement that writes without BEGIN commits by itself; it is noted as a statement and a commit.
    """
    open_ = set[int]()  # sessions in a transaction

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        note(" ".join(text.split()))

    def logged(session: int, record: LoggedQuery) -> None:
        if record.query == "BEGIN":
            open_.add(session)
            return
        note(" ".join(record.query.split()))
        if record.query in ENDS:
            open_.discard(session)
        elif session not in open_ and any(word in record.query for word in WRITING):
            note("COMMIT")

    loggers: dict[int, Callable[[LoggedQuery], None]] = {}

    def checkout(connection: Any, *_: Any) -> None:
        driver = connection.driver_connection
        loggers[id(driver)] = partial(logged, id(driver))
        driver.add_query_logger(loggers[id(driver)])

    def checkin(connection: Any, *_: Any) -> None:
        driver = None if connection is None else connection.driver_connection
        logger = loggers.pop(id(driver), None)
        if logger and driver is not None and not driver.is_closed():
            driver.remove_query_logger(logger)

    return {"before_cursor_execute": statement, "checkout": checkout, "checkin": checkin}

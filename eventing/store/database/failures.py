"""Translate errors of the database drivers.

Every error of the database becomes `Unavailable`, except the few that a wrong statement or value causes. An
error that this file does not list therefore makes callers wait. It ends no loop and is no 500.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from eventing.contract.errors import ConfigurationError, ReelzeroError, Unavailable

RETRY_AFTER = 5
DATABASE_URL = "REELZERO_DATABASE_URL"
AWAY = "the database cannot be reached"
DISK_FULL = "the database's disk is full"
NOT_SERVING = "the database does not serve now"
NO_SCHEMA = "the database lacks the schema of this release: run `reelzero migrate`"
# PostgreSQL: a cardinality, a value, a constraint, a limit of the server, or the syntax of a statement.
MISTAKE_CLASSES = ("21", "22", "23", "54", "42")
MISTAKES_OF_SQLITE = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
)
READ_ONLY = ("25006", sqlite3.SQLITE_READONLY)
NO_CONNECTION_FREE = ("53300",)
POOLER = (
    f"{DATABASE_URL} leads to a pooler in transaction mode, which keeps no prepared statement: "
    "add ?statement_cache_size=0"
)
TEXTS: dict[str | int, str] = {
    "25006": "the database is read-only now",
    "26000": POOLER,
    "42P05": POOLER,
    "42501": "the database denies this role what it needs",
    "42P01": NO_SCHEMA,
    "42703": NO_SCHEMA,
    "53100": DISK_FULL,
    "53300": "the database has no connection free",
    "55P03": "the database is locked by another transaction",
    "57014": "the database took too long for a statement",
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE: DISK_FULL,
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_READONLY: "the database file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_NOTADB: "the database file is no SQLite database",
}
MISTAKE = "an internal error; the operator finds it in the log"
log = logging.getLogger(__name__)
_DRIVER = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raise Unavailable for what time or an operator can heal, and a plain ReelzeroError for a bug."""
    try:
        yield
    except (PoolTimeout, DisconnectionError, OSError) as error:  # OSError: no socket, no route, no time
        raise Unavailable(AWAY, retry_after=RETRY_AFTER) from error
    except (SQLAlchemyError, *_DRIVER) as error:
        failure = translate(error)
        if failure is None:
            log.exception("the database refused a statement of this program")
            failure = ReelzeroError(MISTAKE)
        raise failure from error


def translate(error: Exception) -> ReelzeroError | None:
    """Return the error to raise for an error of a driver; None if the caller has a bug."""
    code, origin = code_of(error), _origin(error)
    if isinstance(origin, asyncpg.ClientConfigurationError):
        return ConfigurationError(f"{DATABASE_URL}: {origin}", field=DATABASE_URL)
    if code is None:
        is_driver_error = isinstance(origin, _DRIVER) and not isinstance(origin, (ValueError, sqlite3.Error))
        return _unavailable(AWAY) if is_driver_error else None
    if text := TEXTS.get(code, TEXTS.get(_primary(code))):
        return _unavailable(text)
    if _lacks_schema(origin):
        return _unavailable(NO_SCHEMA)
    if str(code)[:2] in MISTAKE_CLASSES if isinstance(code, str) else _primary(code) in MISTAKES_OF_SQLITE:
        return None
    return _unavailable(f"{NOT_SERVING} (its code is {code})")


def code_of(error: Exception) -> str | int | None:
    """Return the SQLSTATE of PostgreSQL or the extended error code of SQLite; None if there is none."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorcode", None)
    return code if isinstance(code, (str, int)) else None


def _origin(error: Exception) -> BaseException:
    """Return the error as the driver raised it, below SQLAlchemy's two layers."""
    wrapped = getattr(error, "orig", None) or error
    return wrapped.__cause__ if isinstance(wrapped.__cause__, _DRIVER) else wrapped


def _primary(code: str | int) -> str | int:
    return code if isinstance(code, str) else code & 0xFF


def _lacks_schema(origin: BaseException) -> bool:
    return isinstance(origin, sqlite3.OperationalError) and str(origin).startswith("no such ")


def _unavailable(text: str) -> Unavailable:
    return Unavailable(text, retry_after=RETRY_AFTER)

"""Send the fixed statements of a transaction straight to asyncpg: SQLAlchemy compiles each of them once.

By way of SQLAlchemy, a statement on PostgreSQL costs three times the processor time. A statement that is made
once, when its module is imported, is marked with `fixed`. All others take SQLAlchemy's way on the same
connection. Its engine is in autocommit, so that BEGIN and COMMIT are ours for both ways.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.engine import Dialect, IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

from eventing.store.database.failures import READ_ONLY, code_of

S = TypeVar("S", bound=Executable)


def fixed(statement: S) -> S:
    """Mark a statement that lives as long as the process: it is compiled once for each set of values."""
    _FIXED[statement] = {}
    return statement


class Answer(IteratorResult[Any]):
    """Rows, and how many the statement has changed or returned."""

    rowcount: int


class _Compiled:
    """A statement as asyncpg takes it, with the order and the encoding of its values."""

    def __init__(self, statement: Any, dialect: Dialect, names: Sequence[str]) -> None:
        # A query that writes in its CTEs names its columns itself.
        columns = list(names) if statement.is_dml else None
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 -- every statement of the store is one
        self._compiled = compiled
        self._order = compiled.positiontup or []
        self._sql = compiled.string
        self._is_expanding = bool(compiled.post_compile_params)
        self._encoders = {
            name: encoder
            for name, bind in compiled.binds.items()
            if (encoder := _encoder(bind.type, dialect)) is not None
        }
        self.keys = _keys(statement)

    def bound(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return the statement for these values, and them in its order."""
        if self._is_expanding:
            state = self._compiled.construct_expanded_state(values)
            return state.statement, list(state.positional_parameters)
        named = self._compiled.construct_params(values)
        for name, encoder in self._encoders.items():
            named[name] = encoder(named[name])
        return self._sql, [named[name] for name in self._order]


_FIXED: WeakKeyDictionary[Executable, dict[tuple[str, ...], _Compiled]] = WeakKeyDictionary()


class Direct(AsyncConnection):
    """A connection to PostgreSQL."""

    _driver: asyncpg.Connection

    async def start(self, is_ctxmanager: bool = False) -> Direct:
        """Take a connection of the pool."""
        await super().start(is_ctxmanager)
        assert self.sync_connection is not None  # noqa: S101 -- it has just been made
        self._driver = self.sync_connection.connection.driver_connection
        return self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end, or roll back on any error."""
        await self._driver.execute("BEGIN")
        try:
            yield
            await self._driver.execute("COMMIT")
        except BaseException as error:
            await self._undo(error)
            raise

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let one statement commit by itself."""
        try:
            yield
        except BaseException as error:
            await self._undo(error)
            raise

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Execute a statement with the values of one row, or of each row of a list."""
        versions = _FIXED.get(statement)
        if versions is None:
            return await super().execute(statement, parameters, **options)
        if isinstance(parameters, list) and len(parameters) > 1:
            compiled = self._compiled(statement, versions, parameters[0])
            bound = [compiled.bound(values) for values in parameters]
            await self._driver.executemany(bound[0][0], [values for _, values in bound])
            return _answer((), (), len(bound))
        values = parameters[0] if isinstance(parameters, list) else parameters or {}
        compiled = self._compiled(statement, versions, values)
        sql, ordered = compiled.bound(values)
        if compiled.keys:
            rows = await self._driver.fetch(sql, *ordered)
            return _answer(compiled.keys, rows, len(rows))
        return _answer((), (), _changed(await self._driver.execute(sql, *ordered)))

    def _compiled(
        self, statement: Any, versions: dict[tuple[str, ...], _Compiled], values: Mapping[str, Any]
    ) -> _Compiled:
        names = tuple(values)
        compiled = versions.get(names)
        if compiled is None:
            compiled = versions[names] = _Compiled(statement, self.engine.dialect, names)
        return compiled

    async def _undo(self, error: BaseException) -> None:
        """Roll back, or close a connection that cannot. After a failover all lead to a standby and go."""
        try:
            if isinstance(error, Exception) and code_of(error) in READ_ONLY:
                await self.invalidate()
                await self.engine.dispose()
            elif not self.closed and not self._driver.is_closed():
                await self._driver.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await self.invalidate()


def _encoder(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    encoder: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return encoder


def _keys(statement: Any) -> tuple[str, ...]:
    """Return the names of the columns that a statement returns."""
    return tuple(statement.exported_columns.keys())


def _answer(keys: Sequence[str], rows: Sequence[Any], count: int) -> Answer:
    answer = Answer(SimpleResultMetaData(keys), iter([tuple(row) for row in rows]))
    answer.rowcount = count
    return answer


def _changed(status: str) -> int:
    """Read the count at the end of an answer such as `UPDATE 1`."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdecimal() else -1

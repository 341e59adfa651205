"""Make SQLAlchemy engines from REELZERO_DATABASE_URL: its parameters, and the settings of each session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from eventing.contract.errors import ConfigurationError
from eventing.store.database.failures import DATABASE_URL, READ_ONLY, code_of

BUSY_SECONDS = 30  # a writer on SQLite waits this long for its turn
POOL_SECONDS = 10  # a transaction waits this long for a connection
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
# PostgreSQL rolls a transaction back if its client sends nothing for 10 s or its node is gone for a minute.
# One case escapes: asyncpg ends the preparation of a statement with a flush, not a sync. The server does not
# take a client that is frozen right then for idle, and its locks stay until the process ends.
IDLE_LIMIT = "idle_in_transaction_session_timeout"
LET_GO = {
    IDLE_LIMIT: "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SSL_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
CACHE = "statement_cache_size"
# Names that SQLAlchemy and asyncpg have for the same things.
SYNONYMS = {"prepared_statement_cache_size": CACHE, "ssl": "sslmode"}
HANDED_ON = ("sslmode", *SSL_FILES, "sslpassword", "options", "application_name", "target_session_attrs")
PARAMETERS = ("host", "port", "connect_timeout", CACHE, *HANDED_ON)


def parse(text: str) -> URL:
    """Check a URL and return it with one name per parameter. Raises ConfigurationError naming the fault."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _wrong("it is no URL; see docs/settings.md") from error
    if url.drivername == "sqlite+aiosqlite":
        return _sqlite_url(url)
    if url.drivername == "postgresql+asyncpg":
        return _postgresql_url(url)
    raise _wrong("it must start with sqlite+aiosqlite:// or postgresql+asyncpg://")


def file_url(path: Path) -> str:
    """Return the URL of a SQLite file. Its path may have any characters."""
    return URL.create("sqlite+aiosqlite", database=str(path.absolute())).render_as_string()


def is_pooled(url: URL) -> bool:
    """Tell whether the URL leads to a pooler that may use another server connection for every transaction."""
    return url.query.get(CACHE) == "0"


def make_engine(url: URL, connections: int) -> AsyncEngine:
    """Make an engine that opens at most so many connections. It opens none yet."""
    make = _sqlite_engine if url.drivername.startswith("sqlite") else _postgresql_engine
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_SECONDS}
    # The connection that was used last comes first: its statements are prepared.
    return make(url, pool | {"pool_use_lifo": True})


def _sqlite_url(url: URL) -> URL:
    if url.query:
        raise _wrong(f"a SQLite URL takes no parameters, and this one has {', '.join(url.query)}")
    if not url.database or url.database == ":memory:":
        raise _wrong("it must name a file: jobs in memory would not outlive the process")
    folder = Path(url.database).parent
    if not folder.is_dir():
        raise _wrong(f"there is no folder {folder}")
    return url


def _postgresql_url(url: URL) -> URL:
    query = {SYNONYMS.get(name, name): value for name, value in url.query.items()}
    if unknown := [name for name in query if name not in PARAMETERS]:
        raise _wrong(f"unknown parameter {unknown[0]!r}; known: {', '.join(sorted(PARAMETERS))}")
    for name in ("connect_timeout", CACHE):
        if name in query and not str(query[name]).isdecimal():
            raise _wrong(f"{name} must be a whole number")
    if query.get("sslmode", "require") not in SSL_MODES:
        raise _wrong(f"sslmode must be one of {', '.join(SSL_MODES)}")
    for name in SSL_FILES:
        if name in query and not Path(str(query[name])).is_file():
            raise _wrong(f"{name}: there is no file {query[name]}")
    return url.set(query=query)


def _wrong(text: str) -> ConfigurationError:
    return ConfigurationError(f"{DATABASE_URL}: {text}", field=DATABASE_URL)


def _postgresql_engine(url: URL, pool: Mapping[str, Any]) -> AsyncEngine:
    query = dict(url.query)
    arguments: dict[str, Any] = {"command_timeout": STATEMENT_SECONDS}
    arguments["timeout"] = int(str(query.pop("connect_timeout", CONNECT_SECONDS)))
    if CACHE in query:
        size = int(str(query.pop(CACHE)))
        arguments |= {CACHE: size, "prepared_statement_cache_size": size}
        if not size:  # the unnamed statement lives as long as its transaction, also in a pooler
            arguments["prepared_statement_name_func"] = str
    # asyncpg reads these only from a DSN of its own.
    dsn = urlencode({name: query.pop(name) for name in HANDED_ON if name in query}, doseq=True)
    arguments |= {"dsn": f"postgresql://?{dsn}"} if dsn else {}
    # Without a pooler, BEGIN and COMMIT are those of eventing/store/database/direct.py.
    level = None if is_pooled(url) else "AUTOCOMMIT"
    engine = create_async_engine(
        url.set(query=query), hide_parameters=True, connect_args=arguments, isolation_level=level, **pool
    )
    _listen(engine, pooled=is_pooled(url))
    return engine


def _listen(engine: AsyncEngine, *, pooled: bool) -> None:
    if pooled:

        @event.listens_for(engine.sync_engine, "begin")
        def _limit_idle_time(connection: Any) -> None:
            connection.exec_driver_sql(f"SET LOCAL {IDLE_LIMIT} = '{LET_GO[IDLE_LIMIT]}'")
    else:

        @event.listens_for(engine.sync_engine, "connect")
        def _let_go_when_stalled(connection: Any, _: Any) -> None:
            # A frozen process or a lost node must not keep its locks. Not in the start-up packet, where
            # poolers refuse it.
            cursor = connection.cursor()
            settings = (f"set_config('{name}', '{value}', false)" for name, value in LET_GO.items())
            cursor.execute("SELECT " + ", ".join(settings))
            cursor.close()
            connection.commit()

    @event.listens_for(engine.sync_engine, "checkout")
    def _still_open(connection: Any, *_: Any) -> None:
        # Looks at the socket, not at the server: a ping costs three round trips for each transaction.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    @event.listens_for(engine.sync_engine, "handle_error")
    def _leave_a_standby(context: Any) -> None:
        # After a failover the old connections lead to a standby: only new ones reach the new primary.
        if context.sqlalchemy_exception and code_of(context.sqlalchemy_exception) in READ_ONLY:
            context.is_disconnect = True


def _sqlite_engine(url: URL, pool: Mapping[str, Any]) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True, **pool)

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # BEGIN is emitted below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine

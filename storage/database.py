"""One SQL database, SQLite or PostgreSQL, as two kinds of transaction: `read()` and `write()`.

The only file that knows drivers, pragmas and how SQL being away looks. It knows no table. Several processes may share one
SQLite file: WAL lets readers go on beside the one writer, and writers of other processes wait at most `BUSY_TIMEOUT_MS`.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiosqlite
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from resort.errors import DatabaseUnavailable, InvalidConfig

BUSY_TIMEOUT_MS = 5_000
POOL_SIZE = 8
POOL_TIMEOUT_S = 10.0

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA synchronous=FULL",  # a unit that was answered survives a power cut; about 0.15 ms per unit
)
_WAL_RETRY_S = 0.02
_BEGIN = "snowgate_begin"
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
# PostgreSQL error classes that another try may not meet: connection, resources, operator, system, rollback, lock, internal.
_PASSING_CLASSES = frozenset({"08", "53", "57", "58", "40", "55", "XX"})


class Database:
    """A pool of connections to `url` (`sqlite:///file` or `postgresql://…`).

    Use within one event loop, do nothing but SQL inside `read()` and `write()`, never nest them, and `dispose()` at the end.
    SQL being away, locked for too long or out of connections raises DatabaseUnavailable; the unit is then rolled back, or,
    if the answer to its commit was lost, of unknown outcome: that is why every write is idempotent.
    """

    def __init__(self, url: str, *, foreign_keys: bool = True) -> None:
        """`foreign_keys` is False for migrations only: SQLite alters a table by copying it and dropping the old one."""
        self._url = _driver_url(url)
        self._engine = _engine(self._url, foreign_keys)
        self._reads = self._engine.execution_options(**{_BEGIN: "BEGIN"})
        self._writes = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        # SQLite lets one writer in; its own queue is polling, so writers of this process queue here, in order.
        self._turn = asyncio.Lock() if self.is_sqlite else None
        self._quick: Engine | None = None  # of SQLite only; made when it is first needed

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads: one consistent view on SQLite, committed rows on PostgreSQL."""
        async with _mapped(), self._reads.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A unit of work: committed when the block ends, rolled back when it raises."""
        async with AsyncExitStack() as stack:
            if self._turn is not None:
                await stack.enter_async_context(self._turn)
            await stack.enter_async_context(_mapped())
            connection = await stack.enter_async_context(self._writes.connect())
            await stack.enter_async_context(connection.begin())
            yield connection

    async def insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert these rows (one at least) in a unit of their own; those whose primary key is there are left alone.

        On SQLite all of it is one step of a thread: the writers' lock is held for a fifth of the time that three steps of
        another thread take, and whoever else waits for it polls.
        """
        if self._turn is None:
            async with self.write() as connection:
                await connection.execute(insert_into(connection, table).on_conflict_do_nothing(), rows)
            return
        async with self._turn, _mapped():
            await asyncio.to_thread(self._insert_at_once, table, rows)

    def _insert_at_once(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        if self._quick is None:
            self._quick = _quick_engine(self._url)
        with self._quick.begin() as connection:
            connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)

    async def ping(self) -> None:
        """Answer if SQL does. Raises DatabaseUnavailable."""
        async with self.read() as connection:
            await connection.exec_driver_sql("SELECT 1")

    async def dispose(self) -> None:
        """Close every connection; the object can be used again afterwards."""
        await self._engine.dispose()
        if self._quick is not None:
            self._quick.dispose()
            self._quick = None


def insert_into(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT of this connection's dialect: both know `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidConfig("database url", "is not a URL such as sqlite:////var/lib/snowgate/snowgate.db") from None
    driver = _DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise InvalidConfig("database url", f"{parsed.drivername} is not one of sqlite, postgresql")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise InvalidConfig("database url", "SQLite needs a file, because several processes share it")
    return parsed.set(drivername=driver)


def _engine(url: URL, foreign_keys: bool) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        # pre_ping: after a restart of the server no unit fails on a connection that died in the pool.
        return create_async_engine(url, pool_size=POOL_SIZE, pool_timeout=POOL_TIMEOUT_S, pool_pre_ping=True)
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"async_creator_fn": _open_sqlite},
    )
    _listen(engine.sync_engine, foreign_keys=foreign_keys)
    return engine


def _quick_engine(url: URL) -> Engine:
    """The same SQLite file without an event loop. It is in WAL mode by now: whoever writes rows has found their table."""
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        execution_options={_BEGIN: "BEGIN IMMEDIATE"},
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    _listen(engine, foreign_keys=True)
    return engine


def _listen(engine: Engine, *, foreign_keys: bool) -> None:
    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in (*_PRAGMAS, f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}"):
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", _begin)


async def _open_sqlite(path: str, **settings: Any) -> aiosqlite.Connection:
    """A connection to the file. The driver must not begin transactions of its own; `_begin` does, for BEGIN IMMEDIATE."""
    opening = aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, **settings)
    opening._thread.daemon = True
    try:
        connection = await opening
    except BaseException:
        # aiosqlite 0.22 lets go of a failed opening before its thread has answered for the last time; that answer must
        # not meet a loop that is gone by then.
        await asyncio.shield(asyncio.to_thread(opening._thread.join))
        raise
    try:
        await _switch_to_wal(connection)
    except BaseException:
        await asyncio.shield(connection.close())
        raise
    return connection


async def _switch_to_wal(connection: aiosqlite.Connection) -> None:
    """Switch the file to WAL, which lasts; needs the file to itself for a moment when it is new.

    Of the locks SQLite takes, this is one it does not wait for: where two processes open a new file together, one is told
    "locked" at once, whatever the busy time-out (sqlite.org/c3ref/busy_handler.html). So the waiting is done here.
    """
    patience_ends = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            await connection.execute_fetchall("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience_ends:
                raise
        await asyncio.sleep(_WAL_RETRY_S)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


@asynccontextmanager
async def _mapped() -> AsyncIterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError, NotSupportedError):
        raise  # a mistake of ours, not an outage
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if state is not None and state[:2] not in _PASSING_CLASSES:
            raise
        raise DatabaseUnavailable("The database", _sentence(error.orig)) from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("The database", f"no connection was free within {POOL_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise DatabaseUnavailable("The database", _sentence(error)) from error


def _sentence(error: BaseException | None) -> str:
    """The driver's first line, without class names and full stop."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.rpartition(">: ")[2].rstrip(".")

"""Brings a database to the newest schema. Knows Alembic; `storage/migrations` holds the steps."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from resort.errors import Bug
from storage.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
# One site is migrated by one process at a time; others wait for this PostgreSQL advisory lock (any fixed number will do).
_LOCK = 0x5E0_6A7E


async def upgrade(url: str) -> None:
    """Apply every missing migration in one transaction; does nothing on a database that is up to date.

    Safe when several processes call it at once: one migrates, the others find it done. Call it before any other use of the
    database. Raises DatabaseUnavailable or InvalidConfig.
    """
    database = Database(url, foreign_keys=False)
    try:
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            await connection.run_sync(_to_head)
            if database.is_sqlite:
                orphan = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings().first()
                if orphan is not None:
                    raise Bug(f"a migration left a row of {orphan['table']} without its row in {orphan['parent']}")
    finally:
        await database.dispose()


def alembic_config() -> Config:
    """Alembic's settings for this package, without an ini file; `attributes["connection"]` has to be set before use."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _to_head(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

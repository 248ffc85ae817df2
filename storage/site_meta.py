"""Small facts about the site that outlive every process, by key."""

from sqlalchemy import select

from storage.database import Database, insert_into
from storage.tables import site_meta


class SiteMeta:
    """Keys and values, both text. Raises DatabaseUnavailable while SQL is away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        async with self._db.read() as connection:
            value = await connection.scalar(select(site_meta.c.value).where(site_meta.c.key == key))
        return None if value is None else str(value)

    async def put(self, key: str, value: str) -> None:
        """Store the value, whatever was there."""
        async with self._db.write() as connection:
            statement = insert_into(connection, site_meta).values(key=key, value=value)
            await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    async def put_first(self, key: str, value: str) -> str:
        """Store the value unless there is one; answers the value that counts, the same for every caller."""
        async with self._db.write() as connection:
            statement = insert_into(connection, site_meta).values(key=key, value=value)
            await connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
            return str(await connection.scalar(select(site_meta.c.value).where(site_meta.c.key == key)))

"""The journal as anybody sees it who may read the site's SQL: rows, by a connection of the drill's own."""

from sqlalchemy import text

from resort.errors import DatabaseUnavailable
from resort.messages import JournalEvent, decode_event
from storage.database import Database

PAGE = 5_000
_TURNS = text("SELECT count(*) FROM journal WHERE kind = 'PassageConfirmed'")
_FREE = text("SELECT body FROM journal WHERE kind = 'PassageUncontrolled'")
_NEWEST = text("SELECT max(seq) FROM journal")
_AFTER = text("SELECT seq, body FROM journal WHERE seq > :seq ORDER BY seq LIMIT :most")


class SqlView:
    """Reads. While SQL is away `newest` and `turns` answer None, `events` raises DatabaseUnavailable."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    async def newest(self) -> int | None:
        """The place of the newest row, 0 without any."""
        try:
            async with self._database.read() as connection:
                return int(await connection.scalar(_NEWEST) or 0)
        except DatabaseUnavailable:
            return None

    async def turns(self) -> int | None:
        """How many turns of arms are stored: passages, and turns that no grant covers."""
        try:
            async with self._database.read() as connection:
                passages = int(await connection.scalar(_TURNS) or 0)
                free = [decode_event(body) for (body,) in await connection.execute(_FREE)]
        except DatabaseUnavailable:
            return None
        return passages + sum(getattr(event, "rotations", 0) for event in free)

    async def events(self) -> list[JournalEvent]:
        """Every event in SQL's order. Raises DatabaseUnavailable."""
        events: list[JournalEvent] = []
        seq = 0
        async with self._database.read() as connection:
            while page := (await connection.execute(_AFTER, {"seq": seq, "most": PAGE})).all():
                events += [decode_event(body) for _, body in page]
                seq = page[-1][0]
        return events

    async def close(self) -> None:
        """Hang up."""
        await self._database.dispose()

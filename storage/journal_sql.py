"""The journal in SQL: every event once and for ever, and what can be read from it.

Append only: nothing here changes or deletes a stored event. The stream in Redis is where events come from; this file does
not read it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, case, distinct, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.ids import LaneId
from resort.messages import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmEvent,
    AlarmRaised,
    GrantAnnulled,
    GrantIssued,
    GrantOutcomeUnknown,
    JournalEvent,
    PassageConfirmed,
    ScanRefused,
    decode_event,
    encode_event,
)
from resort.site_board import LaneTotals
from storage.database import Database, insert_into
from storage.tables import journal, tickets

START = "0-0"  # the stream id before the first entry
PAST_STREAM = ""  # stands for the stream id of what was stored from a spool
# Any fixed number: on PostgreSQL one writer at a time makes the order of `seq` the order of commits, so that a reader who
# goes on after the last `seq` it saw misses nothing. SQLite has one writer anyway.
_LOCK = 0x5E0_6A7F

CONFIRMED = PassageConfirmed.__name__
UNKNOWN = GrantOutcomeUnknown.__name__
REFUSED = ScanRefused.__name__
ANNULLED = GrantAnnulled.__name__
USES = (CONFIRMED, UNKNOWN)  # outcomes that use up an entry, as resort.access.entitlement.use says
ALARMS = (AlarmRaised.__name__, AlarmCleared.__name__, AlarmAcknowledged.__name__)


class StoredEvent(msgspec.Struct, frozen=True):
    """An event with its place in SQL (`seq`, growing, with gaps) and in the stream."""

    seq: int
    stream_id: str
    event: JournalEvent


class JournalStore:
    """The journal. Every method raises DatabaseUnavailable while SQL is away."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._told: dict[LaneId, int] = {}  # each lane's highest number that is known to be stored and was told past the stream

    async def store(self, batch: Sequence[tuple[str, JournalEvent]]) -> int:
        """Store events with their stream ids, in this order, in one transaction; answers how many were new.

        The id is `PAST_STREAM` for what did not come by the stream. An event whose id is already stored is ignored, so a
        batch of unknown outcome can be stored again, and an event may come both ways.

        A grant that comes by the stream after its lane told later numbers past it was given up by that lane: a ledger that was
        frozen carried it out when it thawed, unheard. It never opened anything and is not stored. (A grant that was heard of is
        in the lane's spool, and so was told before those numbers; one that a lane found in the ledger when it started is not,
        but its outcome counts as a use of the ticket all the same.)
        """
        new = 0
        async with self._db.write() as connection:
            if not self._db.is_sqlite:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            await self._learn_told(connection, batch)
            rows = [_row(stream_id, event) for stream_id, event in batch if not self._is_given_up(stream_id, event)]
            statement = insert_into(connection, journal).on_conflict_do_nothing(index_elements=["event_id"])
            if rows and self._db.is_sqlite:
                # One prepared statement for all rows, whose driver adds up what each changed: half as fast again as RETURNING.
                done = await connection.execute(statement, rows, execution_options={"preserve_rowcount": True})
                new = done.rowcount
            elif rows:
                new = len((await connection.execute(statement.returning(journal.c.seq), rows)).all())
        for stream_id, event in batch:
            if stream_id == PAST_STREAM and event.lane_seq > self._told.get(event.lane_id, 0):
                self._told[event.lane_id] = event.lane_seq
        return new

    async def _learn_told(self, connection: AsyncConnection, batch: Sequence[tuple[str, JournalEvent]]) -> None:
        """For lanes not heard of since this began: by whichever way, as the stream goes on behind what SQL has of it."""
        for lane_id in {event.lane_id for _, event in batch if event.lane_seq} - self._told.keys():
            highest = select(func.max(journal.c.lane_seq)).where(journal.c.lane_id == lane_id)
            self._told[lane_id] = int(await connection.scalar(highest) or 0)

    def _is_given_up(self, stream_id: str, event: JournalEvent) -> bool:
        return stream_id != PAST_STREAM and isinstance(event, GrantIssued) and 0 < event.lane_seq <= self._told[event.lane_id]

    async def last_stream_id(self) -> str:
        """The stream id of the event stored last of those that came by the stream, `0-0` when there is none. Going on after
        it misses nothing."""
        by_stream = select(journal.c.stream_id).where(journal.c.stream_id != PAST_STREAM)
        async with self._db.read() as connection:
            last = await connection.scalar(by_stream.order_by(journal.c.seq.desc()).limit(1))
        return str(last) if last is not None else START

    async def last_seq(self) -> int:
        """The place of the event stored last, 0 when there is none."""
        async with self._db.read() as connection:
            return int(await connection.scalar(select(func.max(journal.c.seq))) or 0)

    async def newest_at(self) -> datetime | None:
        """When the newest event happened, by the clock of whoever saw it; None when there is none."""
        async with self._db.read() as connection:
            newest: datetime | None = await connection.scalar(select(func.max(journal.c.at)))
            return newest

    async def count(self) -> int:
        """How many events are stored."""
        async with self._db.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(journal)) or 0)

    async def duplicates(self) -> int:
        """What must never be: event ids stored more than once, plus tickets with more entries used than they have.

        Computed from the rows each time, whatever constraints promise. A ticket that was never sold here has one entry.
        """
        doubled = select(journal.c.event_id).group_by(journal.c.event_id).having(func.count() > 1).subquery()
        used = (
            select(journal.c.ticket_id, func.count(distinct(journal.c.grant_id)).label("used"))
            .where(journal.c.kind.in_(USES), journal.c.ticket_id.is_not(None), not_annulled())
            .group_by(journal.c.ticket_id)
            .subquery()
        )
        # No entries of a ticket that is there: no fixed number.
        allowed = case((tickets.c.ticket_id.is_(None), 1), else_=tickets.c.entries)
        overused = (
            select(func.count())
            .select_from(used.outerjoin(tickets, tickets.c.ticket_id == used.c.ticket_id))
            .where(used.c.used > allowed)
        )
        async with self._db.read() as connection:
            events = await connection.scalar(select(func.count()).select_from(doubled))
            return int(events or 0) + int(await connection.scalar(overused) or 0)

    async def events_after(self, seq: int, limit: int) -> list[StoredEvent]:
        """At most `limit` events after `seq` (0: from the start), in order."""
        return await self._stored(_events().where(journal.c.seq > seq).limit(limit))

    async def events_between(self, seq_from: int, seq_to: int) -> list[StoredEvent]:
        """The events from `seq_from` to `seq_to`, both included, in order."""
        return await self._stored(_events().where(journal.c.seq.between(seq_from, seq_to)))

    async def alarm_events(self, since: datetime) -> list[AlarmEvent]:
        """Alarms raised, acknowledged and cleared since then, in order."""
        page = await self._stored(_events().where(journal.c.at >= since, journal.c.kind.in_(ALARMS)))
        return [stored.event for stored in page if isinstance(stored.event, AlarmEvent)]

    async def alarms_after(self, seq: int, up_to: int, limit: int) -> list[StoredEvent]:
        """At most `limit` events of alarms after `seq` and not after `up_to`, in order."""
        return await self._stored(
            _events().where(journal.c.seq > seq, journal.c.seq <= up_to, journal.c.kind.in_(ALARMS)).limit(limit)
        )

    async def past_stream_since(self, since: datetime, up_to: int) -> list[JournalEvent]:
        """What came past the stream, happened since then and is not after `up_to`; the stream may have it too."""
        events = _events().where(journal.c.at >= since, journal.c.stream_id == PAST_STREAM, journal.c.seq <= up_to)
        return [stored.event for stored in await self._stored(events)]

    async def newest_since(self, since: datetime, limit: int) -> list[StoredEvent]:
        """The newest events since then, at most `limit`, in order."""
        page = await self._stored(
            select(journal.c.seq, journal.c.stream_id, journal.c.body)
            .where(journal.c.at >= since)
            .order_by(journal.c.seq.desc())
            .limit(limit)
        )
        return page[::-1]

    async def lane_totals(self, since: datetime, up_to: int | None = None) -> dict[str, LaneTotals]:
        """Passages and refusals by lane id since then, up to that `seq` if any; lanes without either are missing."""
        query = (
            select(journal.c.lane_id, journal.c.kind, func.count())
            .where(journal.c.at >= since, journal.c.kind.in_((CONFIRMED, REFUSED)))
            .group_by(journal.c.lane_id, journal.c.kind)
        )
        if up_to is not None:
            query = query.where(journal.c.seq <= up_to)
        async with self._db.read() as connection:
            counts = {(lane, kind): int(number) for lane, kind, number in await connection.execute(query)}
        return {
            lane: LaneTotals(counts.get((lane, CONFIRMED), 0), counts.get((lane, REFUSED), 0))
            for lane in sorted({lane for lane, _ in counts})
        }

    async def knows(self, event_id: str) -> bool:
        """Whether this event is stored."""
        async with self._db.read() as connection:
            found = await connection.scalar(select(exists(select(literal(1)).where(journal.c.event_id == event_id))))
        return bool(found)

    async def _stored(self, query: Select[Any]) -> list[StoredEvent]:
        async with self._db.read() as connection:
            rows = (await connection.execute(query)).all()
        return [StoredEvent(seq, stream_id, decode_event(body)) for seq, stream_id, body in rows]


def not_annulled() -> ColumnElement[bool]:
    """Of a use in `journal`: staff did not take its grant back."""
    taken_back = journal.alias("taken_back")
    return ~exists(
        select(literal(1)).where(
            taken_back.c.ticket_id == journal.c.ticket_id,
            taken_back.c.kind == ANNULLED,
            taken_back.c.grant_id == journal.c.grant_id,
        )
    )


def _events() -> Select[Any]:
    return select(journal.c.seq, journal.c.stream_id, journal.c.body).order_by(journal.c.seq)


def _row(stream_id: str, event: JournalEvent) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "stream_id": stream_id,
        "kind": type(event).__name__,
        "at": event.at,
        "gate_id": event.gate_id,
        "lane_id": event.lane_id,
        "lane_seq": event.lane_seq,
        "ticket_id": getattr(event, "ticket_id", None),
        "grant_id": event.event_id if isinstance(event, GrantIssued) else getattr(event, "grant_id", None),
        "caused_by": event.caused_by,
        "body": encode_event(event).decode(),
    }

"""Following the journal as it grows: by the stream, which is quick, and by SQL, which has everything.

Both ways are followed at once and each event is taken once, so that nothing is missed while the stream is away (events then go
to SQL past it) and nothing counts twice when it returns. No Ray here; the feed and the orchestrator's watch use it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from resort.clock import Clock, Moment
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.messages import JournalEvent
from storage.journal_sql import JournalStore
from storage.journal_stream import FIRST, JournalStream, stream_order

BATCH = 512
GATHER_S = 0.02  # between two reads of the stream: a hundred events a second then cost fifty reads at most, and less
WAIT_MS = 500
RETRY_S = 0.2
SQL_EVERY_S = 1.0  # while the stream answers
SQL_ALONE_S = 0.25  # while it does not
PAGE = 1_000
REMEMBERED = 50_000  # ids of events that were taken; what is older has reached SQL long ago, or tells its lane's number

_log = logging.getLogger("snowgate.journal")

Take = Callable[[Sequence[JournalEvent]], None]


class JournalTail:
    """`begin` where the journal was read up to, run `follow_stream` and `follow_sql` as tasks, `close` and wait for both.

    `take` is called with new events in the order in which they come, never with one twice. It must not raise. Order within one
    lane is kept unless events of the lane went to SQL past the stream while older ones were still on their way; whoever minds
    looks at `lane_seq`.
    """

    def __init__(self, stream: JournalStream, store: JournalStore, clock: Clock, take: Take) -> None:
        self._stream = stream
        self._store = store
        self._clock = clock
        self._take = take
        self._stream_id = FIRST
        self._seq = 0
        self._seen: dict[str, None] = {}
        self._closing = asyncio.Event()
        self._hurry = asyncio.Event()  # SQL is to be read now
        self._reading = asyncio.Lock()  # of SQL
        self._stream_away: Moment | None = None
        self._sql_away: Moment | None = None

    def begin(self, stream_id: str, seq: int, known: Sequence[JournalEvent] = ()) -> None:
        """Everything up to there was taken already; `known` are the newest of these, which the stream may tell again."""
        self._stream_id, self._seq = stream_id, seq
        for event in known:
            self._is_new(event)

    @property
    def stream_away_since(self) -> Moment | None:
        """When the stream stopped to answer; None while it does."""
        return self._stream_away

    def blind_ms(self, now: Moment) -> float:
        """For how long neither way has told anything; 0 while one does."""
        if self._stream_away is None or self._sql_away is None:
            return 0.0
        return min(now.ms_since(self._stream_away), now.ms_since(self._sql_away))

    async def catch_up(self) -> None:
        """Take what both ways have now, as far as they answer."""
        await self._read_sql_once()
        with contextlib.suppress(LedgerUnavailable):
            while entries := await self._stream.read_after(self._stream_id, BATCH, 0):
                self._stream_id = entries[-1].stream_id
                self._offer([entry.event for entry in entries if entry.event is not None])

    async def follow_stream(self) -> None:
        """Take what the stream tells until closed."""
        while not self._closing.is_set():
            try:
                entries = await self._stream.read_after(self._stream_id, BATCH, WAIT_MS)
                if self._stream_away is not None:
                    await self._find_place()
            except LedgerUnavailable as error:
                if self._stream_away is None:
                    _log.warning("the journal is followed in SQL alone: %s", error.detail)
                    self._stream_away = self._clock.now()
                    self._hurry.set()
                await asyncio.sleep(RETRY_S)
                continue
            if entries:
                self._stream_id = entries[-1].stream_id
                self._offer([entry.event for entry in entries if entry.event is not None])
                if len(entries) < BATCH:
                    await asyncio.sleep(GATHER_S)

    async def follow_sql(self) -> None:
        """Take what SQL holds until closed."""
        while not self._closing.is_set():
            await self._read_sql_once()
            self._hurry.clear()
            pause_s = SQL_EVERY_S if self._stream_away is None else SQL_ALONE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()

    def close(self) -> None:
        """Let both tasks end; a read that is under way ends by itself, in bounded time."""
        self._closing.set()
        self._hurry.set()

    async def _find_place(self) -> None:
        """The stream is back, perhaps as a new one: what SQL holds comes first, then the stream from where it can go on.

        Raises LedgerUnavailable.
        """
        position = await self._stream.position()
        await self._read_sql_once()
        if stream_order(position.last_id) < stream_order(self._stream_id):
            self._stream_id = FIRST  # it lost its memory, and its clock was set back
        self._stream_away = None
        _log.info("the journal is followed in the stream again")

    async def _read_sql_once(self) -> None:
        try:
            async with self._reading:
                while page := await self._store.events_after(self._seq, PAGE):
                    self._seq = page[-1].seq
                    self._offer([stored.event for stored in page])
        except DatabaseUnavailable as error:
            if self._sql_away is None:
                _log.warning("the journal cannot be followed in SQL: %s", error.detail)
                self._sql_away = self._clock.now()
            return
        self._sql_away = None

    def _offer(self, events: Sequence[JournalEvent]) -> None:
        fresh = [event for event in events if self._is_new(event)]
        if fresh:
            self._take(fresh)

    def _is_new(self, event: JournalEvent) -> bool:
        if event.event_id in self._seen:
            return False
        self._seen[event.event_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

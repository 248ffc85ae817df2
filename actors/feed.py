"""The feed actor: follows the journal and the gates' reports, and answers consoles with snapshots and deltas.

Promise: what it shows is at most a moment old, also while the stream is away (it then follows SQL); what it lost by a restart
it reads again (day's counts and open alarms from SQL, the rest from the journal's tail and the gates). Nothing depends on it:
guests pass without a feed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, time, timedelta

import ray
from ray.exceptions import RayError

from actors.gate import LaneStanding
from actors.journal_tail import JournalTail
from actors.names import NAMESPACE, gate_name
from actors.tasks import lifelong
from resort.clock import Moment, SystemClock
from resort.errors import DatabaseUnavailable, Unavailable
from resort.feed import FeedFrame
from resort.figures import SiteFigures
from resort.messages import JournalEvent
from resort.site import Site
from resort.site_board import LaneSeen, SiteBoard
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.redis_client import connect

RETRY_S = 0.2
GATES_EVERY_S = 0.5
HEARTBEAT_S = 1.0
LOAD_S = 2.0
AWAY_MS = 2_000.0  # stream and SQL both away for longer make consoles say that they are stale
FRAME_GAP_MS = 40.0  # frames are at least this far apart: a busy second costs 25 calls, not one an event
ALARMS_BACK = timedelta(days=14)
STREAMED_BACK = timedelta(hours=3)  # what waits in the stream for SQL is younger
_log = logging.getLogger("snowgate.feed")


class FeedActor:
    """One per site."""

    def __init__(self, site: Site, redis_url: str, database_url: str, site_name: str) -> None:
        self._site = site
        self._redis_url = redis_url
        self._database_url = database_url
        self._site_name = site_name
        self._clock = SystemClock()
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._board = SiteBoard(site, {}, self._clock.now())

    async def start(self) -> None:
        """Load the day's counts and open alarms, then follow."""
        self._redis = connect(self._redis_url)
        self._database = Database(self._database_url)
        self._store = JournalStore(self._database)
        self._tail = JournalTail(JournalStream(self._redis, self._site_name), self._store, self._clock, self._take)
        self._tasks = [
            lifelong(self._follow_journal(), "feed journal"),
            lifelong(self._follow_gates(), "feed gates"),
        ]

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def next_frame(self, since: int | None) -> FeedFrame:
        """See the port `FeedSource`. Raises Unavailable while the board is not loaded, or the journal cannot be followed in any
        way: an old board must not be shown as a live one."""
        began = self._clock.now()
        await self._check_live(began)
        if since is not None and since == self._board.version:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
            spent_ms = self._clock.now().ms_since(began)
            if spent_ms < FRAME_GAP_MS:
                await asyncio.sleep((FRAME_GAP_MS - spent_ms) / 1000)
        return self._board.frame_since(since, self._clock.now())

    async def _check_live(self, now: Moment) -> None:
        try:
            async with asyncio.timeout(LOAD_S):
                await self._loaded.wait()
        except TimeoutError:
            raise Unavailable("The live feed", "it is still reading the day's counts") from None
        if self._tail.blind_ms(now) > AWAY_MS:
            raise Unavailable("The live feed", "neither the journal's stream nor SQL answers")

    async def figures(self) -> SiteFigures:
        """See the port `FeedSource`."""
        return self._board.figures

    async def close(self) -> None:
        """Stop following and free the stores."""
        # Not cancelled: a read of the stream or of SQL that is under way ends by itself, in bounded time.
        self._closing.set()
        self._tail.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._database.dispose()

    async def _follow_journal(self) -> None:
        await self._load()
        await asyncio.gather(self._tail.follow_stream(), self._tail.follow_sql())

    def _take(self, events: Sequence[JournalEvent]) -> None:
        now = self._clock.now()
        for event in events:
            self._board.apply(event, now)
        self._changed.set()

    async def _load(self) -> None:
        """Counts and alarms up to the last stored event, after which the tail goes on."""
        while not self._closing.is_set():
            try:
                now = self._clock.now()
                # The writer goes on meanwhile: what it stores after `seq` is read from SQL, whether or not it is in the stream.
                seq, last = await self._store.last_seq(), await self._store.last_stream_id()
                totals = await self._store.lane_totals(self._day_began(now), seq)
                alarms = await self._store.alarm_events(now.at - ALARMS_BACK)
                counted = await self._store.past_stream_since(now.at - STREAMED_BACK, seq)
            except DatabaseUnavailable as error:
                _log.warning("the feed waits for SQL: %s", error.detail)
                await asyncio.sleep(RETRY_S)
                continue
            self._board = SiteBoard(self._site, totals, now)
            for event in alarms:
                self._board.apply(event, now)
            self._board.figures.alarms_raised.clear()  # figures count what happens from now on
            self._tail.begin(last, seq, [*counted, *alarms])
            await self._tail.catch_up()
            self._loaded.set()
            return

    async def _follow_gates(self) -> None:
        while not self._closing.is_set():
            seen: dict[str, LaneSeen] = {}
            for gate in self._site.gates:
                for standing in await self._ask(gate.id):
                    seen[standing.lane_id] = LaneSeen(standing.state, standing.detail, standing.waiting)
            before = self._board.version
            self._board.report(seen, self._clock.now())
            if self._board.version != before:
                self._changed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATES_EVERY_S):
                    await self._closing.wait()

    async def _ask(self, gate_id: str) -> list[LaneStanding]:
        with contextlib.suppress(RayError, ValueError, TimeoutError):
            gate = ray.get_actor(gate_name(gate_id), namespace=NAMESPACE)
            async with asyncio.timeout(1.0):
                answer: list[LaneStanding] = await gate.standings.remote()
            return answer
        return []

    def _day_began(self, now: Moment) -> datetime:
        local = now.at.astimezone(self._site.zone)
        return datetime.combine(local.date(), time.min, tzinfo=self._site.zone)

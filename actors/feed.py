"""The feed actor: follows the journal stream and the gates' reports, and answers consoles with snapshots and deltas.

Promise: what it shows is at most a moment old; what it lost by a restart it reads again (day's counts and open alarms from
SQL, the rest from the stream's tail and the gates). Nothing depends on it: guests pass without a feed.
"""

import asyncio
import contextlib
import logging
from datetime import datetime, time, timedelta

import ray
from ray.exceptions import RayError

from actors.gate import LaneStanding
from actors.names import NAMESPACE, gate_name
from actors.tasks import lifelong
from resort.clock import Moment, SystemClock
from resort.errors import DatabaseUnavailable, LedgerUnavailable, Unavailable
from resort.feed import FeedFrame
from resort.figures import SiteFigures
from resort.site import Site
from resort.site_board import LaneSeen, SiteBoard
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.redis_ledger import connect

BATCH = 512
WAIT_MS = 500
RETRY_S = 0.2
GATES_EVERY_S = 0.5
HEARTBEAT_S = 1.0
LOAD_S = 2.0
AWAY_MS = 2_000.0  # a stream that is away for longer makes consoles say that they are stale
FRAME_GAP_MS = 40.0  # frames are at least this far apart: a busy second costs 25 calls, not one an event
ALARMS_BACK = timedelta(days=2)
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
        self._away_since: Moment | None = None  # the stream does not answer since then
        self._tasks: list[asyncio.Task[None]] = []
        self._board = SiteBoard(site, {}, self._clock.now())

    async def start(self) -> None:
        """Load the day's counts and open alarms, then follow."""
        self._redis = connect(self._redis_url)
        self._stream = JournalStream(self._redis, self._site_name)
        self._database = Database(self._database_url)
        self._tasks = [
            lifelong(self._follow_stream(), "feed stream"),
            lifelong(self._follow_gates(), "feed gates"),
        ]

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def next_frame(self, since: int | None) -> FeedFrame:
        """See the port `FeedSource`. Raises Unavailable while the board is not loaded, or the stream is away for a while: an
        old board must not be shown as a live one."""
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
        if self._away_since is not None and now.ms_since(self._away_since) > AWAY_MS:
            raise Unavailable("The live feed", "the journal stream does not answer")

    async def figures(self) -> SiteFigures:
        """See the port `FeedSource`."""
        return self._board.figures

    async def close(self) -> None:
        """Stop following and free the stores."""
        # Not cancelled: a read of the stream or of SQL that is under way ends by itself, in bounded time.
        self._closing.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._database.dispose()

    async def _follow_stream(self) -> None:
        last = await self._load()
        self._loaded.set()
        while not self._closing.is_set():
            try:
                entries = await self._stream.read_after(last, BATCH, WAIT_MS)
            except LedgerUnavailable as error:
                if self._away_since is None:
                    _log.warning("the feed waits for the stream: %s", error.detail)
                    self._away_since = self._clock.now()
                await asyncio.sleep(RETRY_S)
                continue
            self._away_since = None
            now = self._clock.now()
            for entry in entries:
                last = entry.stream_id
                if entry.event is not None:
                    self._board.apply(entry.event, now)
            if entries:
                self._changed.set()

    async def _load(self) -> str:
        """Counts and alarms up to the last stored event; answers its stream id, after which the stream goes on."""
        store = JournalStore(self._database)
        while not self._closing.is_set():
            try:
                now = self._clock.now()
                last = await store.last_stream_id()
                totals = await store.lane_totals(self._day_began(now))
                alarms = await store.alarm_events(now.at - ALARMS_BACK)
                if await store.last_stream_id() != last:
                    await asyncio.sleep(RETRY_S)
                    continue  # the writer went on meanwhile: what it stored would be counted twice
            except DatabaseUnavailable as error:
                _log.warning("the feed waits for SQL: %s", error.detail)
                await asyncio.sleep(RETRY_S)
                continue
            self._board = SiteBoard(self._site, totals, now)
            for event in alarms:
                self._board.apply(event, now)
            return last
        return "0-0"

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

"""Where the alarms are made: detectors fed by the journal's tail and by what is seen, a book of what is open, and a way out.

No Ray here; the orchestrator's actor hosts it. Promise: an alarm is in the journal once for each of its edges, whatever
restarts and whatever store is away meanwhile. The desk forgets everything with its process: it begins by reading the journal,
and what it had not told by then follows again from the same events, under the same ids.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from actors.journal_tail import JournalTail
from orchestrator.scan_watch import ScanWatch
from orchestrator.sights import SeenGate
from orchestrator.watch import AlarmBook
from resort.alarm_levels import LEVEL_KINDS, LevelAlarms, SensorSight, SiteSight
from resort.alarms import Cause, EventAlarms, kind_of
from resort.clock import Clock, Moment
from resort.crowd import AreaView
from resort.errors import Unavailable
from resort.ids import IdSource
from resort.messages import AlarmEvent, AlarmRaised, JournalEvent
from resort.site import Site
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream

ALARMS_BACK = timedelta(days=14)  # an alarm that is open for longer is raised anew when the desk restarts
EVENTS_BACK = 50_000
SENSOR_SILENT = "sensor_silent"
AREA_KINDS = ("area_filling", "area_full")
Way = Callable[[Sequence[AlarmEvent]], Awaitable[object]]
_log = logging.getLogger("snowgate.orchestrator")


class AlarmDesk:
    """`begin`, then `look` each second; `close` at the end.

    `ways` are tried in turn for each batch of alarm events until one takes it: the ledger's stream, then SQL by the journal's
    actor. Each raises Unavailable (or an heir) when it cannot.
    """

    def __init__(
        self,
        site: Site,
        stream: JournalStream,
        store: JournalStore,
        ways: Sequence[Way],
        clock: Clock,
        ids: IdSource,
        told: Callable[[JournalEvent, Moment], None] = lambda event, at: None,
    ) -> None:
        """`told` of every event besides, alarms excepted, with the moment at which it counts; it must not raise."""
        self._told = told
        self.tail = JournalTail(stream, store, clock, self._take)
        self._lane_ids = {str(lane.id) for _, lane in site.lanes()}
        self._gate_ids = {str(gate.id) for gate in site.gates}
        self._sensors = {f"{SENSOR_SILENT}:{name}" for name in site.people}
        self._areas = {area.id for area in site.crowd.areas}
        self._store = store
        self._ways = ways
        self._clock = clock
        self._book = AlarmBook(ids)
        self._events = EventAlarms(site.alarms)
        self._levels = LevelAlarms(site.alarms)
        self.scans = ScanWatch(site.abnormal)
        self._pending: list[AlarmEvent] = []
        self._telling = asyncio.Lock()
        self._waiting = False

    async def begin(self) -> None:
        """Learn what the journal knows. Raises DatabaseUnavailable."""
        now = self._clock.now()
        seq, stream_id = await self._store.last_seq(), await self._store.last_stream_id()
        alarms = await self._store.alarm_events(now.at - ALARMS_BACK)
        recent = await self._store.newest_since(now.at - timedelta(seconds=self._events.memory_s), EVENTS_BACK)
        for event in alarms:
            self._book.learn(event)
        known = self._book.open_alarms()
        for raised in known:
            self._resume(raised, now)
        self._take([stored.event for stored in recent])
        self.tail.begin(stream_id, seq, [*alarms, *(stored.event for stored in recent)])
        await self.tail.catch_up()
        for raised in self._book.open_alarms():
            if raised not in known and kind_of(raised.alarm_key) in LEVEL_KINDS:  # told, and not in SQL yet
                self._resume(raised, now)

    async def look(
        self,
        gates: Sequence[SeenGate],
        site: SiteSight,
        sensors: Sequence[SensorSight] = (),
        areas: Sequence[AreaView] = (),
    ) -> None:
        """Take what is seen now and tell the journal what that changes. What cannot be told waits for the next call."""
        now = self._clock.now()
        for seen in gates:
            self._levels.see_gate(seen.gate, now)
            for lane in seen.lanes:
                self._levels.see_lane(lane, now)
        for sensor in sensors:
            self._levels.see_sensor(sensor, now)
        for area in areas:
            self._levels.see_area(area, now)
        self._levels.see_site(site, now)
        causes = [*self._levels.holding(), *self._events.holding(now), *self.scans.holding(now)]
        self._pending += self._book.observe(causes, now)
        try:
            await self._tell()
        except Unavailable as error:
            if not self._waiting:
                _log.warning("%s alarm events wait: %s", len(self._pending), error)
            self._waiting = True

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        """See `AlarmControl`: once it returns, the journal has it."""
        event = self._book.acknowledge(alarm_key, by, note, self._clock.now())
        if event is not None:
            self._pending.append(event)
        await self._tell()

    async def _tell(self) -> None:
        async with self._telling:
            batch = list(self._pending)
            if not batch:
                return
            for last, way in enumerate(self._ways, 1 - len(self._ways)):
                try:
                    await way(batch)
                except Unavailable:
                    if last == 0:
                        raise
                else:
                    break
            del self._pending[: len(batch)]
            if self._waiting:
                _log.info("alarms reach the journal again")
            self._waiting = False

    def _take(self, events: Sequence[JournalEvent]) -> None:
        now = self._clock.now()
        for event in events:
            if isinstance(event, AlarmEvent):
                self._book.learn(event)
            else:
                at = self._moment_of(event, now)
                self._events.take(event, at)
                self.scans.take(event, at)
                self._told(event, at)

    def _moment_of(self, event: JournalEvent, now: Moment) -> Moment:
        """When an event counts: as long ago as its own time says, unless that is not to be believed (a clock was set)."""
        age_s = (now.at - event.at).total_seconds()
        return now.after_ms(-age_s * 1000) if 0 < age_s <= self._events.memory_s else now

    def _resume(self, raised: AlarmRaised, now: Moment) -> None:
        cause = Cause(raised.alarm_key, raised.gate_id, raised.lane_id, raised.evidence, raised.caused_by)
        if kind_of(raised.alarm_key) not in LEVEL_KINDS:
            age_s = max(0.0, (now.at - raised.at).total_seconds())
            self._events.resume(cause, now.after_ms(-age_s * 1000))
        elif self._is_still_watched(raised):
            self._levels.resume([cause], now)  # else nobody will ever see that it is over

    def _is_still_watched(self, raised: AlarmRaised) -> bool:
        """Whether the site file still names what the alarm is about."""
        if kind_of(raised.alarm_key) == SENSOR_SILENT:
            return raised.alarm_key in self._sensors
        if kind_of(raised.alarm_key) in AREA_KINDS:
            return raised.alarm_key.partition(":")[2] in self._areas
        return raised.lane_id in {"", *self._lane_ids} and raised.gate_id in {"", *self._gate_ids}

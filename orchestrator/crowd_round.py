"""The crowd brain's rounds inside the orchestrator's actor: where its news come from and where its words go.

Its own task beside the watch. Whatever fails here is told on the console and tried again; it never ends the actor, and gates
open by themselves what it no longer asks to stay closed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from orchestrator.area_watch import AreaCount
from orchestrator.arrival_outlook import ArrivalOutlook
from orchestrator.crowd_desk import CrowdDesk
from orchestrator.crowd_gates import RayCrowdGates
from orchestrator.sights import lane_news
from orchestrator.sign_displays import LineDisplays
from resort.alarm_levels import SensorSight
from resort.clock import Clock
from resort.crowd import BY_ORCHESTRATOR, CrowdMode, ModelView
from resort.errors import DatabaseUnavailable
from resort.ids import IdSource
from resort.messages import JournalEvent, StaffActed
from resort.site import Site
from storage.database import Database
from storage.journal_sql import PAST_STREAM, JournalStore
from storage.site_meta import SiteMeta
from storage.staff_holds import ordered_by_staff

MODE_KEY = "crowd_mode"
AREAS_KEY = "crowd_areas"
OUTLOOK_S = 60.0  # it is asked whether an hour began
_log = logging.getLogger("snowgate.crowd")


class CrowdRound:
    """`begin` once SQL answers, then `run` and `foresee` as tasks until `close`."""

    def __init__(
        self, site: Site, database: Database, store: JournalStore, clock: Clock, ids: IdSource, models: Path | None = None
    ) -> None:
        """`models`: where the resort's own demand models lie; None: no model is opened."""
        self._outlook = ArrivalOutlook(site, database, models if site.crowd.forecast == "model" else None)
        self._displays = LineDisplays(site.crowd)
        gates = RayCrowdGates(site)
        self.desk = CrowdDesk(site, gates, clock, ids, self._keep_mode, self._tell, self._displays)
        self._kept_counts: list[AreaCount] = []
        self._sensors: Sequence[SensorSight] = ()  # as the site's opener told last
        self._told = clock.now()
        self._site = site
        self._database, self._meta, self._store = database, SiteMeta(database), store
        self._clock = clock
        self._closing = asyncio.Event()

    async def begin(self) -> None:
        """Read the mode that staff chose, and which lanes they ordered of late. Raises DatabaseUnavailable."""
        since = self._clock.now().at - timedelta(seconds=self._site.crowd.human_s)
        ordered = await ordered_by_staff(self._database, since, BY_ORCHESTRATOR)
        kept = await self._meta.get(MODE_KEY)
        mode: CrowdMode | None = None
        if kept is not None:
            with contextlib.suppress(msgspec.ValidationError):  # of another version
                mode = msgspec.convert(kept, CrowdMode)
        self.desk.begin(mode, ordered)
        with contextlib.suppress(msgspec.DecodeError):  # likewise
            counts = await self._meta.get(AREAS_KEY) or "[]"
            self.desk.area_watches.begin(msgspec.json.decode(counts, type=list[AreaCount]))
        self._displays.start()

    @property
    def model_view(self) -> ModelView:
        """How the demand model stands."""
        return self._outlook.model_view

    def see_sensors(self, sensors: Sequence[SensorSight]) -> None:
        """How the people sensors stand now."""
        self._sensors, self._told = list(sensors), self._clock.now()

    async def run(self) -> None:
        """A tick now and then one after each pause, until closed."""
        while not self._closing.is_set():
            try:
                await self.desk.tick(await lane_news(self._site), self._sensors_now(), self._outlook.views)
                await self._keep_counts()
            except Exception:  # the watch beside it has to go on, and so do gates
                _log.exception("a round of the crowd brain failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._site.crowd.tick_s):
                    await self._closing.wait()

    async def foresee(self) -> None:
        """Keep the outlook up to date until closed; a task of its own, as it may read for long."""
        while not self._closing.is_set():
            try:
                await self._outlook.refresh(self._clock.now())
            except Exception:  # the plain rule stands alone, and the watch goes on
                _log.exception("no outlook on arrivals")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OUTLOOK_S):
                    await self._closing.wait()

    def close(self) -> None:
        """Let `run` end after the tick that is under way."""
        self._closing.set()

    async def blank(self) -> None:
        """Leave no display with old words on it; the last thing after `run` has ended."""
        await self._displays.close()

    def _sensors_now(self) -> list[SensorSight]:
        """What was told, as old as it is by now."""
        since_s = self._clock.now().ms_since(self._told) / 1000
        return [msgspec.structs.replace(sight, silent_s=sight.silent_s + since_s) for sight in self._sensors]

    async def _keep_counts(self) -> None:
        """What doors counted: an area is as full as before when this process starts again. SQL may be away for now."""
        counts = self.desk.area_watches.counts
        if counts != self._kept_counts:
            with contextlib.suppress(DatabaseUnavailable):
                await self._meta.put(AREAS_KEY, msgspec.json.encode(counts).decode())
                self._kept_counts = counts

    async def _keep_mode(self, mode: CrowdMode) -> None:
        await self._meta.put(MODE_KEY, mode)

    async def _tell(self, event: StaffActed) -> None:
        """Straight into SQL, where orders of staff have to be before they are answered. Raises DatabaseUnavailable."""
        batch: list[tuple[str, JournalEvent]] = [(PAST_STREAM, event)]
        await self._store.store(batch)

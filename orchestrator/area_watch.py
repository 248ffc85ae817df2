"""How full the areas of a site are, how fast they fill, and when staff are warned: before the limit, not at it. Pure.

Persons of an area are those that its door sensors counted in, less those counted out, and who stand before its gates. A part
that tells nothing makes the whole unknown: nothing is warned of, and no warning is taken back. Doors miss about one person in
fifty (`MISSED`), so the deviation grows with everybody who passes until the day begins anew with nobody there.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import hypot, sqrt

import msgspec

from orchestrator.gate_sense import GateEstimate
from resort.alarm_levels import SensorSight
from resort.crowd import AreaLevel, AreaSite, AreaView, CrowdSite

MISSED = 0.02  # of the persons who pass a door sensor
TREND_S = 120.0  # over which an area's filling is measured
TREND_LEAST_S = 30.0
CALM_AGAIN = 5  # percent of the limit by which a level has to be left
HALF = 0.5  # of the limit: below it a fast rise alone warns of nothing


class AreaCount(msgspec.Struct, frozen=True):
    """What doors counted into an area by a service day, to go on from after a restart."""

    area_id: str
    day: date
    inside: int
    passed: int  # persons in and out


@dataclass(slots=True)
class AreaWatch:
    """One area. `begin` with what was kept, then `see` once a tick."""

    site: AreaSite
    oldest_s: float
    level: AreaLevel = "calm"
    _day: date | None = None
    _inside: int = 0
    _passed: int = 0
    _before: dict[str, tuple[int, int]] = field(default_factory=dict)  # what each sensor had counted in and out
    _history: deque[tuple[float, float]] = field(default_factory=deque)

    def begin(self, kept: AreaCount) -> None:
        """Go on from what was counted before a restart, if that was on the same day."""
        self._day, self._inside, self._passed = kept.day, kept.inside, kept.passed

    @property
    def count(self) -> AreaCount | None:
        """What has to be kept; None for an area without doors."""
        if self._day is None or not self.site.sensors:
            return None
        return AreaCount(self.site.id, self._day, self._inside, self._passed)

    def see(
        self, sensors: Sequence[SensorSight], queue_of: Callable[[str], GateEstimate | None], day: date, now_s: float
    ) -> AreaView:
        """Take what sensors say and what is believed of gates (None: blind), and answer how the area stands."""
        if day != self._day:  # it begins with nobody there
            self._day, self._inside, self._passed = day, 0, 0
            self._history.clear()
        known = self._count_doors({sensor.name: sensor for sensor in sensors})
        queues = [queue_of(str(gate_id)) for gate_id in self.site.gates]
        if not known or any(queue is None for queue in queues):
            self._history.clear()
            return AreaView(self.site.id, self.site.name, self.site.limit, self.level, None, None, None, None)
        before = [queue for queue in queues if queue is not None]
        persons = self._inside + sum(queue.queue for queue in before)
        sd = hypot(sqrt(MISSED * self._passed), *(queue.queue_sd for queue in before))
        per_min = self._trend(persons, now_s)
        full_in_s = self._full_in(persons, per_min)
        self.level = self._judged(persons, full_in_s)
        return AreaView(
            self.site.id,
            self.site.name,
            self.site.limit,
            self.level,
            round(persons),
            round(sd, 1),
            None if per_min is None else round(per_min, 1),
            full_in_s,
        )

    def _count_doors(self, sensors: Mapping[str, SensorSight]) -> bool:
        """Add what passed since the last look; False when a door tells nothing of late."""
        known = True
        for name in self.site.sensors:
            sensor = sensors.get(name)
            if sensor is None or sensor.entered is None or sensor.silent_s > self.oldest_s:
                known = False
                continue
            told = sensor.entered, sensor.left or 0
            entered, left = self._before.get(name, told)
            self._before[name] = told
            if told[0] < entered or told[1] < left:  # counting began anew
                entered, left = 0, 0
            came, went = told[0] - entered, told[1] - left
            self._passed += came + went
            self._inside = max(0, self._inside + came - went)  # who was missed on the way in is seen to leave
        return known

    def _trend(self, persons: float, now_s: float) -> float | None:
        """Persons a minute, over the last two minutes; None while too little was seen."""
        history = self._history
        history.append((now_s, persons))
        while now_s - history[0][0] > TREND_S:
            history.popleft()
        since_s, then = history[0]
        return None if now_s - since_s < TREND_LEAST_S else 60 * (persons - then) / (now_s - since_s)

    def _full_in(self, persons: float, per_min: float | None) -> float | None:
        room = self.site.limit - persons
        if room <= 0:
            return 0.0
        if per_min is None or per_min <= 0:
            return None
        seconds = 60 * room / per_min
        return round(seconds) if seconds <= 4 * self.site.warn_s else None

    def _judged(self, persons: float, full_in_s: float | None) -> AreaLevel:
        site, limit = self.site, self.site.limit
        keeps = CALM_AGAIN * limit / 100
        if persons >= limit or (self.level == "full" and persons > limit - keeps):
            return "full"
        many = persons >= limit * site.warn_percent / 100 - (keeps if self.level != "calm" else 0.0)
        soon = full_in_s is not None and full_in_s <= site.warn_s and persons >= HALF * limit
        return "filling" if many or soon else "calm"


class AreaWatches:
    """Every area of a site. `begin` with what was kept, `see` once a tick; `counts` are what has to be kept."""

    def __init__(self, settings: CrowdSite) -> None:
        self._watches = {area.id: AreaWatch(area, settings.blind_s) for area in settings.areas}

    def begin(self, kept: Sequence[AreaCount]) -> None:
        """Go on from these; of areas that the site file no longer names nothing is taken."""
        for count in kept:
            if count.area_id in self._watches:
                self._watches[count.area_id].begin(count)

    @property
    def counts(self) -> list[AreaCount]:
        """Of areas with doors."""
        return [count for watch in self._watches.values() if (count := watch.count) is not None]

    def see(
        self, sensors: Sequence[SensorSight], queue_of: Callable[[str], GateEstimate | None], day: date, now_s: float
    ) -> list[AreaView]:
        """How they stand now."""
        return [watch.see(sensors, queue_of, day, now_s) for watch in self._watches.values()]

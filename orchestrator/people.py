"""The people sensors of a site: opened with it, read by its windows, and their silence told to the watch.

Lives in the process that opens the site, because sensors that post come by its console. Lanes do without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from devices.people_count import CountingSensor
from devices.people_counter import LinePeopleCounter
from devices.people_push import PUSH, PushedPeopleCounter
from resort.alarm_levels import SensorSight
from resort.clock import Clock
from resort.errors import NotFound, SnowgateError
from resort.people import PeopleCount
from resort.site import Site

TELL_S = 1.0
_log = logging.getLogger("snowgate.people")


class SensorReading(msgspec.Struct, frozen=True):
    """One sensor as windows show it. None: nothing was heard of it since the site was opened."""

    name: str
    gate_id: str
    count: PeopleCount | None
    silent_s: float  # since its last message, or since the site was opened


class PeopleDesk:
    """`start`, then `close`. Raises InvalidConfig on a sensor that cannot be used; nothing is open then."""

    def __init__(self, site: Site, clock: Clock, tell: Callable[[Sequence[SensorSight]], Awaitable[object]]) -> None:
        self._site = site
        self._clock = clock
        self._tell = tell
        self._began = clock.now()
        self._sensors: dict[str, CountingSensor] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect to those that send lines, and take what the others post."""
        self._began = self._clock.now()
        for name, sensor in self._site.people.items():
            pushes = sensor.url == PUSH
            self._sensors[name] = (PushedPeopleCounter if pushes else LinePeopleCounter)(sensor, self._clock)
        if self._sensors:
            self._task = asyncio.create_task(self._tell_for_ever(), name="people sensors")

    def pushed(self, name: str) -> PushedPeopleCounter:
        """The sensor that posts under this name. Raises NotFound."""
        sensor = self._sensors.get(name)
        if not isinstance(sensor, PushedPeopleCounter):
            raise NotFound("people sensor", name)
        return sensor

    def readings(self) -> list[SensorReading]:
        """Every sensor as it stands now, in the site file's order."""
        now = self._clock.now()
        return [
            SensorReading(
                name,
                self._site.people[name].gate,
                sensor.latest,
                max(0.0, now.ms_since(self._began if sensor.latest is None else sensor.latest.heard) / 1000),
            )
            for name, sensor in self._sensors.items()
        ]

    async def close(self) -> None:
        """Hang up. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for sensor in self._sensors.values():
            await sensor.close()

    async def _tell_for_ever(self) -> None:
        away = False
        while True:
            try:
                await self._tell([_sight(seen) for seen in self.readings()])
                away = False
            except SnowgateError as error:
                if not away:
                    _log.warning("the watch does not hear of people sensors: %s", error)
                away = True
            await asyncio.sleep(TELL_S)


def _sight(seen: SensorReading) -> SensorSight:
    count = seen.count
    if count is None:
        return SensorSight(seen.name, seen.gate_id, seen.silent_s)
    return SensorSight(seen.name, seen.gate_id, seen.silent_s, count.entered, count.waiting, count.left)

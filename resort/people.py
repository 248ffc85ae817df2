"""People that sensors count at gates and in queues: what a sensor says, and the totals that come of it.

Pure. Sensors are read by `devices/people_counter.py` (lines over TCP) and `devices/people_push.py` (HTTP). What the counts are
good for is up to the orchestrator; nobody is admitted by them.
"""

import msgspec

from resort.clock import Moment
from resort.errors import Invalid
from resort.site import PeopleSensorSite as PeopleSensorSite

COUNT_MAX = 2**32 - 1  # what any sensor's own counter holds
WAITING_MAX = 10_000  # persons in one queue


class PeopleReading(msgspec.Struct, frozen=True):
    """One message of a sensor. None: it does not say. `number`: the sensor's own of this message, to know repetitions by."""

    entered: int | None = None
    left: int | None = None
    waiting: int | None = None
    number: int | None = None


class PeopleCount(msgspec.Struct, frozen=True):
    """Persons since we began to listen: both only grow. `waiting`: in the queue now, None without such a sensor."""

    entered: int
    left: int
    waiting: int | None
    heard: Moment  # when the message came that this is from

    def age_ms(self, now: Moment) -> float:
        """How old it is."""
        return now.ms_since(self.heard)


class PeopleTally:
    """Folds a sensor's messages into totals.

    - `total`: the first message is where counting begins. A smaller number than before means that the sensor began anew; it
      has counted so many persons since.
    - `step`: each message adds. A message with the number of the one before is a repetition and adds nothing.
    - A step of more than `jump_max` is not believed: nobody is counted, counting goes on from there, and `jumps` says so.
    """

    def __init__(self, site: PeopleSensorSite) -> None:
        self.jumps = 0
        self._site = site
        self._totals = {"entered": 0, "left": 0}
        self._last: dict[str, int] = {}  # the sensor's own totals
        self._number: int | None = None

    def take(self, reading: PeopleReading, at: Moment) -> PeopleCount:
        """The count with this message. Raises Invalid on numbers that cannot be; nothing changes then."""
        said = {"entered": reading.entered, "left": reading.left}
        for name, limit in (("entered", COUNT_MAX), ("left", COUNT_MAX), ("waiting", WAITING_MAX)):
            value = getattr(reading, name)
            if value is not None and not 0 <= value <= limit:
                raise Invalid(name, f"{value} persons are not 0 to {limit}")
        if all(value is None for value in (*said.values(), reading.waiting)):
            raise Invalid("count", "a message has to say how many entered, left or wait")
        repeated = reading.number is not None and reading.number == self._number
        self._number = reading.number
        for name, value in said.items():
            if value is not None:
                self._add(name, value, repeated=repeated)
        return PeopleCount(self._totals["entered"], self._totals["left"], reading.waiting, at)

    def _add(self, name: str, value: int, *, repeated: bool) -> None:
        if self._site.counts == "step":
            step = 0 if repeated else value
        else:
            before = self._last.get(name)
            self._last[name] = value
            step = 0 if before is None else value - before if value >= before else value
        if step > self._site.jump_max:
            self.jumps += 1
            return
        self._totals[name] += step

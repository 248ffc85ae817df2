"""People sensors over HTTP: those that post their counts, and what staff read of all of them."""

from datetime import datetime

import msgspec

from devices.people_push import CountPost
from orchestrator.people import PeopleDesk, SensorReading
from resort.errors import NotFound
from web_console.callers import SENSORS, STAFF, sensor_channel
from web_console.routes import Call, Route


class SensorView(msgspec.Struct, frozen=True):
    """One sensor. Persons since the site was opened; None: it does not say, or nothing was heard of it."""

    name: str
    gate_id: str
    entered: int | None
    left: int | None
    waiting: int | None
    heard_at: datetime | None
    silent_s: float


class SensorList(msgspec.Struct, frozen=True):
    """Every sensor, in the site file's order."""

    sensors: list[SensorView]


class PeopleApi:
    """`desk`: None where the site opened none."""

    def __init__(self, desk: PeopleDesk | None) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """The rows of the route table."""
        return [
            Route("GET", "/api/people", self.sensors, STAFF, "People sensors with the age of their counts", "see the gates",
                  answer=SensorList),
            Route("POST", "/api/people/{sensor}", self.post, SENSORS, "A sensor posts its count", "count people",
                  body=CountPost, status=204, problems=(404,)),
        ]  # fmt: skip

    async def sensors(self, call: Call) -> SensorList:
        """What was heard of each."""
        return SensorList([_view(reading) for reading in (self._desk.readings() if self._desk is not None else [])])

    async def post(self, call: Call) -> None:
        """Count what was posted. A key is good for its own sensor only; another one is not found."""
        name = call.ids["sensor"]
        if self._desk is None or call.caller.channel != sensor_channel(name):
            raise NotFound("people sensor", name)
        self._desk.pushed(name).take(call.body)


def _view(reading: SensorReading) -> SensorView:
    count = reading.count
    if count is None:
        return SensorView(reading.name, reading.gate_id, None, None, None, None, round(reading.silent_s, 1))
    return SensorView(
        reading.name, reading.gate_id, count.entered, count.left, count.waiting, count.heard.at, round(reading.silent_s, 1)
    )

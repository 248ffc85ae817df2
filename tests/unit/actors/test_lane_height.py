"""Heights at a lane: beside a grant that asks staff to look, never in its way."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from actors.lane_height import LaneHeights, NoHeights, lane_heights
from resort.clock import SystemClock
from resort.errors import InvalidConfig, Unavailable
from resort.heights import HeightBand, HeightLimits
from resort.ids import EventId, GateId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued
from resort.site import Site
from resort.site_checks import check_site
from sim.memory_document_reader import MemoryHeightSensor

NOW = datetime(2026, 12, 5, 9, 0, tzinfo=UTC)
PLAIN = GrantIssued(
    event_id=EventId("grant-1"),
    caused_by="scan",
    at=NOW,
    gate_id=GateId("g"),
    lane_id=LaneId("a"),
    ticket_id=TicketId("00000000000000aa"),
    scan_id=ScanId("scan"),
    product="family",
    unit="child",
    counter_in=1,
    day=NOW.date(),
)
CHILD = msgspec.structs.replace(PLAIN, attention=("photo", "height"))


@pytest.mark.parametrize(("height_cm", "band"), [(101.0, "below_free"), (132.0, "child"), (181.0, "adult"), (None, None)])
async def test_who_is_to_be_looked_at_is_measured(height_cm: float | None, band: str | None) -> None:
    sensor = MemoryHeightSensor(HeightLimits())
    sensor.height_cm = height_cm
    heights = LaneHeights(sensor)
    assert (await heights.noted(CHILD)).height == band
    assert await heights.noted(PLAIN) == PLAIN
    await heights.close()


class Broken:
    """A sensor that hangs or fails."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs
        self.closed = False

    async def band(self) -> HeightBand | None:
        if self._hangs:
            await asyncio.Event().wait()
        raise Unavailable("The height sensor", "it is away on purpose")

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_sensor_that_does_not_answer_keeps_nobody_waiting(hangs: bool) -> None:
    sensor = Broken(hangs=hangs)
    heights = LaneHeights(sensor)
    async with asyncio.timeout(30):
        assert await heights.noted(CHILD) == CHILD
    await heights.close()
    assert sensor.closed


async def test_the_site_file_says_whether_a_lane_has_one(demo_site: Site) -> None:
    _, lane = demo_site.lanes()[0]
    assert isinstance(lane_heights(demo_site, lane, SystemClock()), NoHeights)
    with_sensor = lane_heights(demo_site, msgspec.structs.replace(lane, height="tcp://127.0.0.1:9"), SystemClock())
    assert isinstance(with_sensor, LaneHeights)
    await with_sensor.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"height": "http://10.0.0.1:1"},
        {"height": "tcp://10.0.0.1"},
        {"height": "10.0.0.1:2001"},
        {"height": "tcp://10.0.0.1:99999"},
        {"height": "tcp://10.0.0.1:2001", "direction": "exit"},
    ],
)
def test_a_sensor_that_cannot_be_is_a_mistake_in_the_site_file(demo_site: Site, changes: dict[str, str]) -> None:
    gate = demo_site.gates[0]
    lane = msgspec.structs.replace(gate.lanes[0], **changes)
    gates = [msgspec.structs.replace(gate, lanes=[lane, *gate.lanes[1:]]), *demo_site.gates[1:]]
    with pytest.raises(InvalidConfig, match=r"height sensor"):
        check_site(msgspec.structs.replace(demo_site, gates=gates))

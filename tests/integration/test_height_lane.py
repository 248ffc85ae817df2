"""The way of a height: a sensor's lines over TCP, a running lane, the journal, and the sentence that staff read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from actors.lane_height import lane_heights
from actors.lane_runtime import LaneRuntime
from resort.access.codes import issue_code
from resort.access.entitlement import Entitlement
from resort.access.lane_settings import LaneSettings
from resort.clock import SystemClock
from resort.ids import RandomIds, TicketId
from resort.messages import GrantIssued, LaneChanged, PassageConfirmed
from resort.site import Attention, LaneLimits, Site
from resort.site_board import SiteBoard
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile
from tests.unit.actors.test_lane_runtime import KEYS, Held, WatchedLedger, has
from tests.unit.devices.test_height_sensor import Pole

WAIT_S = 30
CHILD, ADULT = TicketId("00000000000000c1"), TicketId("00000000000000a1")


@pytest.fixture
async def pole() -> AsyncIterator[Pole]:
    pole = Pole()
    await pole.start()
    yield pole
    await pole.stop()


@pytest.mark.parametrize(
    ("line", "band", "says"),
    [
        (b"104\n", "below_free", "Below 120 cm"),
        (b"136 cm\n", "child", "120 to 150 cm"),
        (b"177\n", "adult", "Over 150 cm: check the child's ticket"),
        (b"", None, "Height not told: look for yourself"),
    ],
)
async def test_staff_read_what_the_sensor_says_of_a_child(
    demo_site: Site, pole: Pole, line: bytes, band: str | None, says: str
) -> None:
    gate, lane = demo_site.lanes()[0]
    lane = msgspec.structs.replace(lane, height=pole.url)
    gate = msgspec.structs.replace(gate, lanes=[lane])
    site = msgspec.structs.replace(demo_site, gates=[gate])
    clock, ledger, held = SystemClock(), WatchedLedger(), Held()
    today = datetime.now(UTC).date()  # noqa: TID251 - the lane reads the real clock
    looked_at: dict[TicketId, tuple[Attention, ...]] = {CHILD: ("photo", "height"), ADULT: ()}
    for ticket_id, attention in looked_at.items():
        ledger.sell(ticket_id, Entitlement("day", "child", today, 1, ("standard",), attention=attention))
    steel = SimTurnstile(20_000.0, clock)
    heights = lane_heights(site, lane, clock)
    fatal: list[BaseException] = []
    runtime = LaneRuntime(
        LaneSettings(gate.id, lane.id, "standard", LaneLimits(), ZoneInfo("UTC")),
        *("open", KEYS, ledger, MemoryTurnstile(steel), held, clock, RandomIds(), fatal.append),
        heights=heights,
    )
    await runtime.start()
    await ledger.until(has(LaneChanged))
    async with asyncio.timeout(WAIT_S):
        sensor = await pole.clients.get()
    board = SiteBoard(site, {}, clock.now())
    seen = []
    for number, ticket_id in enumerate((CHILD, ADULT), 1):
        signals = steel.subscribe()
        sensor.write(line)
        await sensor.drain()
        await _until_band(heights, band)
        held.hold_up(issue_code(ticket_id, KEYS))
        async with asyncio.timeout(WAIT_S):
            while await signals.get() != "unlocked":
                pass
        assert steel.push_in()
        await ledger.until(has(PassageConfirmed, number))
        grant = [event for event in ledger.journal if isinstance(event, GrantIssued)][-1]
        board.apply(grant, clock.now())
        last = board.snapshot(clock.now()).lanes[0].last
        assert last is not None
        seen.append((grant.height, last.height.en if last.height is not None else None))
        steel.unsubscribe(signals)
    await runtime.stop(0.2)
    await heights.close()
    assert fatal == []
    assert seen == [(band, says), (None, None)]


async def _until_band(heights: object, band: str | None) -> None:
    async with asyncio.timeout(WAIT_S):
        while await heights._sensor.band() != band:  # type: ignore[attr-defined]  # noqa: ASYNC110 - of another end
            await asyncio.sleep(0.01)

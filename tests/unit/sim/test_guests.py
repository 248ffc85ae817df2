"""Guests at lanes that really run: cameras over HTTP, decoders and lane machines; only ledger, shop and wires are in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from actors.lane_runtime import LaneRuntime
from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_journal import LaneSettings
from resort.access.reasons import Reason
from resort.clock import SystemClock
from resort.errors import Refused, Unavailable
from resort.ids import GateId, LaneId, RandomIds, SeededIds
from resort.messages import (
    GrantOutcome,
    GrantReleased,
    JournalEvent,
    PassageConfirmed,
    PassageUncontrolled,
    ScanRefused,
)
from resort.ports import Conflict
from resort.site import LaneClass, LaneLimits
from sim.camera_server import CameraServer
from sim.crowd import Behaviour, Crowd
from sim.guests import Guests
from sim.memory_ledger import MemoryLedger
from sim.memory_turnstile import MemoryTurnstile
from sim.shop_client import BoughtTicket
from sim.turnstile import SimTurnstile

ZONE = ZoneInfo("Asia/Shanghai")
KEYS = SiteKeys(1, {1: b"k" * 32})
LANES: dict[str, LaneClass] = {"one": "standard", "two": "standard", "quick": "fast"}
LIMITS = LaneLimits(passage_timeout_ms=400, repeat_code_ms=250, unreadable_after_ms=150, poll_idle_ms=10, poll_active_ms=5)
OPEN_MS = 300.0
WAIT_S = 60.0
Kind = TypeVar("Kind", bound=JournalEvent)


def brisk(*weights: tuple[Behaviour, float], give_up_s: float = 30.0, queue_limit: int = 4, stock: int = 8) -> Crowd:
    return Crowd(
        weights=weights,
        arrival_s=0.02,
        step_up_s=(0.0, 0.02),
        push_s=(0.0, 0.02),
        give_up_s=give_up_s,
        lower_s=0.5,
        used_rest_s=0.6,
        queue_limit=queue_limit,
        stock=stock,
    )


class WatchedLedger(MemoryLedger):
    """Tells when something was stored."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = asyncio.Event()

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await super().append(events)
        self.moved.set()

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord, usage: Usage) -> Conflict | None:
        try:
            return await super().settle(outcome, expected, usage)
        finally:
            self.moved.set()


class Shop:
    """Sells at once, into the ledger of the lanes. Fails while `fails_with` is set."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.fails_with: Exception | None = None
        self.asked = asyncio.Event()
        self.sold = 0
        self._ledger = ledger
        self._ids = SeededIds("shop")

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        self.asked.set()
        if self.fails_with is not None:
            raise self.fails_with
        await asyncio.sleep(0)
        lane_classes: tuple[LaneClass, ...] = ("standard", "fast") if product == "single-fast" else ("standard",)
        tickets = []
        for unit, number in units.items():
            for _ in range(number):
                ticket_id = self._ids.ticket_id()
                self._ledger.sell(ticket_id, Entitlement(product, unit, day, 1, lane_classes))
                tickets.append(BoughtTicket(ticket_id, unit, issue_code(ticket_id, KEYS)))
        self.sold += len(tickets)
        return tickets


class Resort:
    """Three lanes, a shop and a crowd."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.today = self.clock.now().at.astimezone(ZONE).date()
        self.ledger = WatchedLedger()
        self.shop = Shop(self.ledger)
        self.steel = {lane_id: SimTurnstile(OPEN_MS, self.clock) for lane_id in LANES}
        self.cameras = CameraServer(LANES, fps=30.0)
        self.lanes: list[LaneRuntime] = []
        self.crowds: list[Guests] = []
        self.failures: list[BaseException] = []  # of the lanes

    async def run_lanes(self) -> None:
        """Let the lanes work; until then nobody answers the guests."""
        for lane_id, lane_class in LANES.items():
            camera = MjpegCamera(self.cameras.url(lane_id), self.clock)
            source = CameraCodeSource(camera, CodeReader(), self.clock, LIMITS.unreadable_after_ms, LIMITS.repeat_code_ms)
            settings = LaneSettings(GateId("gate"), LaneId(lane_id), lane_class, LIMITS, ZONE)
            turnstile = MemoryTurnstile(self.steel[lane_id])
            lane = LaneRuntime(
                settings, "open", KEYS, self.ledger, turnstile, source, self.clock, RandomIds(), on_fatal=self.failures.append
            )
            self.lanes.append(lane)
            await lane.start()

    async def close(self) -> None:
        for crowd in self.crowds:
            await crowd.stop()
        for lane in self.lanes:
            await lane.stop()
        await self.cameras.stop()

    async def guests(self, crowd: Crowd, *lane_ids: str, seed: int = 1) -> Guests:
        lanes = {lane_id: (LANES[lane_id], self.steel[lane_id]) for lane_id in lane_ids or LANES}
        guests = Guests(lanes, self.cameras, self.shop, self.today, seed, crowd)
        self.crowds.append(guests)
        await guests.start()
        return guests

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds; looked at whenever the ledger, a turnstile or a lamp moves."""
        queues = {lane_id: steel.subscribe() for lane_id, steel in self.steel.items()}

        async def watch(queue: asyncio.Queue[str]) -> None:
            while True:
                await queue.get()
                self.ledger.moved.set()

        watches = [asyncio.create_task(watch(queue)) for queue in queues.values()]
        try:
            async with asyncio.timeout(WAIT_S):
                while not holds():
                    self.ledger.moved.clear()
                    await self.ledger.moved.wait()
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            for lane_id, queue in queues.items():
                self.steel[lane_id].unsubscribe(queue)

    def journal(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.ledger.journal if isinstance(event, kind)]


@pytest_asyncio.fixture
async def resort() -> AsyncIterator[Resort]:
    opened = Resort()
    await opened.cameras.start()
    yield opened
    await opened.close()
    assert opened.failures == []


async def test_honest_guests_go_through_and_every_passage_is_one_of_theirs(resort: Resort) -> None:
    await resort.run_lanes()
    guests = await resort.guests(brisk(("honest", 1.0)))
    await resort.until(lambda: len(resort.journal(PassageConfirmed)) >= 15)
    tally = await guests.pause()
    await resort.until(lambda: len(resort.journal(PassageConfirmed)) == tally.went_through)
    assert {event.lane_id for event in resort.journal(PassageConfirmed)} == set(LANES)
    used = [event.ticket_id for event in resort.journal(PassageConfirmed)]
    assert len(set(used)) == len(used)
    assert tally.presented == tally.went_through
    assert (tally.refused_seen, tally.turned_away, tally.sneaked_in, tally.gave_up) == (0, 0, 0, 0)
    assert resort.journal(PassageUncontrolled) == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("used", Reason.ALREADY_USED),
        ("wrong_day", Reason.WRONG_DAY),
        ("forged", Reason.FORGED_CODE),
        ("not_ours", Reason.MALFORMED_CODE),
        ("unreadable", Reason.UNREADABLE),
        ("wrong_lane", Reason.WRONG_LANE),
    ],
)
async def test_every_other_guest_is_refused_for_its_own_reason(resort: Resort, behaviour: Behaviour, reason: Reason) -> None:
    await resort.run_lanes()
    # Two washed tickets without an empty frame in between, or one in a camera's first frame, get no answer: that guest goes.
    guests = await resort.guests(brisk((behaviour, 1.0), ("honest", 1.0), give_up_s=3.0))

    def refused_twice() -> bool:
        return [event.reason for event in resort.journal(ScanRefused)].count(reason) >= 2

    await resort.until(refused_twice)
    tally = await guests.pause()
    assert {event.reason for event in resort.journal(ScanRefused)} == {reason}
    assert tally.refused_seen >= 2
    assert (tally.sneaked_in, tally.turned_away) == (0, 0)


async def test_who_hesitates_gets_in_at_the_second_try(resort: Resort) -> None:
    await resort.run_lanes()
    guests = await resort.guests(brisk(("hesitant", 1.0)), "one")
    await resort.until(lambda: resort.journal(PassageConfirmed))
    released, passed = resort.journal(GrantReleased)[0], resort.journal(PassageConfirmed)[0]
    assert released.ticket_id == passed.ticket_id
    tally = await guests.pause()
    assert (tally.turned_away, tally.sneaked_in) == (0, 0)


async def test_a_resort_that_lets_everybody_in_is_found_out(resort: Resort) -> None:
    camera, reader = MjpegCamera(resort.cameras.url("one"), resort.clock), CodeReader()
    camera.start()

    async def open_for_all() -> None:
        while (frame := await camera.next_frame()) is not None:
            if reader.read(frame.jpeg).text is not None:
                resort.steel["one"].pulse_entry()

    careless = asyncio.create_task(open_for_all())
    guests = await resort.guests(brisk(("forged", 1.0)), "one")
    await resort.until(lambda: guests.tally.sneaked_in >= 1)
    await camera.close()
    await careless


@pytest.mark.parametrize("passages", [0, 1, 6])
async def test_pausing_leaves_nobody_behind_at_any_moment(resort: Resort, passages: int) -> None:
    await resort.run_lanes()
    guests = await resort.guests(brisk(("honest", 1.0)))
    await resort.until(lambda: len(resort.journal(PassageConfirmed)) >= passages)
    tally = await guests.pause()
    assert [steel.waiting for steel in resort.steel.values()] == [0, 0, 0]
    resort.shop.asked.clear()
    await resort.until(lambda: len(resort.journal(PassageConfirmed)) == tally.went_through)
    assert not resort.shop.asked.is_set()


async def test_a_crowd_without_tickets_waits_and_shows_nothing(resort: Resort) -> None:
    await resort.run_lanes()
    resort.shop.fails_with = Unavailable("The shop", "it is away on purpose")
    guests = await resort.guests(brisk(("honest", 1.0)))
    async with asyncio.timeout(WAIT_S):
        await resort.shop.asked.wait()
    resort.shop.fails_with = Refused("sold out")
    resort.shop.asked.clear()
    async with asyncio.timeout(WAIT_S):
        await resort.shop.asked.wait()
    assert guests.tally.presented == 0
    resort.shop.fails_with = None
    await resort.until(lambda: guests.tally.went_through >= 1)
    tally = await guests.pause()
    assert tally.orders_failed >= 2


async def test_a_crowd_without_tickets_can_be_paused(resort: Resort) -> None:
    resort.shop.fails_with = Refused("sold out")
    guests = await resort.guests(brisk(("honest", 1.0)))
    async with asyncio.timeout(WAIT_S):
        await resort.shop.asked.wait()
        assert (await guests.pause()).presented == 0


async def test_nobody_waits_for_ever_at_a_dead_lane(resort: Resort) -> None:
    guests = await resort.guests(brisk(("honest", 1.0), give_up_s=0.05), "one")
    async with asyncio.timeout(WAIT_S):
        while guests.tally.gave_up < 3:
            resort.shop.asked.clear()
            await resort.shop.asked.wait()  # guests who left with their tickets are followed by guests who buy
    assert guests.tally.went_through == 0
    assert resort.steel["one"].waiting <= 4


async def test_under_fire_release_everybody_walks_through_and_shows_nothing(resort: Resort) -> None:
    await resort.run_lanes()
    steel = resort.steel["one"]
    steel.fire_release = True
    guests = await resort.guests(brisk(("honest", 1.0)), "one")
    await resort.until(lambda: sum(event.rotations for event in resort.journal(PassageUncontrolled)) >= 3)
    tally = await guests.pause()
    assert tally.presented == 0
    assert tally.went_through == steel.counter_in
    assert resort.journal(PassageConfirmed) == []
    assert all(event.released for event in resort.journal(PassageUncontrolled))


async def test_stopping_at_any_moment_leaves_no_task(resort: Resort) -> None:
    guests = await resort.guests(brisk(("honest", 1.0)))
    async with asyncio.timeout(WAIT_S):
        await resort.shop.asked.wait()
    await guests.stop()
    await guests.stop()
    assert [steel.waiting for steel in resort.steel.values()] == [0, 0, 0]


async def test_tickets_for_tomorrow_are_bought_for_tomorrow(resort: Resort) -> None:
    guests = await resort.guests(brisk(("honest", 1.0), give_up_s=0.05))
    async with asyncio.timeout(WAIT_S):
        while len({record.entitlement.valid_on for record in resort.ledger.tickets.values()}) < 2:
            resort.shop.asked.clear()
            await resort.shop.asked.wait()
    await guests.stop()
    days = {record.entitlement.valid_on for record in resort.ledger.tickets.values()}
    assert days == {resort.today, resort.today + timedelta(days=1)}
    parties = {record.entitlement.product for record in resort.ledger.tickets.values()}
    assert parties <= {"single", "single-fast"}

"""A running lane on in-memory ports: real tasks and real time, faults by switch. No Ray."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from actors.lane_runtime import LaneRuntime
from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import Entitlement
from resort.access.lane_messages import AdmitByHand, AnnulLast
from resort.access.lane_settings import LaneSettings
from resort.clock import SystemClock
from resort.errors import LedgerUnavailable
from resort.ids import GateId, LaneId, RandomIds, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
)
from resort.ports import LaneMemory, Sighting
from resort.site import LaneLimits
from sim.memory_ledger import MemoryLedger
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile

KEYS = SiteKeys(1, {1: b"k" * 32})
TICKET = TicketId("00000000000000aa")
GROUP = TicketId("00000000000000bb")
CODE = issue_code(TICKET, KEYS)
LIMITS = LaneLimits(passage_timeout_ms=60, poll_idle_ms=10, poll_active_ms=5)
PATIENCE_S = 10.0


class WatchedLedger(MemoryLedger):
    """Wakes whoever waits for something to be in the journal; can be switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.grants_lost = False
        self._appended = asyncio.Event()

    async def until(self, holds: Callable[[list[JournalEvent]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.journal):
                self._appended.clear()
                await self._appended.wait()

    async def find(self, ticket_id: TicketId):  # type: ignore[no-untyped-def]
        self._check()
        return await super().find(ticket_id)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        self._check()
        return await super().lane_memory(lane_id)

    async def append(self, events):  # type: ignore[no-untyped-def]
        self._check()
        await super().append(events)
        self._appended.set()

    def _change(self, event, expected, usage, **changes):  # type: ignore[no-untyped-def]
        self._check()
        if self.grants_lost and isinstance(event, GrantIssued):
            raise LedgerUnavailable("The ledger", "no answer came")
        answer = super()._change(event, expected, usage, **changes)
        self._appended.set()
        return answer

    def _check(self) -> None:
        if self.away:
            raise LedgerUnavailable("The ledger", "switched off")


class Held:
    """A code source that shows what the test holds up."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._clock = SystemClock()

    def hold_up(self, text: str | None = CODE) -> None:
        self._queue.put_nowait(text)

    async def sightings(self) -> AsyncIterator[Sighting]:
        while True:
            text = await self._queue.get()
            now = self._clock.now()
            yield Sighting(text, now, now)

    async def close(self) -> None:
        return


class Stand:
    """A lane with everything a test wants to touch."""

    def __init__(self, limits: LaneLimits = LIMITS) -> None:
        self.limits = limits
        self.clock = SystemClock()
        self.ledger = WatchedLedger()
        today = self.today = datetime.now(UTC).date()  # noqa: TID251 - the lane under test reads the real clock
        self.ledger.sell(TICKET, Entitlement("single", "adult", today, 1, ("standard",)))
        self.steel = SimTurnstile(30.0, self.clock)
        self.turnstile = MemoryTurnstile(self.steel)
        self.fatal: list[BaseException] = []
        self.build()

    def build(self) -> None:
        """A new runtime on the same world, as after a restart."""
        self.held = Held()
        settings = LaneSettings(GateId("north"), LaneId("north-1"), "standard", self.limits, ZoneInfo("UTC"))
        self.turnstile = MemoryTurnstile(self.steel)
        self.lane = LaneRuntime(
            settings, "open", KEYS, self.ledger, self.turnstile, self.held, self.clock, RandomIds(), self.fatal.append
        )

    def kill(self) -> None:
        """End the lane's tasks without any farewell."""
        for task in self.lane._tasks:
            task.cancel()

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.ledger.journal)


def has(kind: type, times: int = 1) -> Callable[[list[JournalEvent]], bool]:
    return lambda journal: sum(isinstance(event, kind) for event in journal) >= times


@pytest_asyncio.fixture
async def stand() -> AsyncIterator[Stand]:
    stand = Stand()
    await stand.lane.start()
    await stand.ledger.until(has(LaneChanged))
    yield stand
    stand.ledger.away = False
    await stand.lane.stop(0.2)
    assert stand.fatal == []


async def _next(signals: asyncio.Queue[str], wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await signals.get() != wanted:
            pass


async def test_a_guest_goes_through_and_the_second_with_that_code_does_not(stand: Stand) -> None:
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up()
    await _next(signals, "unlocked")
    assert stand.steel.push_in()
    await stand.ledger.until(has(PassageConfirmed))
    stand.held.hold_up()
    await stand.ledger.until(has(ScanRefused))
    assert stand.steel.pulses == 1
    passage = next(event for event in stand.ledger.journal if isinstance(event, PassageConfirmed))
    assert passage.open_ms is not None
    assert passage.decision_ms is not None


async def test_a_guest_who_does_not_push_can_try_again(stand: Stand) -> None:
    stand.held.hold_up()
    await stand.ledger.until(has(GrantReleased))
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up()
    await _next(signals, "unlocked")
    stand.steel.push_in()
    await stand.ledger.until(has(PassageConfirmed))
    assert stand.steel.pulses == 2


async def test_a_lost_ledger_refuses_and_the_refusal_is_kept(stand: Stand) -> None:
    stand.ledger.away = True
    stand.held.hold_up()
    signals = stand.steel.subscribe()
    await _next(signals, "refused")
    assert stand.count(ScanRefused) == 0
    stand.ledger.away = False
    await stand.ledger.until(has(ScanRefused))
    assert stand.steel.pulses == 0


async def test_a_grant_without_an_answer_is_told_to_be_void(stand: Stand) -> None:
    """Nobody knows yet whether the ledger will carry it out."""
    stand.ledger.grants_lost = True
    stand.held.hold_up()
    await stand.ledger.until(has(GrantReleased))
    assert (stand.count(GrantIssued), stand.count(ScanRefused), stand.steel.pulses) == (0, 1, 0)


async def test_an_outcome_waits_for_the_ledger_and_is_not_lost(stand: Stand) -> None:
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up()
    await _next(signals, "unlocked")
    stand.ledger.away = True
    stand.steel.push_in()
    await _polled(stand.lane, 3)
    assert stand.count(PassageConfirmed) == 0
    stand.ledger.away = False
    await stand.ledger.until(has(PassageConfirmed))


async def test_an_unconfirmed_pulse_is_not_sent_again(stand: Stand) -> None:
    stand.turnstile.next_pulse = "lost"
    stand.held.hold_up()
    await stand.ledger.until(has(GrantOutcomeUnknown))
    assert stand.steel.pulses == 0


async def test_a_turnstile_that_goes_and_returns_is_told_twice(stand: Stand) -> None:
    stand.turnstile.reachable = False
    await stand.ledger.until(has(LaneChanged, 2))
    stand.turnstile.reachable = True
    await stand.ledger.until(has(LaneChanged, 3))
    states = [event.state for event in stand.ledger.journal if isinstance(event, LaneChanged)]
    assert states == ["ready", "faulted", "ready"]


async def test_an_arm_that_falls_silent_under_a_grant_is_reported_as_faulted(stand: Stand) -> None:
    stand.held.hold_up()
    await stand.ledger.until(has(GrantIssued))
    stand.turnstile.reachable = False
    await stand.ledger.until(has(LaneChanged, 2))
    report = stand.lane.report()
    assert (report.state, report.lasting, report.tamper) == ("awaiting_passage", "faulted", None)
    assert report.at is not None


async def test_a_killed_lane_finds_its_passage_and_pulses_nothing(stand: Stand) -> None:
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up()
    await _next(signals, "unlocked")
    stand.kill()
    await asyncio.gather(*stand.lane._tasks, return_exceptions=True)
    stand.steel.push_in()
    stand.build()
    await stand.lane.start()
    await stand.ledger.until(has(PassageConfirmed))
    assert stand.steel.pulses == 1
    assert stand.count(GrantIssued) == 1


async def test_a_lane_killed_before_the_turn_leaves_an_unknown_outcome(stand: Stand) -> None:
    signals = stand.steel.subscribe()
    stand.held.hold_up()
    await _next(signals, "unlocked")
    stand.kill()
    await asyncio.gather(*stand.lane._tasks, return_exceptions=True)
    stand.build()
    await stand.lane.start()
    await stand.ledger.until(has(GrantOutcomeUnknown))
    assert stand.steel.pulses == 1
    stand.held.hold_up()
    await stand.ledger.until(has(ScanRefused))
    assert stand.steel.pulses == 1


async def test_a_party_passes_person_by_person(stand: Stand) -> None:
    group = Entitlement("group", "adult", stand.today, 1, ("standard",), party=3)
    stand.ledger.sell(GROUP, group)
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up(issue_code(GROUP, KEYS))
    for member in (1, 2, 3):
        await _next(signals, "unlocked")
        assert stand.steel.push_in()
        await stand.ledger.until(has(PassageConfirmed, member))
    record = await stand.ledger.find(GROUP)
    assert record is not None
    assert (record.usage.used, record.usage.open, stand.steel.pulses) == (3, None, 3)


async def test_staff_let_somebody_in_and_take_the_guest_before_back(stand: Stand) -> None:
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 5_000
    stand.held.hold_up()
    await _next(signals, "unlocked")
    stand.steel.push_in()
    await stand.ledger.until(has(PassageConfirmed))
    annulled = await stand.lane.order(AnnulLast("r1", "anna", "went back"))
    assert (annulled.outcome, annulled.ticket_id) == ("ok", TICKET)
    record = await stand.ledger.find(TICKET)
    assert record is not None
    assert record.usage.used == 0
    admitted = await stand.lane.order(AdmitByHand("r2", "anna", "lost ticket"))
    assert (admitted.outcome, stand.steel.pulses) == ("ok", 2)
    assert await stand.lane.order(AdmitByHand("r2", "anna", "lost ticket")) == admitted
    stand.steel.push_in()
    await stand.ledger.until(has(PassageConfirmed, 2))
    assert stand.steel.pulses == 2
    assert (await stand.ledger.lane_memory(LaneId("north-1"))).open_grant is None


async def test_a_full_inbox_drops_the_newest_and_counts(stand: Stand) -> None:
    stand.ledger.away = True
    stand.held.hold_up("nonsense")
    signals = stand.steel.subscribe()
    await _next(signals, "refused")  # the consumer now waits for the ledger
    for _ in range(LIMITS.inbox_size + 5):
        stand.held.hold_up("nonsense")
    await _polled(stand.lane, 10)
    assert stand.lane.dropped == 5


@pytest.mark.parametrize("mode", ["closed", "open"])
async def test_the_report_says_how_the_lane_stands(stand: Stand, mode: str) -> None:
    stand.steel.waiting = 4
    stand.lane.order_mode(mode)  # type: ignore[arg-type]
    await _polled(stand.lane, 3)
    report = stand.lane.report()
    assert (report.mode, report.waiting) == (mode, 4)
    assert report.state == ("closed" if mode == "closed" else "ready")


async def _polled(lane: LaneRuntime, times: int) -> None:
    """Wait until the consumer has had time for `times` readings of the turnstile."""
    for _ in range(times):
        await asyncio.sleep(LIMITS.poll_idle_ms / 1000 * 2)


async def test_a_lamp_that_cannot_be_lit_has_the_turnstile_looked_at_at_once() -> None:
    stand = Stand(msgspec.structs.replace(LIMITS, poll_idle_ms=3_600_000))
    await stand.lane.start()
    await stand.ledger.until(has(LaneChanged))
    stand.turnstile.reachable = False
    stand.held.hold_up(None)  # unreadable: nothing but the lamp is asked of the turnstile
    await stand.ledger.until(has(LaneChanged, 2))
    assert stand.lane.machine.lasting_state == "faulted"
    await stand.lane.stop()

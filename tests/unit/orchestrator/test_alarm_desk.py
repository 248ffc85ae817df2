"""The desk on a real Valkey and a real SQLite file: each edge is in the journal once, over restarts and lost stores."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from orchestrator.alarm_desk import AlarmDesk
from orchestrator.sights import SeenGate
from resort.alarm_levels import GateSight, LaneSight, SensorSight, SiteSight
from resort.clock import ManualClock, SystemClock
from resort.errors import LedgerUnavailable, NotFound, Unavailable
from resort.ids import EventId, GateId, LaneId, RandomIds
from resort.messages import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised, JournalEvent, PassageUncontrolled
from resort.site import PeopleSensorSite, Site
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger

SITE = "desk"
PATIENCE_S = 30.0
WELL = SiteSight(ledger_answers=True, journal_problem="")
LANE = "north-1"


def north(state: str = "ready") -> SeenGate:
    return SeenGate(GateSight("north", answers=True, route="ledger"), [LaneSight("north", LANE, state, "as told")])


class Desk:
    """A desk on its own connections, a clock that tests move, and the journal writer played by hand."""

    def __init__(self, site: Site, redis_url: str, store: JournalStore, clock: ManualClock) -> None:
        self.redis = connect(redis_url)
        self.ledger = RedisLedger(connect(redis_url), SITE)
        self.stream = JournalStream(self.redis, SITE)
        self.store = store
        self.clock = clock
        self.ledger_away = False
        self.sql_away = False
        self.desk = AlarmDesk(site, self.stream, store, (self._append, self._spool), clock, RandomIds())

    async def _append(self, events: Sequence[AlarmEvent]) -> None:
        if self.ledger_away:
            raise LedgerUnavailable("The admission ledger", "it is away, as was asked for")
        await self.ledger.append(events)

    async def _spool(self, events: Sequence[AlarmEvent]) -> None:
        if self.sql_away:
            raise Unavailable("The journal", "it is away, as was asked for")
        await self.store.store([("0-0", event) for event in events])

    async def happen(self, *events: JournalEvent) -> None:
        """Events of lanes, and whatever makes the tail take them."""
        await self.ledger.append(events)
        await self.desk.tail.catch_up()

    async def look(self, *gates: SeenGate, site: SiteSight = WELL, seconds: float = 0.0) -> None:
        self.clock.advance_ms(seconds * 1000)
        await self.desk.look(gates, site)

    async def write(self) -> None:
        """What the journal writer does."""
        entries = await self.stream.read_after("0-0", 10_000, wait_ms=0)
        await self.store.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])

    async def told(self) -> list[AlarmEvent]:
        """The alarm events in SQL."""
        await self.write()
        return await self.store.alarm_events(self.clock.now().at - timedelta(days=1))

    async def close(self) -> None:
        await self.redis.aclose()
        await self.ledger.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JournalStore]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield JournalStore(database)
    await database.dispose()


@pytest.fixture
def clock(redis: Redis) -> ManualClock:
    return ManualClock(SystemClock().now().at)


@pytest.fixture
async def start(redis: Redis, valkey_url: str, store: JournalStore, demo_site: Site, clock: ManualClock) -> Any:
    await redis.set(LedgerKeys(SITE).epoch, "1 0-0")

    @asynccontextmanager
    async def start(**people: PeopleSensorSite) -> AsyncIterator[Desk]:
        desk = Desk(msgspec.structs.replace(demo_site, people=people), valkey_url, store, clock)
        await desk.desk.begin()
        try:
            yield desk
        finally:
            await desk.close()

    return start


def turn(desk: Desk, number: int, cause: str = "forced") -> PassageUncontrolled:
    at = desk.clock.now().at
    head = {"event_id": EventId(f"turn{number}"), "caused_by": "counter", "at": at}
    place = {"gate_id": GateId("north"), "lane_id": LaneId(LANE), "lane_seq": number}
    return PassageUncontrolled(**head, **place, counter_in=number, rotations=1, released=False, cause=cause)  # type: ignore[arg-type]


def kinds(events: list[AlarmEvent]) -> list[tuple[str, str]]:
    return [(type(event).__name__, event.alarm_key) for event in events]


FORCED = ("AlarmRaised", f"forced_arm:{LANE}")
FORCED_OVER = ("AlarmCleared", f"forced_arm:{LANE}")


async def test_an_event_becomes_an_alarm_that_is_acknowledged_and_cleared(start: Any) -> None:
    async with start() as desk:
        await desk.happen(turn(desk, 1))
        await desk.look(north())
        await desk.look(north(), seconds=1)
        await desk.desk.acknowledge(FORCED[1], "cora", "guard is there")
        await desk.desk.acknowledge(FORCED[1], "cora", "guard is there")
        await desk.look(north(), seconds=120)
        told = await desk.told()
    assert [type(event) for event in told] == [AlarmRaised, AlarmAcknowledged, AlarmCleared]
    raised = told[0]
    assert isinstance(raised, AlarmRaised)
    assert (raised.caused_by, raised.evidence["count"], raised.severity) == ("turn1", 1, "critical")
    assert {event.caused_by for event in told[1:]} == {raised.event_id}


@pytest.mark.parametrize("stored", [True, False])
async def test_a_restart_neither_loses_nor_doubles_an_alarm(start: Any, stored: bool) -> None:
    """Whether or not SQL had taken anything from the stream by then."""
    async with start() as desk:
        await desk.happen(turn(desk, 1))
        await desk.look(north("faulted"))
        if stored:
            await desk.write()
    async with start() as desk:
        await desk.look(north("faulted"), seconds=1)
        await desk.look(north("faulted"), seconds=1)
        assert kinds(await desk.told()) == [("AlarmRaised", f"lane_faulted:{LANE}"), FORCED]
    async with start() as desk:
        await desk.look(north(), seconds=120)
        await desk.look(north(), seconds=5)
        assert sorted(kinds(await desk.told())[2:]) == [FORCED_OVER, ("AlarmCleared", f"lane_faulted:{LANE}")]
    async with start() as desk:
        await desk.look(north(), seconds=1)
        assert len(await desk.told()) == 4


@pytest.mark.parametrize("stored", [True, False])
async def test_a_silent_sensor_stays_an_alarm_over_a_restart_until_the_site_file_names_it_no_more(
    start: Any, stored: bool
) -> None:
    door = PeopleSensorSite("push", gate="north")
    raised, cleared = ("AlarmRaised", "sensor_silent:door"), ("AlarmCleared", "sensor_silent:door")
    async with start(door=door) as desk:
        await desk.desk.look([north()], WELL, [SensorSight("door", "north", 400.0)])
        if stored:
            await desk.write()
    async with start(door=door) as desk:
        await desk.look(north(), seconds=10)
        assert kinds(await desk.told()) == [raised]
    async with start() as desk:
        await desk.look(north(), seconds=1)
        assert kinds(await desk.told()) == [raised, cleared]


async def test_an_alarm_that_was_not_told_before_the_end_follows_again_from_the_same_event(start: Any) -> None:
    async with start() as desk:
        desk.ledger_away = desk.sql_away = True
        await desk.happen(turn(desk, 1))
        await desk.look(north())
        assert await desk.told() == []
    async with start() as desk:
        await desk.look(north(), seconds=5)
        assert kinds(await desk.told()) == [FORCED]


async def test_two_that_told_the_same_before_anybody_stored_it_told_it_once(start: Any) -> None:
    async with start() as one, start() as other:
        await one.happen(turn(one, 1))
        await other.desk.tail.catch_up()
        await one.look(north())
        await other.look(north())
        assert kinds(await one.told()) == [FORCED]


async def test_without_the_ledger_alarms_reach_sql_and_are_told_once(start: Any) -> None:
    away = SiteSight(ledger_answers=False, journal_problem=None)
    async with start() as desk:
        desk.ledger_away = True
        for _ in range(3):
            await desk.look(north("unserved"), site=away, seconds=1)
        told = await desk.store.alarm_events(desk.clock.now().at - timedelta(days=1))
        assert sorted(event.alarm_key for event in told) == ["lane_unserved:north-1", "ledger_away"]
        desk.ledger_away = False
        for _ in range(5):
            await desk.look(north(), seconds=1)
        told = await desk.told()
    assert len(told) == 4
    assert {event.alarm_key for event in told if isinstance(event, AlarmCleared)} == {"lane_unserved:north-1", "ledger_away"}


async def test_with_everything_away_alarms_wait_in_their_order(start: Any) -> None:
    async with start() as desk:
        desk.ledger_away = desk.sql_away = True
        await desk.look(north("faulted"))
        for _ in range(5):
            await desk.look(north(), seconds=1)
        with pytest.raises(NotFound):
            await desk.desk.acknowledge(f"lane_faulted:{LANE}", "cora", "")
        await desk.look(north("released"))
        with pytest.raises(Unavailable):
            await desk.desk.acknowledge(f"lane_released:{LANE}", "cora", "fire drill")
        desk.sql_away = False
        await desk.look(north("released"), seconds=1)
        assert kinds(await desk.told()) == [
            ("AlarmRaised", f"lane_faulted:{LANE}"),
            ("AlarmCleared", f"lane_faulted:{LANE}"),
            ("AlarmRaised", f"lane_released:{LANE}"),
            ("AlarmAcknowledged", f"lane_released:{LANE}"),
        ]


async def test_a_lane_that_left_the_site_leaves_no_alarm_behind(start: Any, demo_site: Site) -> None:
    async with start() as desk:
        gone = SeenGate(GateSight("north", answers=True), [LaneSight("north", "north-9", "faulted")])
        await desk.look(gone)
    async with start() as desk:
        await desk.look(north(), seconds=1)
        assert kinds(await desk.told()) == [("AlarmRaised", "lane_faulted:north-9"), ("AlarmCleared", "lane_faulted:north-9")]


@pytest.mark.parametrize("hours", [-2, 2])
async def test_an_event_whose_clock_was_set_counts_from_when_it_came(start: Any, hours: int) -> None:
    async with start() as desk:
        await desk.happen(msgspec.structs.replace(turn(desk, 1), at=desk.clock.now().at + timedelta(hours=hours)))
        await desk.look(north())
        await desk.look(north(), seconds=119)
        assert kinds(await desk.told()) == [FORCED]
        await desk.look(north(), seconds=1)
        assert kinds(await desk.told()) == [FORCED, FORCED_OVER]


async def test_the_tail_feeds_the_desk_while_it_runs(start: Any) -> None:
    async with start() as desk:
        tail = desk.desk.tail
        tasks = [asyncio.create_task(tail.follow_stream()), asyncio.create_task(tail.follow_sql())]
        await desk.ledger.append([turn(desk, 1)])
        async with asyncio.timeout(PATIENCE_S):
            while not await desk.told():
                await desk.look(north())
        tail.close()
        await asyncio.gather(*tasks)


async def test_turns_again_and_again_become_one_incident_beside_the_single_alarm(start: Any) -> None:
    async with start() as desk:
        await desk.happen(*(turn(desk, number, "tailgating") for number in range(1, 6)))
        await desk.look(north())
        await desk.look(north(), seconds=600)  # the single alarm is over, the incident is not
        await desk.look(north(), seconds=1_200)
        told = await desk.told()
    assert ("AlarmRaised", "abnormal_turns:north") in kinds(told)
    assert kinds(told)[-1] == ("AlarmCleared", "abnormal_turns:north")
    assert len(told) == 4
    raised = next(event for event in told if event.alarm_key == "abnormal_turns:north")
    assert isinstance(raised, AlarmRaised)
    assert raised.evidence["at"] == LANE

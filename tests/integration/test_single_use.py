"""One code shown at all lanes at once, 200 times over: real lanes, real Valkey, exactly one grant each.

The negative control takes the comparison out of the store's script and must admit somebody twice; otherwise the test would
prove nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from actors.lane_runtime import LaneRuntime
from benchmarks.instant_lane import InstantArm, WatchedArm
from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_journal import LaneSettings
from resort.clock import SystemClock
from resort.ids import GateId, LaneId, RandomIds, SeededIds
from resort.messages import GrantIssued, PassageConfirmed, ScanRefused
from resort.ports import Sighting
from resort.site import LaneLimits
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import JournalStream
from storage.redis_client import connect
from storage.redis_ledger import CHANGE, LedgerKeys, RedisLedger
from storage.script_pipeline import Script

LANES = 10
ROUNDS = 200
SITE = "single-use"
KEYS = SiteKeys(1, {1: b"k" * 32})
COMPARISON = "if redis.call('HGET', KEYS[4], 'v') ~= ARGV[5] then"


class Simultaneous:
    """A code source at each lane that shows the same code at the same moment as all others."""

    def __init__(self, codes: list[str], everybody: asyncio.Barrier, arm: WatchedArm, done: asyncio.Event) -> None:
        self._codes, self._everybody, self._arm, self._done = codes, everybody, arm, done

    async def sightings(self) -> AsyncIterator[Sighting]:
        clock = SystemClock()
        for code in self._codes:
            await self._everybody.wait()
            self._arm.answered.clear()
            now = clock.now()
            yield Sighting(code, now, now)
            await self._arm.answered.wait()
        self._done.set()

    async def close(self) -> None:
        return


async def _show_everywhere(redis: Redis, url: str, *, compare: bool) -> tuple[int, int, int]:
    """Grants, passages and refusals of all rounds."""
    await redis.set(LedgerKeys(SITE).epoch, "1")
    ids, day = SeededIds("single use"), datetime.now(UTC).date()  # noqa: TID251 - the lanes read the real clock
    tickets = [ids.ticket_id() for _ in range(ROUNDS)]
    entitlement = Entitlement("single", "adult", day, 1, ("standard",))
    await RedisEntitlements(redis, SITE, SystemClock()).publish(
        [(ticket, TicketRecord(1, entitlement, Usage())) for ticket in tickets]
    )
    codes = [issue_code(ticket, KEYS) for ticket in tickets]
    everybody = asyncio.Barrier(LANES)
    failures: list[BaseException] = []
    lanes, ledgers, ends = [], [], []
    for number in range(LANES):
        ledger = RedisLedger(connect(url), SITE)
        if not compare:
            assert COMPARISON in CHANGE
            ledger._change = Script(redis, CHANGE.replace(COMPARISON, "if false then"))
        arm, done = WatchedArm(InstantArm()), asyncio.Event()
        settings = LaneSettings(GateId("g"), LaneId(f"l{number}"), "standard", LaneLimits(poll_active_ms=2), ZoneInfo("UTC"))
        source = Simultaneous(codes, everybody, arm, done)
        lanes.append(LaneRuntime(settings, "open", KEYS, ledger, arm, source, SystemClock(), RandomIds(), failures.append))
        ledgers.append(ledger)
        ends.append(done)
    for lane in lanes:
        await lane.start()
    async with asyncio.timeout(90):
        await asyncio.gather(*(done.wait() for done in ends))
    for lane in lanes:
        await lane.stop(1.0)
    for ledger in ledgers:
        await ledger.close()
    assert failures == []
    entries = await JournalStream(redis, SITE).read_after("0-0", 100_000, wait_ms=0)
    events = [entry.event for entry in entries]
    grants = sum(isinstance(event, GrantIssued) for event in events)
    passages = sum(isinstance(event, PassageConfirmed) for event in events)
    return grants, passages, sum(isinstance(event, ScanRefused) for event in events)


async def test_one_code_at_all_lanes_at_once_is_granted_once(redis: Redis, valkey_url: str) -> None:
    grants, passages, refusals = await _show_everywhere(redis, valkey_url, compare=True)
    assert grants == passages == ROUNDS
    assert refusals == ROUNDS * (LANES - 1)


async def test_control_without_the_comparison_somebody_is_admitted_twice(redis: Redis, valkey_url: str) -> None:
    grants, _, _ = await _show_everywhere(redis, valkey_url, compare=False)
    assert grants > ROUNDS

"""The ledger on a real Valkey: compare and set, idempotence, the fence, and what it remembers of lanes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from resort.access.entitlement import Entitlement, OpenUse, TicketRecord, Usage
from resort.access.usage import use
from resort.clock import SystemClock
from resort.errors import LedgerUnavailable
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued, GrantOutcomeUnknown, PassageConfirmed, PassageOut, PassageUncontrolled
from resort.ports import Conflict, LaneMemory
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import JournalStream, stream_order
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger

SITE = "test"
KEYS = LedgerKeys(SITE)
NOW = datetime(2026, 12, 12, 1, 0, tzinfo=UTC)
TODAY = date(2026, 12, 12)
TICKET = TicketId("00000000000000aa")
RECORD = TicketRecord(1, Entitlement("single", "adult", TODAY, 1, ("standard",)), Usage())
LANE = LaneId("north-1")
ONCE = Usage(used=1, first_at=NOW, last_at=NOW, last_gate=GateId("north"), days=(TODAY,))


def _head(number: int) -> dict[str, object]:
    return {
        "event_id": EventId(f"e{number}"),
        "caused_by": "scan",
        "at": NOW,
        "gate_id": GateId("north"),
        "lane_id": LANE,
        "lane_seq": number,
    }


def _grant(number: int = 1, ticket: TicketId = TICKET) -> GrantIssued:
    return GrantIssued(
        **_head(number),  # type: ignore[arg-type]
        ticket_id=ticket,
        scan_id=ScanId("s"),
        product="single",
        unit="adult",
        counter_in=7,
        day=TODAY,
    )


def _passage(grant: GrantIssued) -> PassageConfirmed:
    head = _head(grant.lane_seq + 1) | {"event_id": EventId(f"{grant.event_id}:outcome")}
    return PassageConfirmed(**head, grant_id=GrantId(grant.event_id), ticket_id=grant.ticket_id, counter_in=8)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def ledger(redis: Redis, valkey_url: str) -> AsyncIterator[RedisLedger]:
    await redis.set(KEYS.epoch, "1")
    await RedisEntitlements(redis, SITE, SystemClock()).publish([(TICKET, RECORD)])
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield ledger
    await ledger.close()


async def _streamed(redis: Redis) -> list[str]:
    """Ids of what lanes appended; the first entry tells of the ticket."""
    entries = await JournalStream(redis, SITE).read_after("0-0", 1000, wait_ms=0)
    return [str(entry.event.event_id) for entry in entries if entry.event is not None and entry.event.lane_id]


async def test_an_unknown_ticket_is_none(ledger: RedisLedger) -> None:
    assert await ledger.find(TicketId("00000000000000bb")) is None


async def test_a_grant_is_stored_with_its_event_and_the_lane_remembers_it(ledger: RedisLedger, redis: Redis) -> None:
    grant = _grant()
    assert await ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant)) is None
    opened = OpenUse(GrantId("e1"), LANE, GateId("north"), "", "", TODAY)
    assert await ledger.find(TICKET) == TicketRecord(2, RECORD.entitlement, Usage(open=opened))
    assert await _streamed(redis) == ["e1"]
    assert await ledger.lane_memory(LANE) == LaneMemory(open_grant=grant, counter_in=7, counter_out=None, last_seq=1)


async def test_a_passage_closes_the_grant(ledger: RedisLedger, redis: Redis) -> None:
    grant = _grant()
    await ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant))
    record = await ledger.find(TICKET)
    assert record is not None
    passage = _passage(grant)
    assert await ledger.settle(passage, record, use(record.usage, passage)) is None
    assert await ledger.find(TICKET) == TicketRecord(3, RECORD.entitlement, ONCE)
    assert await ledger.lane_memory(LANE) == LaneMemory(open_grant=None, counter_in=8, counter_out=None, last_seq=2)
    assert await _streamed(redis) == ["e1", "e1:outcome"]


async def test_an_old_version_conflicts_and_stores_nothing(ledger: RedisLedger, redis: Redis) -> None:
    first, second = _grant(1), _grant(2)
    await ledger.commit_grant(first, RECORD, use(RECORD.usage, first))
    conflict = await ledger.commit_grant(second, RECORD, use(RECORD.usage, second))
    assert isinstance(conflict, Conflict)
    assert conflict.record is not None
    assert conflict.record.usage.open_grant == "e1"
    assert await _streamed(redis) == ["e1"]


async def test_the_same_event_twice_is_stored_once(ledger: RedisLedger, redis: Redis) -> None:
    grant = _grant()
    for _ in range(3):
        assert await ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant)) is None
    assert await _streamed(redis) == ["e1"]


async def test_of_many_at_once_exactly_one_wins(ledger: RedisLedger, redis: Redis) -> None:
    grants = [_grant(number) for number in range(200)]
    answers = await asyncio.gather(*(ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant)) for grant in grants))
    assert sum(answer is None for answer in answers) == 1
    assert len(await _streamed(redis)) == 1


async def test_a_wiped_store_is_fenced(ledger: RedisLedger, redis: Redis) -> None:
    await redis.flushall()
    grant = _grant()
    for work in (ledger.find(TICKET), ledger.commit_grant(grant, RECORD, RECORD.usage), ledger.append([grant])):
        with pytest.raises(LedgerUnavailable, match="rebuilt"):
            await work
    with pytest.raises(LedgerUnavailable, match="rebuilt"):
        await ledger.lane_memory(LANE)


async def test_scripts_that_the_server_forgot_are_sent_again(ledger: RedisLedger, redis: Redis) -> None:
    await ledger.find(TICKET)
    await redis.script_flush()
    records = await asyncio.gather(*(ledger.find(TICKET) for _ in range(100)))
    assert records == [RECORD] * 100


async def test_a_store_that_is_away_is_unavailable(short_folder: object) -> None:
    ledger = RedisLedger(connect(f"unix://{short_folder}/nobody.sock"), SITE)
    with pytest.raises(LedgerUnavailable):
        await ledger.find(TICKET)
    await ledger.close()


async def test_counters_of_uncontrolled_turns_are_remembered(ledger: RedisLedger) -> None:
    turned = PassageUncontrolled(**_head(5), counter_in=12, rotations=2, released=False)  # type: ignore[arg-type]
    out = PassageOut(**_head(6), counter_out=4, rotations=1)  # type: ignore[arg-type]
    await ledger.append([turned, out])
    assert await ledger.lane_memory(LANE) == LaneMemory(open_grant=None, counter_in=12, counter_out=4, last_seq=6)


async def test_an_unknown_outcome_leaves_the_counter_alone(ledger: RedisLedger) -> None:
    grant = _grant()
    await ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant))
    record = await ledger.find(TICKET)
    assert record is not None
    head = _head(2) | {"event_id": EventId("e1:outcome")}
    unknown = GrantOutcomeUnknown(**head, grant_id=GrantId("e1"), ticket_id=TICKET, detail="d")  # type: ignore[arg-type]
    await ledger.settle(unknown, record, use(record.usage, unknown))
    found = await ledger.find(TICKET)
    assert found is not None
    assert found.usage == msgspec.structs.replace(ONCE, unknown=1)
    assert await ledger.lane_memory(LANE) == LaneMemory(open_grant=None, counter_in=7, counter_out=None, last_seq=2)


async def test_publishing_again_does_not_forget_the_usage(ledger: RedisLedger, redis: Redis) -> None:
    grant = _grant()
    await ledger.commit_grant(grant, RECORD, use(RECORD.usage, grant))
    await RedisEntitlements(redis, SITE, SystemClock()).publish([(TICKET, RECORD)])
    found = await ledger.find(TICKET)
    assert found is not None
    assert found.usage.open_grant == "e1"


async def test_the_position_counts_trimmed_entries(ledger: RedisLedger, redis: Redis) -> None:
    stream = JournalStream(redis, SITE)
    assert (await stream.position()).appended == 1, "the ticket"
    await ledger.append([_grant(number) for number in range(1, 5)])
    await redis.xtrim(KEYS.journal, maxlen=2, approximate=False)
    position = await stream.position()
    assert position.appended == 5
    assert stream_order(position.last_id) > (0, 0)


async def test_an_entry_that_is_no_event_is_shown_as_such(redis: Redis) -> None:
    await redis.xadd(KEYS.journal, {"e": b'{"kind":"Nonsense"}'})
    (entry,) = await JournalStream(redis, SITE).read_after("0-0", 10, wait_ms=0)
    assert entry.event is None
    assert msgspec.json.decode(entry.raw) == {"kind": "Nonsense"}

"""What the parts of the gate bench share: rules and tickets of its site, its Valkey and Ray, and how a lane is put together.

Rules are all switched on (zones with passback, a lift with an interval, travel times, places and hours on every ticket), as a
site that uses none of them would make decisions cheaper than they are.
"""

import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import ray
from redis.asyncio import Redis

from actors.lane_faces import LaneFaces
from actors.lane_runtime import LaneRuntime
from orchestrator.cluster import start_local_ray
from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.access.entitlement import Entitlement, Hours, PlaceHours, TicketRecord, Usage
from resort.access.gate_rules import GateRules
from resort.access.lane_settings import LaneSettings
from resort.clock import Clock, SystemClock
from resort.ids import GateId, LaneId, RandomIds, SeededIds, TicketId
from resort.ports import AdmissionLedger, CodeSource, Turnstile
from resort.site import FaceUse, LaneLimits
from storage.entitlements_redis import RedisEntitlements
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys
from storage.valkey_server import ValkeyServer

SITE = "bench"
GATE = GateId("bench")
ZONE, LIFT = "mountain", "gondola"
PATIENCE_S = 10.0  # a bench under full load is slow, not lost
PAGE = 5_000
RULES = GateRules(
    gate_id=GATE,
    timezone=ZoneInfo("UTC"),
    zone=ZONE,
    passback="hard",
    lift=LIFT,
    min_interval_s=300,
    travel_s={GateId(f"other-{number}"): 600 for number in range(4)},
)
LIMITS = LaneLimits()


@dataclass(frozen=True, slots=True)
class Stand:
    """Stores and keys of a running bench."""

    redis: Redis
    redis_url: str
    valkey_pid: int
    keys: SiteKeys
    clock: Clock
    spools: Path  # the folder of lanes' spools


@asynccontextmanager
async def open_stand(seed: int, processes: int) -> AsyncIterator[Stand]:
    """Start Valkey and Ray for that many processes; both end with the block. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="snowgate-bench-") as name:
        folder = Path(name)
        server = ValkeyServer(folder / "valkey", folder / "valkey.sock")
        await server.start()
        redis = connect(server.url, timeout_s=PATIENCE_S)
        try:
            await redis.set(LedgerKeys(SITE).epoch, "1")
            start_local_ray(folder / "ray", processes)
            keys = SiteKeys(1, {1: random.Random(seed).randbytes(KEY_BYTES)})  # noqa: S311 - signs nothing that counts
            assert server.pid is not None
            yield Stand(redis, server.url, server.pid, keys, SystemClock(), folder / "spools")
        finally:
            ray.shutdown()
            await redis.aclose()
            await server.stop()


def day_ticket(day: date, *, again: bool = False) -> Entitlement:
    """A ticket on which every kind of rule has something to look at; `again`: it may pass at once again, as staff do."""
    return Entitlement(
        product="day",
        unit="adult",
        valid_on=day - timedelta(days=1),
        valid_until=day + timedelta(days=1),  # a run may go over midnight
        entries=None,
        days_of_use=None if again else 3,
        lane_classes=("standard",),
        blackout=(day + timedelta(days=30),),
        hours=Hours(time(0), time(0)),
        places=(PlaceHours("elsewhere"), PlaceHours(ZONE, Hours(time(0), time(0)))),
        passback=not again,
    )


async def sell(stand: Stand, seed: int, number: int, *, again: bool = False) -> list[tuple[TicketId, str]]:
    """That many tickets with their codes, known to the lanes."""
    record = TicketRecord(1, day_ticket(stand.clock.now().at.date(), again=again), Usage())
    publisher = RedisEntitlements(stand.redis, SITE, stand.clock)
    ids = SeededIds(f"bench {seed}")
    sold = [ids.ticket_id() for _ in range(number)]
    for start in range(0, number, PAGE):
        await publisher.publish([(ticket_id, record) for ticket_id in sold[start : start + PAGE]])
    return [(ticket_id, issue_code(ticket_id, stand.keys)) for ticket_id in sold]


def bench_lane(
    lane: str,
    keys: SiteKeys,
    ledger: AdmissionLedger,
    arm: Turnstile,
    source: CodeSource,
    use: FaceUse = "off",
    faces: LaneFaces | None = None,
) -> LaneRuntime:
    """A lane as lane actors build it; `faces` for one that looks at them in the way `use`."""
    settings = LaneSettings(GATE, LaneId(lane), "standard", LIMITS, RULES.timezone, rules=RULES, faces=use)
    return LaneRuntime(settings, "open", keys, ledger, arm, source, SystemClock(), RandomIds(), _fail, faces=faces)


def cpu_s(pids: list[int]) -> float:
    """Processor time that these processes took so far, in user and system mode."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(taken.user + taken.system for taken in times)


def resident_mb(pid: int) -> float:
    """Memory that a process holds now."""
    resident: int = psutil.Process(pid).memory_info().rss
    return resident / 2**20


def _fail(error: BaseException) -> None:
    raise SystemExit(f"a bench lane failed: {error}")

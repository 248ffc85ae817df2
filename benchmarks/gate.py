"""`snowgate bench gate`: lanes driven with decoded codes as fast as they go, beside limits measured in the same run.

The path is the real one (code check, look-up, decision, compare-and-set with journal append in Valkey, pulse, counter read,
outcome) in two lane processes; only the arm and the reader are instant. Limits: the bare script awaited one by one by one
asyncio client, the same 64 at a time, and bare Ray actor calls with 64 under way.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import ray
from redis.asyncio import Redis

from actors.lane_runtime import LaneRuntime
from benchmarks.instant_lane import CodeQueue, InstantArm
from orchestrator.cluster import start_local_ray
from orchestrator.measured import Measured, machine
from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_journal import LaneSettings
from resort.clock import Clock, Moment, SystemClock
from resort.figures import percentile
from resort.ids import GateId, LaneId, RandomIds, SeededIds, TicketId
from resort.messages import GrantReleased, PassageConfirmed, ScanRefused
from resort.site import LaneLimits
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import FIRST, JournalStream
from storage.redis_ledger import CHANGE, LedgerKeys, RedisLedger, connect
from storage.valkey_server import ValkeyServer

SITE = "bench"
PROCESSES = 2
LANES = 32  # in each process
USED_SHARE = 0.1  # this share of the codes is shown twice, and refused the second time
PIPELINED = 64
TICKETS_PER_S = 9_000  # sold ahead per second of measuring; codes start over (and are refused) when they run out
PAGE = 5_000


class LaneProcess:
    """Hosts `lanes` bench lanes; made remote below."""

    def __init__(self, number: int, lanes: int, redis_url: str, keys: SiteKeys, day: date) -> None:
        self._number, self._lanes, self._keys, self._day = number, lanes, keys, day
        self._redis_url = redis_url

    async def ready(self) -> bool:
        """Proof that the process is up."""
        return True

    async def run(self, codes: list[str], seconds: float) -> tuple[int, float]:
        """Drive the lanes for `seconds`; answers scans shown and seconds taken."""
        clock = SystemClock()
        ledger = RedisLedger(connect(self._redis_url, timeout_s=10.0), SITE)
        limits = LaneLimits(poll_active_ms=5, poll_idle_ms=250)
        everyone: Iterator[str] = _for_ever(codes)
        queues, runtimes = [], []
        for index in range(self._lanes):
            arm = InstantArm()
            queue = CodeQueue(everyone, arm, clock)
            lane_id = LaneId(f"bench-{self._number}-{index}")
            settings = LaneSettings(GateId("bench"), lane_id, "standard", limits, ZoneInfo("UTC"))
            runtimes.append(LaneRuntime(settings, "open", self._keys, ledger, arm, queue, clock, RandomIds(), _fail))
            queues.append(queue)
        began = clock.now()
        for runtime in runtimes:
            await runtime.start()
        await asyncio.sleep(seconds)
        shown = sum(queue.shown for queue in queues)
        took = clock.now().ms_since(began) / 1000
        await asyncio.gather(*(runtime.stop(0.5) for runtime in runtimes))
        await ledger.close()
        return shown - self._lanes, took  # the last one at each lane may not be answered


class EmptyActor:
    """The bare Ray call."""

    async def call(self) -> None:
        """Nothing."""


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run the bench: `seconds` of lanes, half of that for each limit. Raises Unavailable."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="snowgate-bench-") as folder:
        server = ValkeyServer(Path(folder) / "valkey", Path(folder) / "valkey.sock")
        await server.start()
        redis = connect(server.url, timeout_s=10.0)
        try:
            start_local_ray(Path(folder) / "ray", PROCESSES + 1)
            return await _measure(seed, seconds, redis, server.url, clock, told)
        finally:
            ray.shutdown()
            await redis.aclose()
            await server.stop()


async def _measure(seed: int, seconds: float, redis: Redis, url: str, clock: Clock, told: Callable[[str], None]) -> Measured:
    now = clock.now()
    keys = SiteKeys(1, {1: random.Random(seed).randbytes(KEY_BYTES)})  # noqa: S311 - a bench signs nothing that counts
    await redis.set(LedgerKeys(SITE).epoch, "1")
    told("selling tickets …")
    codes = await _sell(redis, keys, now, seed, int(seconds * TICKETS_PER_S))
    host: Any = ray.remote(LaneProcess).options(num_cpus=0, max_concurrency=8)
    processes = [host.remote(number, LANES, url, keys, now.at.date()) for number in range(PROCESSES)]
    await asyncio.gather(*(process.ready.remote() for process in processes))
    told(f"driving {PROCESSES} x {LANES} lanes …")
    share = len(codes) // PROCESSES
    runs = [process.run.remote(codes[n * share : (n + 1) * share], seconds) for n, process in enumerate(processes)]
    outcomes = await asyncio.gather(*runs)
    scans_per_s = sum(shown / took for shown, took in outcomes)
    for process in processes:
        ray.kill(process)
    decisions, passages = await _read_journal(redis)
    told("measuring the limits …")
    limits = {
        "redis_cas_awaited_per_s": await _redis_cas(redis, clock, seconds / 2, 1),
        "redis_cas_pipelined_per_s": await _redis_cas(redis, clock, seconds / 2, PIPELINED),
        "ray_calls_per_s": await _ray_calls(clock, seconds / 2),
    }
    figures = {
        "scans_per_s": scans_per_s,
        "passages": passages,
        "decision_p50_ms": percentile(decisions, 50),
        "decision_p99_ms": percentile(decisions, 99),
        "lanes": PROCESSES * LANES,
    }
    ratios = {
        "scans_over_redis_awaited": scans_per_s / limits["redis_cas_awaited_per_s"],
        "scans_over_redis_pipelined": scans_per_s / limits["redis_cas_pipelined_per_s"],
        "scans_over_ray_calls": scans_per_s / limits["ray_calls_per_s"],
    }
    return Measured("gate", seed, machine(), figures, limits, {name: round(value, 3) for name, value in ratios.items()})


async def _sell(redis: Redis, keys: SiteKeys, now: Moment, seed: int, number: int) -> list[str]:
    entitlement = Entitlement("single", "adult", now.at.date(), 1, ("standard",))
    publisher = RedisEntitlements(redis, SITE, SystemClock())
    ids, chance = SeededIds(f"bench {seed}"), random.Random(seed)  # noqa: S311
    codes: list[str] = []
    batch: list[tuple[TicketId, TicketRecord]] = []
    for index in range(number):
        ticket_id = ids.ticket_id()
        batch.append((ticket_id, TicketRecord(1, entitlement, Usage())))
        code = issue_code(ticket_id, keys)
        codes += [code] * (1 + (chance.random() < USED_SHARE))
        if len(batch) == PAGE or index == number - 1:
            await publisher.publish(batch)
            batch = []
    return codes


async def _read_journal(redis: Redis) -> tuple[list[float], int]:
    """Every decision's time in ms, and the number of passages."""
    decisions: list[float] = []
    passages, last = 0, FIRST
    stream = JournalStream(redis, SITE)
    while entries := await stream.read_after(last, PAGE, wait_ms=0):
        for entry in entries:
            event = entry.event
            passages += isinstance(event, PassageConfirmed)
            if isinstance(event, PassageConfirmed | GrantReleased | ScanRefused) and event.decision_ms is not None:
                decisions.append(event.decision_ms)
        last = entries[-1].stream_id
    return decisions, passages


async def _redis_cas(redis: Redis, clock: Clock, seconds: float, at_once: int) -> float:
    """Compare-and-set scripts per second by one client, `at_once` in one round trip."""
    keys = LedgerKeys(SITE)
    sha = await redis.script_load(CHANGE)
    ticket, lane = keys.ticket(f"limit{at_once}"), keys.lane(f"limit{at_once}")
    await redis.hset(ticket, mapping={"v": 1, "e": "{}", "u": "{}"})
    body = msgspec.json.encode({"kind": "limit", "body": "x" * 280})
    version, done = 1, 0
    began = clock.now()
    while clock.now().ms_since(began) < seconds * 1000:
        if at_once == 1:
            await redis.evalsha(sha, 4, keys.epoch, lane, keys.journal, ticket, version, body, b"", "", version, b"{}")
        else:
            pipeline = redis.pipeline(transaction=False)
            for step in range(version, version + at_once):
                pipeline.evalsha(sha, 4, keys.epoch, lane, keys.journal, ticket, step, body, b"", "", step, b"{}")
            await pipeline.execute()
        version += at_once
        done += at_once
    return done / (clock.now().ms_since(began) / 1000)


async def _ray_calls(clock: Clock, seconds: float) -> float:
    """Calls per second to one async actor with 64 under way."""
    actor: Any = ray.remote(EmptyActor).options(num_cpus=0, max_concurrency=128).remote()
    await actor.call.remote()
    done, began = 0, clock.now()
    while clock.now().ms_since(began) < seconds * 1000:
        await asyncio.gather(*(actor.call.remote() for _ in range(PIPELINED)))
        done += PIPELINED
    rate = done / (clock.now().ms_since(began) / 1000)
    ray.kill(actor)
    return rate


def _for_ever(codes: list[str]) -> Iterator[str]:
    while True:
        yield from codes


def _fail(error: BaseException) -> None:
    raise SystemExit(f"a bench lane failed: {error}")

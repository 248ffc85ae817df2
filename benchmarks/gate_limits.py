"""The limits that the gate bench holds its lanes against: the bare script without any lane, and bare Ray actor calls."""

import asyncio
from typing import Any

import msgspec
import ray
from redis.asyncio import Redis

from benchmarks.gate_stand import SITE
from resort.clock import Clock
from storage.redis_ledger import CHANGE, LedgerKeys

AT_ONCE = 64


class EmptyActor:
    """The bare Ray call."""

    async def call(self) -> None:
        """Nothing."""


async def redis_cas_per_s(redis: Redis, clock: Clock, seconds: float, at_once: int) -> float:
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
            call = (version, body, b"", "", version, b"{}", version + 1)
            await redis.evalsha(sha, 4, keys.epoch, lane, keys.journal, ticket, *call)
        else:
            pipeline = redis.pipeline(transaction=False)
            for step in range(version, version + at_once):
                pipeline.evalsha(sha, 4, keys.epoch, lane, keys.journal, ticket, step, body, b"", "", step, b"{}", step + 1)
            await pipeline.execute()
        version += at_once
        done += at_once
    return done / (clock.now().ms_since(began) / 1000)


async def ray_calls_per_s(clock: Clock, seconds: float) -> float:
    """Calls per second to one async actor with 64 under way."""
    actor: Any = ray.remote(EmptyActor).options(num_cpus=0, max_concurrency=2 * AT_ONCE).remote()
    await actor.call.remote()
    done, began = 0, clock.now()
    while clock.now().ms_since(began) < seconds * 1000:
        await asyncio.gather(*(actor.call.remote() for _ in range(AT_ONCE)))
        done += AT_ONCE
    rate = done / (clock.now().ms_since(began) / 1000)
    ray.kill(actor)
    return rate

"""`snowgate bench gate`: what lanes can do, beside limits measured in the same run.

The path is the real one (code check, look-up, every rule, compare-and-set with journal append in Valkey, pulse, counter read,
outcome, each event on the lane's own disk too), with codes already decoded. In turn:

- rush: 64 lanes in two processes as fast as they go, with instant arms; limits: the bare script awaited one by one by one
  asyncio client, the same 64 at a time, and bare Ray actor calls with 64 under way;
- arrivals: guests at random, 500 a second over 10 lanes, whether or not a lane is free; how long each waits for the verdict;
- cycle: processor time of a passage over real Modbus TCP against that of its parts measured alone, one at a time and, for
  comparison, ten at once (`gate_cycle.py`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import ray

from benchmarks.gate_cycle import CycleProcess, SteelProcess
from benchmarks.gate_lanes import LaneProcess
from benchmarks.gate_ledger import journal_says_stored
from benchmarks.gate_limits import AT_ONCE, ray_calls_per_s, redis_cas_per_s
from benchmarks.gate_stand import PAGE, SITE, Stand, cpu_s, open_stand, sell
from orchestrator.measured import Measured, machine
from resort.figures import percentile
from resort.messages import GrantReleased, PassageConfirmed, ScanRefused
from storage.journal_stream import FIRST, JournalStream

PROCESSES = 2
LANES = 32  # in each process
USED_SHARE = 0.1  # this share of the codes is shown twice, and refused the second time
TICKETS_PER_S = 9_000  # sold ahead per second of measuring; codes start over (and are refused) when they run out
ARRIVALS_PER_S = 500
ARRIVAL_LANES = 10
WARM_S = 0.5
CYCLE_AT_ONCE = {"": 1, "ten_": 10}  # how many are under way; names of figures begin so
CYCLE_ROUNDS = 3  # whole and parts in turn, as a machine's speed changes over seconds
# How often a passage needs each part.
PARTS = {"verify": 1, "find": 1, "decide": 1, "grant": 1, "spool": 2, "pulse": 1, "lamp": 2, "rotation": 1, "passage": 1}
CYCLE_TICKETS_PER_S = 2_500


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run the bench: `seconds` of rush and of arrivals, half of that for each limit, four times that for each cycle.
    Raises Unavailable."""
    figures: dict[str, float] = {}
    limits: dict[str, float] = {}
    async with open_stand(seed, PROCESSES + 3) as stand:
        told("selling tickets …")
        codes = await _codes(stand, seed, int(seconds * TICKETS_PER_S))
        told(f"driving {PROCESSES} x {LANES} lanes …")
        figures |= await _rush(stand, codes, seconds)
        told("measuring the limits …")
        limits["redis_cas_awaited_per_s"] = await redis_cas_per_s(stand.redis, stand.clock, seconds / 2, 1)
        limits["redis_cas_pipelined_per_s"] = await redis_cas_per_s(stand.redis, stand.clock, seconds / 2, AT_ONCE)
        limits["ray_calls_per_s"] = await ray_calls_per_s(stand.clock, seconds / 2)
        told(f"letting {ARRIVALS_PER_S} guests a second come to {ARRIVAL_LANES} lanes …")
        figures |= await _arrivals(stand, seed, seconds)
        told("measuring a passage and its parts …")
        cycles = await _cycles(stand, seed, seconds)
    for prefix, (whole_us, parts_us) in cycles.items():
        figures[f"{prefix}cycle_cpu_us"] = whole_us
        limits |= {f"{prefix}{name}_cpu_us": part_us for name, part_us in parts_us.items()}
        limits[f"{prefix}parts_cpu_us"] = sum(parts_us[name] * times for name, times in PARTS.items())
    scans_per_s = figures["scans_per_s"]
    ratios = {
        "scans_over_redis_awaited": scans_per_s / limits["redis_cas_awaited_per_s"],
        "scans_over_redis_pipelined": scans_per_s / limits["redis_cas_pipelined_per_s"],
        "scans_over_ray_calls": scans_per_s / limits["ray_calls_per_s"],
        "cycle_cpu_over_parts": figures["cycle_cpu_us"] / limits["parts_cpu_us"],
        "ten_cycle_cpu_over_parts": figures["ten_cycle_cpu_us"] / limits["ten_parts_cpu_us"],
    }
    return Measured("gate", seed, machine(), figures, limits, {name: round(value, 3) for name, value in ratios.items()})


@asynccontextmanager
async def lane_processes(stand: Stand, lanes: Sequence[str]) -> AsyncIterator[list[Any]]:
    """Handles of `PROCESSES` new lane processes that share these lanes, and a journal's word for them."""
    host: Any = ray.remote(LaneProcess).options(num_cpus=0, max_concurrency=8)
    processes = [host.remote(share, stand.redis_url, stand.keys, stand.spools) for share in shares(lanes, PROCESSES)]
    async with journal_says_stored(stand.redis, SITE, lanes):
        yield processes
    for process in processes:
        ray.kill(process)


def shares(things: Sequence[str], number: int) -> list[list[str]]:
    """Codes or lanes dealt out to that many processes."""
    return [list(things[index::number]) for index in range(number)]


async def _codes(stand: Stand, seed: int, number: int) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 - which codes are shown twice
    # A code's second showing is a while after the first one, at another lane.
    codes: list[str] = []
    for _, code in await sell(stand, seed, number):
        codes.append(code)
        if chance.random() < USED_SHARE and len(codes) > 2 * AT_ONCE:
            codes.append(codes[-2 * AT_ONCE])
    return codes


async def _rush(stand: Stand, codes: Sequence[str], seconds: float) -> dict[str, float]:
    async with lane_processes(stand, [f"rush-{number}" for number in range(PROCESSES * LANES)]) as processes:
        pids = [stand.valkey_pid, *await asyncio.gather(*(process.pid.remote() for process in processes))]
        before_s = cpu_s(pids)
        dealt = zip(processes, shares(codes, PROCESSES), strict=True)
        outcomes = await asyncio.gather(*(process.rush.remote(share, seconds) for process, share in dealt))
        used_s = cpu_s(pids) - before_s
    decisions, passages = await _read_journal(stand)
    return {
        "scans_per_s": sum(shown / took for shown, took in outcomes),
        "scan_cpu_us": used_s / sum(shown for shown, _ in outcomes) * 1e6,
        "passages": passages,
        "lanes": PROCESSES * LANES,
        "rush_decision_p50_ms": percentile(decisions, 50),
        "rush_decision_p99_ms": percentile(decisions, 99),
    }


async def _read_journal(stand: Stand) -> tuple[list[float], int]:
    """Every decision's time in ms, and the number of passages."""
    decisions: list[float] = []
    passages, last = 0, FIRST
    stream = JournalStream(stand.redis, SITE)
    while entries := await stream.read_after(last, PAGE, wait_ms=0):
        for entry in entries:
            event = entry.event
            passages += isinstance(event, PassageConfirmed)
            if isinstance(event, PassageConfirmed | GrantReleased | ScanRefused) and event.decision_ms is not None:
                decisions.append(event.decision_ms)
        last = entries[-1].stream_id
    return decisions, passages


async def _arrivals(stand: Stand, seed: int, seconds: float) -> dict[str, float]:
    codes = [code for _, code in await sell(stand, seed + 1, int((seconds + WARM_S) * ARRIVALS_PER_S * 1.2))]
    async with lane_processes(stand, [f"open-{number}" for number in range(ARRIVAL_LANES)]) as processes:
        dealt = zip(processes, shares(codes, PROCESSES), strict=True)
        await asyncio.gather(*(process.open.remote(share) for process, share in dealt))
        per_s = ARRIVALS_PER_S / PROCESSES
        await asyncio.gather(*(process.arrive.remote(per_s, WARM_S, seed) for process in processes))
        runs = [process.arrive.remote(per_s, seconds, seed + 1 + number) for number, process in enumerate(processes)]
        waits_ms = [wait_ms for of_process in await asyncio.gather(*runs) for wait_ms in of_process]
        await asyncio.gather(*(process.close.remote() for process in processes))
    return {
        "arrivals_per_s": len(waits_ms) / seconds,
        "arrival_lanes": ARRIVAL_LANES,
        "decision_p50_ms": percentile(waits_ms, 50),
        "decision_p99_ms": percentile(waits_ms, 99),
    }


async def _cycles(stand: Stand, seed: int, seconds: float) -> dict[str, tuple[float, dict[str, float]]]:
    """By prefix: microseconds of processor time of a passage, and of each of its parts."""
    number = max(CYCLE_AT_ONCE.values())
    steel: Any = ray.remote(SteelProcess).options(num_cpus=0, max_concurrency=8).remote()
    ports = await steel.start.remote(number)
    sold = await sell(stand, seed + 2, number + int(2 * seconds * CYCLE_TICKETS_PER_S))
    host: Any = ray.remote(CycleProcess).options(num_cpus=0, max_concurrency=8)
    process = host.remote(stand.redis_url, stand.keys, ports, sold, stand.spools)
    lanes, spooled = CycleProcess.lanes(number)
    async with journal_says_stored(stand.redis, SITE, lanes, spooled):
        pids = [stand.valkey_pid, await steel.pid.remote(), await process.start.remote()]
        cycles = {prefix: await _cycle(process, pids, at_once, seconds) for prefix, at_once in CYCLE_AT_ONCE.items()}
        await process.close.remote()
    await steel.stop.remote()
    ray.kill(process)
    ray.kill(steel)
    return cycles


async def _cycle(process: Any, pids: list[int], at_once: int, seconds: float) -> tuple[float, dict[str, float]]:
    done: dict[str, int] = dict.fromkeys(("whole", *PARTS), 0)
    used_s: dict[str, float] = dict.fromkeys(done, 0.0)
    for _ in range(CYCLE_ROUNDS):
        for name in done:
            before_s = cpu_s(pids)
            if name == "whole":
                done[name] += await process.whole.remote(at_once, seconds / CYCLE_ROUNDS)
            else:
                done[name] += await process.part.remote(name, at_once, seconds / CYCLE_ROUNDS / 3)
            used_s[name] += cpu_s(pids) - before_s
    each_us = {name: used_s[name] / max(1, times) * 1e6 for name, times in done.items()}
    return each_us.pop("whole"), each_us

"""`snowgate bench soak --seconds 600`: do lanes keep their memory while guests keep coming?

Two lane processes, ten lanes, 500 guests a second who may pass again and again. Memory is read at the beginning of each
slice of the run. The first tenth, in which buffers and caches fill, is not counted: growth is from the median of the tenth
after it to the median of the last one, of the process that grew most. The journal stream is trimmed, as the journal does.
"""

import asyncio
from collections.abc import Callable
from statistics import median

from benchmarks.gate import ARRIVAL_LANES, ARRIVALS_PER_S, PROCESSES, lane_processes, shares
from benchmarks.gate_stand import SITE, open_stand, resident_mb, sell
from orchestrator.measured import Measured, machine
from resort.figures import percentile
from storage.redis_ledger import LedgerKeys

TICKETS = 5_000
SLICES = 100
STREAM_KEPT = 10_000


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it for `seconds`. Raises Unavailable."""
    per_s, slice_s = ARRIVALS_PER_S / PROCESSES, seconds / SLICES
    async with open_stand(seed, PROCESSES + 1) as stand:
        codes = [code for _, code in await sell(stand, seed, TICKETS, again=True)]
        told(f"{ARRIVALS_PER_S} guests a second for {seconds:g} s …")
        held: list[list[float]] = [[] for _ in range(PROCESSES)]
        worst_ms: list[float] = []
        scans = 0
        async with lane_processes(stand, [f"soak-{number}" for number in range(ARRIVAL_LANES)]) as processes:
            pids = await asyncio.gather(*(process.pid.remote() for process in processes))
            dealt = zip(processes, shares(codes, PROCESSES), strict=True)
            await asyncio.gather(*(process.open.remote(share) for process, share in dealt))
            for number in range(SLICES):
                runs = [process.arrive.remote(per_s, slice_s, seed + number) for process in processes]
                waits_ms = [wait_ms for of_process in await asyncio.gather(*runs) for wait_ms in of_process]
                scans += len(waits_ms)
                if waits_ms:
                    worst_ms.append(percentile(waits_ms, 99))
                for memory, pid in zip(held, pids, strict=True):
                    memory.append(resident_mb(pid))
                await stand.redis.xtrim(LedgerKeys(SITE).journal, maxlen=STREAM_KEPT, approximate=True)
            await asyncio.gather(*(process.close.remote() for process in processes))
    figures = {"seconds": seconds, "scans": scans, **_growth(held)}
    figures["slice_p99_median_ms"], figures["slice_p99_worst_ms"] = median(worst_ms), max(worst_ms)
    ratios = {"lane_memory_end_over_start": round(figures["lane_end_mb"] / figures["lane_start_mb"], 4)}
    return Measured("soak", seed, machine(), figures, {}, ratios)


def _growth(held: list[list[float]]) -> dict[str, float]:
    """Of the process that grew most."""
    tenth = SLICES // 10
    ends = [(median(memory[tenth : 2 * tenth]), median(memory[-tenth:])) for memory in held]
    start_mb, end_mb = max(ends, key=lambda pair: pair[1] - pair[0])
    return {"lane_start_mb": start_mb, "lane_end_mb": end_mb, "lane_growth_mb": max(0.0, end_mb - start_mb)}

"""`snowgate bench open`: how long guests wait from holding up a code until the arm is free, while cameras film all the time.

Four lanes, each in a process of its own, with an MJPEG camera at 15 frames a second over HTTP and a controller over Modbus
TCP, both played by one process on the same machine; codes are tilted, blurred and noisy as in the rehearsal. What is measured
begins where the guest begins: the wait for the next frame, its way, its reading, decision, disk and pulse. Beside it stands
what lanes note themselves (from the frame received to the pulse acknowledged), and as limits of the same run the parts alone:
the reader on one frame after the other, the ledger, the disk, the pulse.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import ray

from benchmarks.filmed_lanes import DIFFICULTY, FilmedGuests, FilmedLane
from benchmarks.gate_cycle import CycleProcess, SteelProcess
from benchmarks.gate_ledger import journal_says_stored
from benchmarks.gate_stand import PAGE, SITE, Stand, cpu_s, open_stand, sell
from devices.code_reader import CodeReader
from orchestrator.measured import Measured, machine
from resort.figures import percentile
from resort.messages import PassageConfirmed
from sim.scene import Scene, SceneRenderer
from storage.journal_stream import FIRST, JournalStream

LANES = 4
FPS = 15.0
BAR_MS = 300.0
GUESTS_PER_S = 2  # at one lane at the most
WARM_S = 2.0
FRAMES_READ = 60


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Film for `seconds`, then measure the parts. Raises Unavailable."""
    async with open_stand(seed, LANES + 3) as stand:
        told(f"filming {LANES} lanes {FPS:.0f} times a second …")
        figures = await _film(stand, seed, seconds)
        told("measuring the parts …")
        limits = {"bar_ms": BAR_MS, "frame_every_ms": 1000 / FPS, **await _parts(stand, seed, seconds)}
    parts_ms = sum(limits[name] for name in ("read_p50_ms", "find_ms", "grant_ms", "spool_ms", "pulse_ms"))
    ratios = {
        "open_p99_over_bar": figures["open_p99_ms"] / BAR_MS,
        "lane_open_p50_over_parts": figures["lane_open_p50_ms"] / parts_ms,
    }
    return Measured("open", seed, machine(), figures, limits, {name: round(value, 3) for name, value in ratios.items()})


async def _film(stand: Stand, seed: int, seconds: float) -> dict[str, float]:
    names = [f"filmed-{number}" for number in range(LANES)]
    guests: Any = ray.remote(FilmedGuests).options(num_cpus=0, max_concurrency=4).remote()
    host: Any = ray.remote(FilmedLane).options(num_cpus=0, max_concurrency=4)
    lanes = [host.remote() for _ in names]
    codes = [code for _, code in await sell(stand, seed, int((seconds + WARM_S) * LANES * GUESTS_PER_S) + LANES)]
    async with journal_says_stored(stand.redis, SITE, names):
        devices = await guests.start.remote(names, FPS)
        opening = [
            lane.start.remote(name, camera, port, stand.keys, stand.redis_url, stand.spools)
            for lane, name, (camera, port) in zip(lanes, names, devices, strict=True)
        ]
        pids = await asyncio.gather(*opening)
        warm = int(WARM_S * LANES * GUESTS_PER_S) + LANES
        await guests.play.remote(codes[:warm], WARM_S, seed)
        before_s, after = cpu_s(pids), await _last(stand)
        waits_ms, gave_up, fps = await guests.play.remote(codes[warm:], seconds, seed + 1)
        used_s = cpu_s(pids) - before_s
        opens_ms = await _opens(stand, after)
        await asyncio.gather(*(lane.stop.remote() for lane in lanes))
        await guests.stop.remote()
    for process in (*lanes, guests):
        ray.kill(process)
    return {
        "lanes": LANES,
        "frames_per_s_each": fps,
        "guests": len(waits_ms),
        "gave_up": gave_up,
        "open_p50_ms": percentile(waits_ms, 50),
        "open_p95_ms": percentile(waits_ms, 95),
        "open_p99_ms": percentile(waits_ms, 99),
        "open_max_ms": max(waits_ms),
        "lane_open_p50_ms": percentile(opens_ms, 50),
        "lane_open_p99_ms": percentile(opens_ms, 99),
        "lane_cpu_share": used_s / seconds / LANES,
    }


async def _last(stand: Stand) -> str:
    stream, last = JournalStream(stand.redis, SITE), FIRST
    while entries := await stream.read_after(last, PAGE, wait_ms=0):
        last = entries[-1].stream_id
    return last


async def _opens(stand: Stand, last: str) -> list[float]:
    opens_ms: list[float] = []
    stream = JournalStream(stand.redis, SITE)
    while entries := await stream.read_after(last, PAGE, wait_ms=0):
        opened = [entry.event for entry in entries if isinstance(entry.event, PassageConfirmed)]
        opens_ms += [event.open_ms for event in opened if event.open_ms is not None]
        last = entries[-1].stream_id
    return opens_ms


async def _parts(stand: Stand, seed: int, seconds: float) -> dict[str, float]:
    """Milliseconds of each part, one at a time on a machine that does nothing else."""
    reads_ms = await asyncio.to_thread(_reads, stand, seed, [code for _, code in await sell(stand, seed + 1, FRAMES_READ)])
    steel: Any = ray.remote(SteelProcess).options(num_cpus=0, max_concurrency=8).remote()
    ports = await steel.start.remote(1)
    sold = await sell(stand, seed + 2, 2)
    process: Any = ray.remote(CycleProcess).options(num_cpus=0, max_concurrency=8)
    parts = process.remote(stand.redis_url, stand.keys, ports, sold, stand.spools)
    names, spooled = CycleProcess.lanes(1)
    each_ms = {}
    async with journal_says_stored(stand.redis, SITE, names, spooled):
        await parts.start.remote()
        for part in ("find", "grant", "spool", "pulse"):
            share_s = seconds / 8
            each_ms[f"{part}_ms"] = share_s * 1000 / max(1, await parts.part.remote(part, 1, share_s))
        await parts.close.remote()
    await steel.stop.remote()
    for actor in (parts, steel):
        ray.kill(actor)
    return {"read_p50_ms": percentile(reads_ms, 50), **each_ms}


def _reads(stand: Stand, seed: int, codes: list[str]) -> list[float]:
    renderer, reader, dice = SceneRenderer(), CodeReader(), random.Random(seed)  # noqa: S311 - how codes are held
    frames = [
        renderer.frame(Scene(code, dice.getrandbits(32), dice.uniform(0.0, DIFFICULTY)), number)
        for number, code in enumerate(codes)
    ]
    reads_ms = []
    for frame in frames:
        began = stand.clock.now()
        reader.read(frame)
        reads_ms.append(stand.clock.now().ms_since(began))
    return reads_ms

"""`snowgate bench open`: how long guests wait from holding up a code, a code and a face, or a face alone until the arm is free,
while cameras film all the time.

Four lanes, each in a process of its own, with an MJPEG camera at 15 frames a second over HTTP and a controller over Modbus
TCP, both played by one process on the same machine. Three runs, one after the other:

- codes, tilted, blurred and noisy as in the rehearsal, at lanes that look at no face;
- `one_to_one`: a code beside its holder's face, at lanes that compare it;
- `face_alone`: no code, at lanes that look for the face among 10,000 holders, held by two inference actors.

What is measured begins where the guest begins: the wait for the next frame, its way, its reading, decision, disk and pulse; of
a face alone also the three frames that have to agree. Beside it stands what lanes note themselves (from the frame received to
the pulse acknowledged), what became of the frames, and as limits of the same run the parts alone: the picture decoded, the
reader on one frame after the other, the ledger, the disk, the pulse.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import ray

from benchmarks.face_pool import RandomFaces, open_pool
from benchmarks.filmed_faces import HOLDERS, SHARDS, FilmedGuest, FilmedPerson, enrol, faces_site, people
from benchmarks.filmed_lanes import DIFFICULTY, FilmedCounts, FilmedGuests, FilmedLane, LookingAtFaces
from benchmarks.gate_cycle import CycleProcess, SteelProcess
from benchmarks.gate_ledger import journal_says_stored
from benchmarks.gate_stand import PAGE, SITE, Stand, cpu_s, open_stand, sell
from devices.code_reader import CodeReader
from devices.picture import grey_of
from orchestrator.measured import Measured, machine
from resort.faces import StoredFace
from resort.figures import percentile
from resort.messages import PassageConfirmed
from resort.site import FaceUse
from sim.scene import Scene, SceneRenderer
from storage.journal_stream import FIRST, JournalStream

LANES = 4
FPS = 15.0
BAR_MS = 300.0
GUESTS_PER_S = 2  # at one lane at the most
WARM_S = 2.0
FACES_WARM_S = 6.0  # the empty scene is learned, and everybody's process is awake
FRAMES_READ = 60
ONE_TO_ONE, FACE_ALONE = "one_to_one", "face_alone"


class Filmed(msgspec.Struct, frozen=True):
    """One run: the name of its figures, the lanes, who comes to each, and what the lanes do with faces."""

    name: str
    lanes: list[str]
    guests: list[list[FilmedGuest]]
    looking: list[LookingAtFaces | None]
    warm_s: float

    def names(self, figures: dict[str, float]) -> dict[str, float]:
        """Figures under this run's name."""
        return {f"{self.name}_{figure}" if self.name else figure: value for figure, value in figures.items()}


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Film for `seconds` three times, then measure the parts. Raises PartMissing, Unavailable."""
    told("fetching the photographs …")
    album = await asyncio.to_thread(people)
    async with open_stand(seed, LANES + SHARDS + 3) as stand:
        told(f"filming codes at {LANES} lanes {FPS:.0f} times a second …")
        figures = {"lanes": float(LANES), **await _film(stand, await _codes(stand, seed, seconds), seed, seconds)}
        told(f"enrolling {len(album)} faces for each lane …")
        runs, faces = await _faces(stand, seed, album)
        async with open_pool(faces_site([lane for run in runs for lane in run.lanes]), RandomFaces(seed, faces, HOLDERS)):
            for run in runs:
                told(f"filming {run.name.replace('_', ' ')} …")
                figures |= await _film(stand, run, seed, seconds)
        told("measuring the parts …")
        limits = {"bar_ms": BAR_MS, "frame_every_ms": 1000 / FPS, **await _parts(stand, seed, seconds)}
    parts_ms = sum(limits[name] for name in ("read_p50_ms", "find_ms", "grant_ms", "spool_ms", "pulse_ms"))
    ratios = {
        "open_p99_over_bar": figures["open_p99_ms"] / BAR_MS,
        "one_to_one_open_p99_over_bar": figures["one_to_one_open_p99_ms"] / BAR_MS,
        "face_alone_open_p99_over_bar": figures["face_alone_open_p99_ms"] / BAR_MS,
        "lane_open_p50_over_parts": figures["lane_open_p50_ms"] / parts_ms,
    }
    return Measured("open", seed, machine(), figures, limits, {name: round(value, 3) for name, value in ratios.items()})


async def _codes(stand: Stand, seed: int, seconds: float) -> Filmed:
    """Guests with codes, each of whom comes once."""
    each = int((seconds + WARM_S) * GUESTS_PER_S) + 2
    codes = [code for _, code in await sell(stand, seed, LANES * each)]
    lanes = [f"filmed-{number}" for number in range(LANES)]
    guests = [[FilmedGuest(code) for code in codes[number::LANES]] for number in range(LANES)]
    return Filmed("", lanes, guests, [None] * LANES, WARM_S)


async def _faces(stand: Stand, seed: int, album: Sequence[FilmedPerson]) -> tuple[list[Filmed], list[StoredFace]]:
    """Both runs with faces, and all faces that are enrolled for them."""
    uses: dict[str, FaceUse] = {ONE_TO_ONE: "verify", FACE_ALONE: "identify"}
    runs, enrolled = [], []
    for name, use in uses.items():
        lanes = [f"{name}-{number}".replace("_", "-") for number in range(LANES)]
        site = faces_site(lanes).faces
        assert site is not None
        guests = []
        for lane in lanes:
            comers, faces = await enrol(stand, seed, lane, album)
            enrolled += faces
            guests.append([msgspec.structs.replace(comer, code=None) for comer in comers] if use == "identify" else comers)
        runs.append(Filmed(name, lanes, guests, [LookingAtFaces(site, use, number) for number in range(LANES)], FACES_WARM_S))
    return runs, enrolled


async def _film(stand: Stand, run: Filmed, seed: int, seconds: float) -> dict[str, float]:
    guests: Any = ray.remote(FilmedGuests).options(num_cpus=0, max_concurrency=4).remote()
    host: Any = ray.remote(FilmedLane).options(num_cpus=0, max_concurrency=4)
    lanes = [host.remote() for _ in run.lanes]
    async with journal_says_stored(stand.redis, SITE, run.lanes):
        devices = await guests.start.remote(run.lanes, FPS, run.guests)
        opening = [
            lane.start.remote(name, camera, port, stand.keys, stand.redis_url, stand.spools, looking)
            for lane, name, (camera, port), looking in zip(lanes, run.lanes, devices, run.looking, strict=True)
        ]
        pids = await asyncio.gather(*opening)
        await guests.play.remote(run.warm_s, seed)
        await _counts(lanes)
        before_s, after = cpu_s(pids), await _last(stand)
        waits_ms, gave_up, fps = await guests.play.remote(seconds, seed + 1)
        used_s = cpu_s(pids) - before_s
        counts, opens_ms = await _counts(lanes), await _opens(stand, after)
        await asyncio.gather(*(lane.stop.remote() for lane in lanes))
        await guests.stop.remote()
    for process in (*lanes, guests):
        ray.kill(process)
    return run.names(
        {
            "frames_per_s_each": fps,
            **_of_frames(counts),
            "guests": len(waits_ms),
            "gave_up": gave_up,
            "open_p50_ms": percentile(waits_ms, 50),
            "open_p95_ms": percentile(waits_ms, 95),
            "open_p99_ms": percentile(waits_ms, 99),
            "open_max_ms": max(waits_ms, default=0.0),
            "lane_open_p50_ms": percentile(opens_ms, 50),
            "lane_open_p99_ms": percentile(opens_ms, 99),
            "lane_cpu_share": used_s / seconds / LANES,
        }
    )


async def _counts(lanes: Iterable[Any]) -> list[FilmedCounts]:
    return list(await asyncio.gather(*(lane.counted.remote() for lane in lanes)))


def _of_frames(counts: Sequence[FilmedCounts]) -> dict[str, float]:
    """What became of all lanes' frames."""
    received, reads_ms = sum(count.received for count in counts), [read for count in counts for read in count.reads_ms]
    return {
        "frames_received": received,
        "frames_dropped": sum(count.dropped for count in counts),
        "frame_p50_ms": percentile(reads_ms, 50),
        "frame_p99_ms": percentile(reads_ms, 99),
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
    codes = [code for _, code in await sell(stand, seed + 1, FRAMES_READ)]
    decodes_ms, reads_ms = await asyncio.to_thread(_reads, stand, seed, codes)
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
    return {"decode_p50_ms": percentile(decodes_ms, 50), "read_p50_ms": percentile(reads_ms, 50), **each_ms}


def _reads(stand: Stand, seed: int, codes: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds for each frame: decoding its picture, and reading it whole."""
    renderer, reader, dice = SceneRenderer(), CodeReader(), random.Random(seed)  # noqa: S311 - how codes are held
    frames = [
        renderer.frame(Scene(code, dice.getrandbits(32), dice.uniform(0.0, DIFFICULTY)), number)
        for number, code in enumerate(codes)
    ]
    decodes_ms, reads_ms = [], []
    for frame in frames:
        began = stand.clock.now()
        grey_of(frame)
        decoded = stand.clock.now()
        reader.read(frame)
        decodes_ms.append(decoded.ms_since(began))
        reads_ms.append(stand.clock.now().ms_since(decoded))
    return decodes_ms, reads_ms

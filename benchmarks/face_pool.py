"""The pool's part of `snowgate bench face`: the same work through Ray, with two inference actors that share 100,000 holders.

- next frame: a walk-up lane asks about its last three frames, the newest of which the pool has not seen; limit 120 ms;
- lane: three frames as far apart as at a lane, each of the first two sent ahead as it does; from the last to the answer;
- three frames: none of the three was seen before;
- compare: one new frame against the holder of a ticket;
- rank: three frames that are read already, among 100,000 at both shards at once; limit 10 ms.

All but one of the faces are random directions, handed to the actors as changes; storing and decrypting is not measured.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import ray

from actors.face_messages import SeenFrames
from actors.inference import InferenceActor, InferenceHosting
from actors.inference_client import FacesClient
from actors.inference_link import RayInference
from actors.names import inference_name
from ml_models.face_embedder import LENGTH, Vector, normalised, packed
from ml_models.face_reader import FaceReader
from ml_models.pictures import open_picture
from orchestrator.cluster import booted, start_local_ray
from resort.clock import SystemClock
from resort.errors import Unavailable
from resort.faces import FaceChange, StoredFace
from resort.figures import percentile
from resort.ids import GateId, TicketId
from resort.site import FacesSite, GateSite, Site, TariffSite
from resort.texts import Text

SHARDS = 2
HOLDERS = 100_000
FRAMES = 3
FRAME_EVERY_S = 1 / 15  # of a lane's camera
GATE = GateId("bench")
READY_S = 120.0
LOOK_S = 0.2
WARM_CALLS = 3


class RandomFaces:
    """`FaceChanges` that are made up as they are read: the real faces, then random ones, the same for a seed."""

    def __init__(self, seed: int, real: Sequence[StoredFace], size: int) -> None:
        self._seed, self._real, self._size = seed, real, size

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port; the version is how many there were."""
        numbers = range(version, min(self._size, version + limit))
        drawn = np.random.default_rng((self._seed, version)).standard_normal((len(numbers), LENGTH), np.float32)
        return [self._change(number, row) for number, row in zip(numbers, drawn, strict=True)]

    def _change(self, number: int, row: Vector) -> FaceChange:
        if number < len(self._real):
            return FaceChange(number + 1, self._real[number].ticket_id, self._real[number])
        real = self._real[0]
        ticket_id = TicketId(f"{number:016x}")
        face = StoredFace(
            ticket_id=ticket_id,
            model_id=real.model_id,
            vector=packed(normalised(row)),
            valid_on=real.valid_on,
            valid_until=real.valid_until,
        )
        return FaceChange(number + 1, ticket_id, face)


async def pool_figures(seed: int, frame: bytes, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Figures, and as a limit what two calls at once cost that do nothing. `frame`: a lane camera's JPEG of somebody. Raises
    PartMissing, Unavailable."""
    today = SystemClock().now().at.date()
    real = _stored(frame, today)
    site = Site(
        Text("台", "Bench"), "UTC", [GateSite(GATE, Text("门", "Gate"), [])], [], TariffSite("bench"),
        faces=FacesSite(inference_actors=SHARDS),
    )  # fmt: skip
    clock = SystemClock()
    began = clock.now()
    async with _pool(site, RandomFaces(seed, [real], HOLDERS)) as client:
        figures = {"pool_ready_s": clock.now().ms_since(began) / 1000}
        fresh = _fresh(frame)
        window = [next(fresh) for _ in range(FRAMES)]
        links = [RayInference(shard) for shard in range(SHARDS)]
        seen = await links[0].see(window)
        decision = await client.identify(GATE, window)
        figures["pool_holder_found"] = float(decision.holder == real.ticket_id and decision.holders == HOLDERS)

        async def next_frame() -> None:
            window[:] = [*window[1:], next(fresh)]
            await client.identify(GATE, window)

        ahead: list[asyncio.Task[None]] = []

        async def lane_frames() -> None:
            ahead.clear()
            for _ in range(FRAMES - 1):
                window[:] = [*window[1:], next(fresh)]
                ahead.append(asyncio.create_task(client.read_ahead(window[-1])))
                await asyncio.sleep(FRAME_EVERY_S)
            window[:] = [*window[1:], next(fresh)]

        figures["pool_lane_p50_ms"], figures["pool_lane_p99_ms"] = await _timed(
            lambda: client.identify(GATE, window), seconds, lane_frames
        )
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "pool_next_frame": next_frame,
            "pool_three_frames": lambda: client.identify(GATE, [next(fresh) for _ in range(FRAMES)]),
            "pool_compare": lambda: client.compare(real.ticket_id, [next(fresh)]),
            "pool_rank_1e5": lambda: _rank(links, seen),
        }
        for name, call in calls.items():
            figures[f"{name}_p50_ms"], figures[f"{name}_p99_ms"] = await _timed(call, seconds)
        idle_ms, _ = await _timed(client.figures, seconds)
    return figures, {"pool_idle_calls_p50_ms": idle_ms}


def _stored(frame: bytes, today: date) -> StoredFace:
    """Whoever is before the lane, enrolled."""
    reading = FaceReader().read(open_picture(frame))
    assert reading.vector is not None, "the bench's frame shows a face"
    return StoredFace(
        ticket_id=TicketId("f" * 16),
        model_id=reading.model_id,
        vector=packed(reading.vector),
        valid_on=today - timedelta(days=1),
        valid_until=today + timedelta(days=1),  # a run may go over midnight
    )


def _fresh(frame: bytes) -> Iterator[bytes]:
    """The frame again and again, each time as one that nobody saw before: what follows a JPEG's end is not looked at."""
    return (frame + number.to_bytes(8, "big") for number in count())


async def _rank(links: Sequence[RayInference], seen: SeenFrames) -> None:
    await asyncio.gather(*(link.rank(GATE, seen) for link in links))


async def _nothing() -> None:
    """What goes before most calls."""


async def _timed(
    call: Callable[[], Awaitable[object]], seconds: float, before_each: Callable[[], Awaitable[None]] = _nothing
) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds, one call after the other over `seconds`; without what goes before each."""
    clock = SystemClock()
    for _ in range(WARM_CALLS):
        await before_each()
        await call()
    walls: list[float] = []
    began = clock.now()
    while clock.now().ms_since(began) < seconds * 1000 or not walls:
        await before_each()
        before = clock.now()
        await call()
        walls.append(clock.now().ms_since(before))
    return percentile(walls, 50), percentile(walls, 99)


@asynccontextmanager
async def _pool(site: Site, faces: RandomFaces) -> AsyncIterator[FacesClient]:
    """The actors of a site on a Ray of their own, their galleries whole. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="snowgate-bench-") as folder:
        start_local_ray(Path(folder) / "ray", SHARDS)
        try:
            async with open_pool(site, faces) as client:
                yield client
        finally:
            ray.shutdown()


@asynccontextmanager
async def open_pool(site: Site, faces: RandomFaces) -> AsyncIterator[FacesClient]:
    """The actors of a site with faces on the running Ray, their galleries whole, until the block ends. Raises Unavailable."""
    assert site.faces is not None
    handles: list[Any] = [
        ray.remote(booted(InferenceActor))
        .options(name=inference_name(shard), num_cpus=0, max_restarts=-1, max_concurrency=64)
        .remote(InferenceHosting(site, shard, "", os.devnull), SystemClock(), faces)
        for shard in range(site.faces.inference_actors)
    ]
    try:
        client = FacesClient(site.faces)
        await _until_whole(client)
        yield client
        await asyncio.gather(*(handle.close.remote() for handle in handles))
    finally:
        for handle in handles:
            ray.kill(handle)


async def _until_whole(client: FacesClient) -> None:
    """Until every shard holds what it should."""
    try:
        async with asyncio.timeout(READY_S):
            while not await _whole(client):  # noqa: ASYNC110 - another process reads, and tells nobody
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Unavailable("The inference pool", f"it is not ready after {READY_S:g} s") from None


async def _whole(client: FacesClient) -> bool:
    return all(figures is not None and figures.holders is not None for figures in await client.figures())

"""Both sides of the `open` bench: a process that plays cameras, controllers and guests, and one that runs a lane, which may
look at faces."""

import asyncio
import os
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import msgspec

from actors.collecting import collect_seldom
from actors.inference_client import FacesClient
from actors.lane_faces import FaceLimits, LaneFaces
from benchmarks.filmed_faces import FilmedGuest, StampedFace
from benchmarks.gate_ledger import BenchLedger
from benchmarks.gate_stand import GATE, LIMITS, PATIENCE_S, SITE, bench_lane
from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader, Reading
from devices.mjpeg import MjpegCamera
from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import open_turnstile
from resort.access.codes import SiteKeys
from resort.clock import Clock, Moment, SystemClock
from resort.ids import GateId
from resort.site import FacesSite, FaceUse, TurnstileSite
from sim.camera_server import CameraServer
from sim.scene import Scene
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

PROFILE = "pulse_coil"
GAP_S = (0.2, 0.8)  # between two guests; the camera goes on filming
FACE_RESTS_S = 11.0  # who was let in by a face comes to the same lane again: it tells of nobody twice in 10 s
PUSH_S = (0.12, 0.45)
DIFFICULTY = 0.8  # as the rehearsal's guests hold their codes: from 0 to this
UNREAD_S = 9.0  # then a guest gives up


class FilmedGuests:
    """Plays the devices of the lanes and one guest after the other at each; made remote by the bench."""

    async def start(self, lanes: list[str], fps: float, comers: list[list[FilmedGuest]]) -> list[tuple[str, int]]:
        """Film every lane `fps` times a second, empty or not; answers each lane's camera address and controller port. `comers`
        are each lane's guests, who come in turn, and again when all have come."""
        self._lanes, self._clock = lanes, SystemClock()
        self._queues = [cycle(queue) for queue in comers]
        self._let_in: dict[tuple[str, bytes], Moment] = {}  # lane and photograph
        self._cameras = CameraServer(lanes, fps=fps, steady=True)
        await self._cameras.start()
        profile = load_profile(PROFILE)
        self._arms = [SimTurnstile(profile.timings.open_window_ms, self._clock) for _ in lanes]
        self._servers = [TurnstileServer({1: arm}, profile) for arm in self._arms]
        for server in self._servers:
            await server.start()
        return [(self._cameras.url(lane), server.port) for lane, server in zip(lanes, self._servers, strict=True)]

    async def play(self, seconds: float, seed: int) -> tuple[list[float], int, float]:
        """Guests come for that long. Answers for each who was let in the ms from holding up code or face to the free arm, how
        many gave up, and the frames a second that each camera showed."""
        waits_ms: list[float] = []
        gave_up = 0
        began, shown = self._clock.now(), self._cameras.frames_shown

        async def guests(lane: str, arm: SimTurnstile, queue: Iterator[FilmedGuest]) -> None:
            nonlocal gave_up
            dice, signals = random.Random(f"{seed} {lane}"), arm.subscribe()  # noqa: S311 - how bench guests behave
            while self._clock.now().ms_since(began) < seconds * 1000:
                guest = next(queue)
                scene = await asyncio.to_thread(_scene, guest, dice)
                await asyncio.sleep(max(dice.uniform(*GAP_S), self._rests_s(lane, guest)))
                while not signals.empty():
                    signals.get_nowait()
                held_up = self._clock.now()
                self._cameras.show(lane, scene)
                try:
                    async with asyncio.timeout(UNREAD_S):
                        while await signals.get() != "unlocked":
                            pass
                except TimeoutError:
                    gave_up += 1
                else:
                    waits_ms.append(self._clock.now().ms_since(held_up))
                    self._let_in[lane, guest.photograph or b""] = self._clock.now()
                    await asyncio.sleep(dice.uniform(*PUSH_S))
                    arm.push_in()
                self._cameras.show(lane, None)
            arm.unsubscribe(signals)

        await asyncio.gather(*map(guests, self._lanes, self._arms, self._queues))
        took_s = self._clock.now().ms_since(began) / 1000
        return waits_ms, gave_up, (self._cameras.frames_shown - shown) / took_s / len(self._lanes)

    def _rests_s(self, lane: str, guest: FilmedGuest) -> float:
        """How long a guest who shows a face stays away yet."""
        last = None if guest.photograph is None else self._let_in.get((lane, guest.photograph))
        return 0.0 if last is None else FACE_RESTS_S - self._clock.now().ms_since(last) / 1000

    async def stop(self) -> None:
        """Take everything down."""
        await self._cameras.stop()
        await asyncio.gather(*(server.stop() for server in self._servers))


def _scene(guest: FilmedGuest, dice: random.Random) -> Scene | StampedFace:
    """What the camera will see of a guest."""
    if guest.photograph is not None:
        return StampedFace(guest.photograph, guest.code)
    return Scene(guest.code, dice.getrandbits(32), dice.uniform(0.0, DIFFICULTY))


class LookingAtFaces(msgspec.Struct, frozen=True):
    """What a filmed lane does with faces: `number` of the lanes, which ask different inference actors first."""

    site: FacesSite
    use: FaceUse
    number: int


class FilmedCounts(msgspec.Struct, frozen=True):
    """What a filmed lane made of its camera's frames since it was opened."""

    received: int
    dropped: int  # a newer one came before they were fetched
    reads_ms: list[
        float
    ]  # from a frame fetched to its code, or none: the picture decoded, read, and held against the empty scene


class FilmedLane:
    """Runs one lane with its camera and its controller, as a lane actor does; made remote by the bench."""

    def __init__(self) -> None:
        self._received = self._dropped = 0  # frames that were counted already

    async def start(
        self, lane: str, camera: str, port: int, keys: SiteKeys, redis_url: str, spools: Path, faces: LookingAtFaces | None
    ) -> int:
        """Open the lane; answers the process id."""
        clock, self._buses = SystemClock(), BusRegistry()
        self._ledger = BenchLedger(redis_url, PATIENCE_S, SITE, GATE, spools / f"{lane}.spool", [lane])
        site = TurnstileSite(f"tcp://127.0.0.1:{port}", 1, PROFILE)
        arm = await open_turnstile(self._buses, site, load_profile(PROFILE))
        self._camera = MjpegCamera(camera, clock)
        self._source = source = _TimedSource(self._camera, clock)
        use: FaceUse = "off"
        looking = None
        if faces is not None:
            use, client = faces.use, FacesClient(faces.site, first=faces.number)
            limits = FaceLimits(use, GateId(lane), faces.site.compare_ms, faces.site.one_to_many.frames)
            looking = LaneFaces(limits, source, client, clock)
        self._runtime = bench_lane(lane, keys, self._ledger.lanes, arm, source, use, looking)
        await self._runtime.start()
        collect_seldom()
        return os.getpid()

    async def counted(self) -> FilmedCounts:
        """The frames since the last call."""
        received, dropped = self._camera.received, self._camera.dropped
        counts = FilmedCounts(received - self._received, dropped - self._dropped, self._source.reads_ms)
        self._received, self._dropped, self._source.reads_ms = received, dropped, []
        return counts

    async def stop(self) -> None:
        """Close the lane."""
        await self._runtime.stop(PATIENCE_S)
        await self._ledger.close()


class _TimedSource(CameraCodeSource):
    """A lane's camera and reader, which notes how long each frame takes."""

    def __init__(self, camera: MjpegCamera, clock: Clock) -> None:
        super().__init__(camera, CodeReader(), clock, LIMITS.unreadable_after_ms, LIMITS.repeat_code_ms)
        self.reads_ms: list[float] = []

    def _read(self, picture: bytes, loop: asyncio.AbstractEventLoop) -> Reading:
        began = self._clock.now()
        reading = super()._read(picture, loop)
        self.reads_ms.append(self._clock.now().ms_since(began))
        return reading

"""Both sides of the `open` bench: a process that plays cameras, controllers and guests, and one that runs a lane."""

import asyncio
import os
import random
from pathlib import Path

from actors.collecting import collect_seldom
from benchmarks.gate_ledger import BenchLedger
from benchmarks.gate_stand import GATE, LIMITS, PATIENCE_S, SITE, bench_lane
from devices.code_source import code_source
from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import open_turnstile
from resort.access.codes import SiteKeys
from resort.clock import SystemClock
from resort.site import CameraSite, TurnstileSite
from sim.camera_server import CameraServer
from sim.scene import Scene
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

PROFILE = "pulse_coil"
GAP_S = (0.2, 0.8)  # between two guests; the camera goes on filming
PUSH_S = (0.12, 0.45)
DIFFICULTY = 0.8  # as the rehearsal's guests hold their codes: from 0 to this
UNREAD_S = 9.0  # then a guest gives up


class FilmedGuests:
    """Plays the devices of the lanes and one guest after the other at each; made remote by the bench."""

    async def start(self, lanes: list[str], fps: float) -> list[tuple[str, int]]:
        """Film every lane `fps` times a second, empty or not; answers each lane's camera address and controller port."""
        self._lanes, self._clock = lanes, SystemClock()
        self._cameras = CameraServer(lanes, fps=fps, steady=True)
        await self._cameras.start()
        profile = load_profile(PROFILE)
        self._arms = [SimTurnstile(profile.timings.open_window_ms, self._clock) for _ in lanes]
        self._servers = [TurnstileServer({1: arm}, profile) for arm in self._arms]
        for server in self._servers:
            await server.start()
        return [(self._cameras.url(lane), server.port) for lane, server in zip(lanes, self._servers, strict=True)]

    async def play(self, codes: list[str], seconds: float, seed: int) -> tuple[list[float], int, float]:
        """Guests come for that long. Answers for each who was let in the ms from holding up the code to the free arm, how many
        gave up, and the frames a second that each camera showed."""
        codes = list(codes)
        waits_ms: list[float] = []
        gave_up = 0
        began, shown = self._clock.now(), self._cameras.frames_shown

        async def guests(lane: str, arm: SimTurnstile) -> None:
            nonlocal gave_up
            dice, signals = random.Random(f"{seed} {lane}"), arm.subscribe()  # noqa: S311 - how bench guests behave
            while self._clock.now().ms_since(began) < seconds * 1000:
                await asyncio.sleep(dice.uniform(*GAP_S))
                while not signals.empty():
                    signals.get_nowait()
                held_up = self._clock.now()
                self._cameras.show(lane, Scene(codes.pop(), dice.getrandbits(32), dice.uniform(0.0, DIFFICULTY)))
                try:
                    async with asyncio.timeout(UNREAD_S):
                        while await signals.get() != "unlocked":
                            pass
                except TimeoutError:
                    gave_up += 1
                else:
                    waits_ms.append(self._clock.now().ms_since(held_up))
                    await asyncio.sleep(dice.uniform(*PUSH_S))
                    arm.push_in()
                self._cameras.show(lane, None)
            arm.unsubscribe(signals)

        await asyncio.gather(*(guests(lane, arm) for lane, arm in zip(self._lanes, self._arms, strict=True)))
        took_s = self._clock.now().ms_since(began) / 1000
        return waits_ms, gave_up, (self._cameras.frames_shown - shown) / took_s / len(self._lanes)

    async def stop(self) -> None:
        """Take everything down."""
        await self._cameras.stop()
        await asyncio.gather(*(server.stop() for server in self._servers))


class FilmedLane:
    """Runs one lane with its camera and its controller, as a lane actor does; made remote by the bench."""

    async def start(self, lane: str, camera: str, port: int, keys: SiteKeys, redis_url: str, spools: Path) -> int:
        """Open the lane; answers the process id."""
        clock, self._buses = SystemClock(), BusRegistry()
        self._ledger = BenchLedger(redis_url, PATIENCE_S, SITE, GATE, spools / f"{lane}.spool", [lane])
        site = TurnstileSite(f"tcp://127.0.0.1:{port}", 1, PROFILE)
        arm = await open_turnstile(self._buses, site, load_profile(PROFILE))
        source = code_source(CameraSite(camera), LIMITS, clock)
        self._runtime = bench_lane(lane, keys, self._ledger.lanes, arm, source)
        await self._runtime.start()
        collect_seldom()
        return os.getpid()

    async def stop(self) -> None:
        """Close the lane."""
        await self._runtime.stop(PATIENCE_S)
        await self._ledger.close()

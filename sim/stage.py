"""The stage process: `python -m sim.stage --site FILE --seed N`.

It plays every simulated device of a site over real protocols (Modbus TCP, MJPEG over HTTP) and sends the guests. It prints
one line of JSON when it is ready, then obeys lines of JSON on standard input and answers each with one line; it ends when its
input ends, so it never outlives who started it. `sim/stage_process.py` is the other end of these pipes.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from datetime import date
from pathlib import Path

import msgspec

from devices.profile import load_profile
from orchestrator.settings import load_site
from orchestrator.stages import StageAddresses
from resort.clock import SystemClock
from resort.errors import Invalid, SnowgateError
from resort.site import LaneClass, Site
from sim.camera_server import CameraServer
from sim.guests import Guests
from sim.shop_client import ShopClient
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

_log = logging.getLogger("snowgate.stage")


class StageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input. `do`: open, pause, release, fault or stop."""

    do: str
    console: str = ""
    channel_key: str = ""
    day: date | None = None
    lane: str = ""
    on: bool = False


class StageAnswer(msgspec.Struct, frozen=True):
    """One line of output after each order."""

    problem: str = ""
    counts: dict[str, int] = {}


class StageCast:
    """The devices and guests of one site."""

    def __init__(self, site: Site, seed: int) -> None:
        clock = SystemClock()
        self._seed = seed
        self._lanes: dict[str, tuple[LaneClass, SimTurnstile]] = {}
        self._servers: dict[str, TurnstileServer] = {}
        for gate in site.gates:
            units: dict[int, SimTurnstile] = {}
            profile = load_profile(gate.lanes[0].turnstile.profile)
            for lane in gate.lanes:
                steel = units[lane.turnstile.unit] = SimTurnstile(profile.timings.open_window_ms, clock)
                self._lanes[lane.id] = (lane.lane_class, steel)
            self._servers[gate.id] = TurnstileServer(units, profile)
        self._cameras = CameraServer(list(self._lanes))
        self._closers = contextlib.AsyncExitStack()
        self._guests: Guests | None = None

    async def start(self) -> StageAddresses:
        """Play the devices."""
        for server in self._servers.values():
            await server.start()
            self._closers.push_async_callback(server.stop)
        await self._cameras.start()
        self._closers.push_async_callback(self._cameras.stop)
        return StageAddresses(
            {gate_id: f"tcp://127.0.0.1:{server.port}" for gate_id, server in self._servers.items()},
            {lane_id: self._cameras.url(lane_id) for lane_id in self._lanes},
        )

    async def obey(self, order: StageOrder) -> StageAnswer:
        """Carry out one order. Raises Invalid."""
        match order.do:
            case "open":
                return await self._open(order)
            case "pause":
                return await self._pause()
            case "release":
                self._steel(order.lane).fire_release = order.on
            case "fault":
                self._steel(order.lane).fault = order.on
            case _:
                raise Invalid("do", f"{order.do} is no order of the stage")
        return StageAnswer()

    async def stop(self) -> None:
        """Send everybody home and hang up."""
        await self._closers.aclose()

    async def _open(self, order: StageOrder) -> StageAnswer:
        if order.day is None or not order.console:
            raise Invalid("open", "needs a console and a day")
        if self._guests is not None:
            raise Invalid("open", "the doors are open")
        shop = await self._closers.enter_async_context(ShopClient(order.console, order.channel_key))
        self._guests = Guests(self._lanes, self._cameras, shop, order.day, self._seed)
        self._closers.push_async_callback(self._guests.stop)
        await self._guests.start()
        return StageAnswer()

    async def _pause(self) -> StageAnswer:
        if self._guests is None:
            return StageAnswer()
        tally = await self._guests.pause()
        return StageAnswer(counts={name: getattr(tally, name) for name in tally.__slots__})

    def _steel(self, lane_id: str) -> SimTurnstile:
        if lane_id not in self._lanes:
            raise Invalid("lane", f"there is no lane {lane_id}")
        return self._lanes[lane_id][1]


async def play(site_file: Path, seed: int) -> None:
    """Play until the input ends."""
    cast = StageCast(load_site(site_file), seed)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        _say(await cast.start())
        while line := await reader.readline():
            try:
                order = msgspec.json.decode(line, type=StageOrder)
                if order.do == "stop":
                    return
                _say(await cast.obey(order))
            except (SnowgateError, msgspec.MsgspecError) as error:
                _say(StageAnswer(problem=str(error)))
    finally:
        await cast.stop()
        transport.close()


def _say(answer: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(description="Play the simulated devices and guests of a site.")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us; our input then ends
    asyncio.run(play(arguments.site, arguments.seed))


if __name__ == "__main__":
    main()

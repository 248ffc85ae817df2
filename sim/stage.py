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
from dataclasses import asdict
from datetime import date
from pathlib import Path

import msgspec
import uvloop

from devices.profile import load_profile
from orchestrator.settings import load_site
from orchestrator.stages import StageAddresses
from resort.clock import Clock, SystemClock
from resort.errors import Invalid, InvalidConfig, NotFound, SnowgateError, Unavailable
from resort.site import GateSite, LaneClass, Site
from sim.camera_server import CameraServer
from sim.guests import Guests
from sim.shop_client import ShopClient
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

_log = logging.getLogger("snowgate.stage")


class StageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input. `do`: open, pause, release, fault or stop."""

    do: str
    number: int = 0  # comes back with the answer
    console: str = ""
    channel_key: str = ""
    day: date | None = None
    lane: str = ""
    on: bool = False

    def __repr__(self) -> str:
        return f"StageOrder({self.do} {self.number})"  # never the key


class StageReady(msgspec.Struct, frozen=True):
    """The first line of output: where the devices are, or why there are none."""

    ready: bool
    buses: dict[str, str] = {}
    cameras: dict[str, str] = {}
    problem: str = ""


class StageAnswer(msgspec.Struct, frozen=True):
    """One line of output after each order. `paused` says that the lanes are empty, with the guests' counts."""

    number: int = 0
    problem: str = ""
    paused: bool = False
    counts: dict[str, int] = {}


class StageCast:
    """The devices and guests of one site."""

    def __init__(self, site: Site, seed: int) -> None:
        clock = SystemClock()
        self._seed = seed
        self._steel: dict[str, SimTurnstile] = {}
        self._visited: dict[str, tuple[LaneClass, SimTurnstile]] = {}  # lanes where both ends are simulated
        self._servers: dict[str, TurnstileServer] = {}
        for gate in site.gates:
            self._cast_gate(gate, clock)
        self._cameras = CameraServer(list(self._steel))
        self._closers = contextlib.AsyncExitStack()
        self._guests: Guests | None = None
        self._guests_closers = contextlib.AsyncExitStack()

    def _cast_gate(self, gate: GateSite, clock: Clock) -> None:
        """One port for a gate, with each simulated lane as a unit behind it. Raises InvalidConfig."""
        played = [lane for lane in gate.lanes if "simulated" in (lane.turnstile.bus, lane.camera.url)]
        if not played:
            return
        names = sorted({lane.turnstile.profile for lane in played})
        if len(names) > 1:
            raise InvalidConfig(f"gate {gate.id}", f"the stage plays one profile a gate, not {', '.join(names)}")
        profile = load_profile(names[0])
        units: dict[int, SimTurnstile] = {}
        for lane in played:
            if lane.turnstile.unit in units:
                raise InvalidConfig(f"gate {gate.id}", f"two simulated turnstiles are unit {lane.turnstile.unit}")
            steel = units[lane.turnstile.unit] = SimTurnstile(profile.timings.open_window_ms, clock)
            self._steel[lane.id] = steel
            if lane.turnstile.bus == lane.camera.url == "simulated":
                self._visited[lane.id] = (lane.lane_class, steel)
        self._servers[gate.id] = TurnstileServer(units, profile)

    async def start(self) -> StageAddresses:
        """Play the devices. Raises Unavailable."""
        for server in self._servers.values():
            await server.start()
            self._closers.push_async_callback(server.stop)
        await self._cameras.start()
        self._closers.push_async_callback(self._cameras.stop)
        return StageAddresses(
            {gate_id: f"tcp://127.0.0.1:{server.port}" for gate_id, server in self._servers.items()},
            {lane_id: self._cameras.url(lane_id) for lane_id in self._steel},
        )

    async def obey(self, order: StageOrder) -> StageAnswer:
        """Carry out one order. Raises Invalid, NotFound."""
        match order.do:
            case "open":
                return await self._open(order)
            case "pause":
                return await self._pause()
            case "release":
                self._turnstile(order.lane).fire_release = order.on
            case "fault":
                self._turnstile(order.lane).fault = order.on
            case _:
                raise Invalid("do", f"{order.do} is no order of the stage")
        return StageAnswer()

    async def stop(self) -> None:
        """Send everybody home and hang up. Idempotent."""
        await self._send_home()
        await self._closers.aclose()

    async def _open(self, order: StageOrder) -> StageAnswer:
        if order.day is None or not order.console:
            raise Invalid("open", "needs a console and a day")
        if self._guests is not None:
            raise Invalid("open", "the doors are open")
        shop = await self._guests_closers.enter_async_context(ShopClient(order.console, order.channel_key))
        self._guests = Guests(self._visited, self._cameras, shop, order.day, self._seed)
        self._guests_closers.push_async_callback(self._guests.stop)
        await self._guests.start()
        return StageAnswer()

    async def _pause(self) -> StageAnswer:
        """The doors may be opened again afterwards; counts are those since they were opened last."""
        if self._guests is None:
            return StageAnswer(paused=True)
        tally = await self._guests.pause()
        await self._send_home()
        return StageAnswer(paused=True, counts=asdict(tally))

    async def _send_home(self) -> None:
        self._guests = None
        await self._guests_closers.aclose()

    def _turnstile(self, lane_id: str) -> SimTurnstile:
        if lane_id not in self._steel:
            raise NotFound("lane", lane_id)
        return self._steel[lane_id]


async def play(site_file: Path, seed: int) -> int:
    """Play until the input ends or says stop; answers the exit code."""
    try:
        cast = StageCast(load_site(site_file), seed)
    except Invalid as error:
        _say(StageReady(ready=False, problem=str(error)))
        return 2
    transport, lines = await _standard_input()
    try:
        addresses = await cast.start()
        _say(StageReady(ready=True, buses=addresses.buses, cameras=addresses.cameras))
        await _obey_until_end(cast, lines)
    except Unavailable as error:
        _say(StageReady(ready=False, problem=str(error)))
        return 2
    except BrokenPipeError:
        pass  # who started us is gone
    finally:
        transport.close()
        await cast.stop()
    return 0


async def _standard_input() -> tuple[asyncio.ReadTransport, asyncio.StreamReader]:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return transport, lines


async def _obey_until_end(cast: StageCast, lines: asyncio.StreamReader) -> None:
    """Orders are carried out one after the other. The end of the input interrupts whatever is under way."""
    orders: asyncio.Queue[StageOrder] = asyncio.Queue()
    obeying = asyncio.create_task(_obey(cast, orders), name="stage orders")
    reading = asyncio.create_task(_read(lines, orders), name="stage input")
    await asyncio.wait((obeying, reading), return_when=asyncio.FIRST_COMPLETED)
    for task in (obeying, reading):
        task.cancel()
    for outcome in await asyncio.gather(obeying, reading, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _read(lines: asyncio.StreamReader, orders: asyncio.Queue[StageOrder]) -> None:
    """Until the input ends or says stop."""
    while True:
        try:
            line = await lines.readline()
            if not line:
                return
            order = msgspec.json.decode(line, type=StageOrder)
        except ValueError as error:  # also of lines without an end, and of what is no UTF-8
            _say(StageAnswer(problem=f"order: {error}."))
            continue
        if order.do == "stop":
            return
        orders.put_nowait(order)


async def _obey(cast: StageCast, orders: asyncio.Queue[StageOrder]) -> None:
    while True:
        order = await orders.get()
        try:
            answer = await cast.obey(order)
        except SnowgateError as error:
            answer = StageAnswer(problem=str(error))
        _say(msgspec.structs.replace(answer, number=order.number))


def _say(answer: StageReady | StageAnswer) -> None:
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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(play(arguments.site, arguments.seed)))


if __name__ == "__main__":
    main()

"""Everybody on the stage: the simulated devices of one site, the guests at them, and the orders that both take.

The process around it, with its pipes, is `sim/stage.py`.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

import msgspec

from devices.profile import load_profile
from orchestrator.settings import PLAYED
from orchestrator.stages import LoadTally, StageAddresses, SteelCounts
from resort.clock import Clock, SystemClock
from resort.errors import Invalid, InvalidConfig, NotFound
from resort.site import GateSite, LaneClass, LaneSite, ScannerLine, Site
from sim.camera_server import CameraServer
from sim.face_album import ALONE, STRANGERS, open_album, open_group
from sim.face_scene import FaceScene
from sim.faces_alone import AloneCast
from sim.guests import Guests
from sim.load import Load
from sim.scanner_server import ScannerServer
from sim.scene import Scene
from sim.shop_client import ShopClient
from sim.stage_orders import StageAnswer, StageOrder
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer


class StageCast:
    """The devices and guests of one site. Raises InvalidConfig for a site that cannot be played."""

    def __init__(self, site: Site, seed: int) -> None:
        self._clock = SystemClock()
        self._seed = seed
        self._steel: dict[str, SimTurnstile] = {}
        self._places: dict[str, tuple[TurnstileServer, int]] = {}  # behind which port a lane's steel is, and as which unit
        self._visited: dict[str, tuple[LaneClass, SimTurnstile]] = {}  # lanes where both ends are simulated
        self._faced: set[str] = set()  # of these, those whose camera looks at faces
        self._opening: set[str] = set()  # and of these, those that open for a face alone
        self._face_products = [product.code for product in site.products if "face" in product.media]
        self._servers: dict[str, TurnstileServer] = {}
        scanned: dict[str, ScannerLine] = {}
        for gate in site.gates:
            for lane in self._cast_gate(gate, self._clock):
                if lane.camera.url == "simulated-scanner":
                    scanned[lane.id] = lane.camera.line
        self._cameras = CameraServer([lane_id for lane_id in self._steel if lane_id not in scanned])
        self._scanners = ScannerServer(scanned)
        self._scanned = [lane_id for lane_id in scanned if lane_id in self._visited]
        self._readers = _Readers({lane_id: self._scanners if lane_id in scanned else self._cameras for lane_id in self._steel})
        self._closers = contextlib.AsyncExitStack()
        self._guests: Guests | None = None
        self._load: Load | None = None
        self._guests_closers = contextlib.AsyncExitStack()

    def _cast_gate(self, gate: GateSite, clock: Clock) -> list[LaneSite]:
        """One port for a gate, with each simulated lane as a unit behind it; answers these lanes. Raises InvalidConfig."""
        played = [lane for lane in gate.lanes if lane.turnstile.bus == "simulated" or lane.camera.url in PLAYED]
        if not played:
            return []
        names = sorted({lane.turnstile.profile for lane in played})
        if len(names) > 1:
            raise InvalidConfig(f"gate {gate.id}", f"the stage plays one profile a gate, not {', '.join(names)}")
        profile = load_profile(names[0])
        units: dict[int, SimTurnstile] = {}
        server = self._servers[gate.id] = TurnstileServer(units, profile)
        for lane in played:
            unit = lane.turnstile.unit
            if unit in units:
                raise InvalidConfig(f"gate {gate.id}", f"two simulated turnstiles are unit {unit}")
            steel = units[unit] = self._steel[lane.id] = SimTurnstile(profile.timings.open_window_ms, clock)
            self._places[lane.id] = (server, unit)
            if lane.turnstile.bus == "simulated" and lane.camera.url in PLAYED:
                self._visited[lane.id] = (lane.lane_class, steel)
                if lane.faces != "off" and lane.camera.url == "simulated":
                    self._faced.add(lane.id)
                    if lane.faces == "identify":
                        self._opening.add(lane.id)
        return played

    async def start(self) -> StageAddresses:
        """Play the devices. Raises Unavailable."""
        for server in self._servers.values():
            await server.start()
            self._closers.push_async_callback(server.stop)
        await self._cameras.start()
        self._closers.push_async_callback(self._cameras.stop)
        await self._scanners.start()
        self._closers.push_async_callback(self._scanners.stop)
        return StageAddresses(
            {gate_id: f"tcp://127.0.0.1:{server.port}" for gate_id, server in self._servers.items()},
            {lane_id: reader.url(lane_id) for lane_id, reader in self._readers.by_lane.items()},
        )

    async def obey(self, order: StageOrder) -> StageAnswer:
        """Carry out one order. Raises Invalid, NotFound, Unavailable."""
        match order.do:
            case "open":
                await self._open(order)
            case "load":
                await self._begin_load(order)
            case "go":
                if self._load is None:
                    raise Invalid("go", "there is no load")
                self._load.go()
            case "tally":
                return StageAnswer(tally=self._tally())
            case "pause":
                return await self._pause()
            case "release" | "fault" | "silence":
                self._order_device(order)
                return StageAnswer(tick_ns=self._clock.now().tick_ns)
            case _:
                raise Invalid("do", f"{order.do} is no order of the stage")
        return StageAnswer()

    async def stop(self) -> None:
        """Send everybody home and hang up. Idempotent."""
        await self._send_home()
        await self._closers.aclose()

    # ---- devices

    def _order_device(self, order: StageOrder) -> None:
        if order.lane not in self._steel:
            raise NotFound("lane", order.lane)
        steel = self._steel[order.lane]
        server, unit = self._places[order.lane]
        match order.do:
            case "release":
                steel.fire_release = order.on
            case "fault":
                steel.fault = order.on
            case _ if order.on:
                server.silent[unit] = "mute" if order.obeys else "deaf"
            case _:
                server.silent.pop(unit, None)
        if self._load is not None:
            self._load.ordered(order.do, order.lane, on=order.on)

    # ---- guests

    async def _open(self, order: StageOrder) -> None:
        shop, day = await self._shop(order)
        album = await asyncio.to_thread(open_album) if self._faced else []
        alone = await asyncio.to_thread(self._alone)
        self._guests = Guests(
            self._visited, self._readers, shop, day, self._seed, face_lanes=self._faced, album=album, alone=alone
        )
        self._guests_closers.push_async_callback(self._guests.stop)
        await self._guests.start()

    def _alone(self) -> AloneCast:
        """Who shows nothing but his face; opens photographs."""
        if not self._opening:
            return AloneCast()
        return AloneCast(self._opening, self._face_products, open_group(ALONE), open_group(STRANGERS))

    async def _begin_load(self, order: StageOrder) -> None:
        if order.load is None:
            raise Invalid("load", "the order says nothing about it")
        if self._load is not None and self._load.phase in ("done", "failed"):
            await self._send_home()
        shop, day = await self._shop(order)
        try:
            steel = {lane_id: self._steel[lane_id] for lane_id in self._scanned}
            self._load = Load(order.load, steel, self._scanners, shop, day, self._clock)
        except BaseException:
            await self._send_home()
            raise
        self._guests_closers.push_async_callback(self._load.stop)
        self._load.start()

    async def _shop(self, order: StageOrder) -> tuple[ShopClient, date]:
        """A buyer's connection, closed when everybody goes home. Raises Invalid."""
        if order.day is None or not order.console:
            raise Invalid(order.do, "needs a console and a day")
        if self._guests is not None or self._load is not None:
            raise Invalid(order.do, "the doors are open" if self._guests is not None else "a load is under way")
        return await self._guests_closers.enter_async_context(ShopClient(order.console, order.channel_key)), order.day

    def _tally(self) -> LoadTally:
        tally = LoadTally() if self._load is None else self._load.tally()
        counts = {
            lane_id: SteelCounts(steel.pulses, steel.unlocks, steel.counter_in, steel.counter_out)
            for lane_id, steel in self._steel.items()
        }
        return msgspec.structs.replace(tally, steel=counts)

    async def _pause(self) -> StageAnswer:
        """The doors may be opened again afterwards; counts are those since they were opened last."""
        counts: dict[str, int] = {}
        if self._guests is not None:
            counts = asdict(await self._guests.pause())
        elif self._load is not None:
            counts = await self._load.pause()
        await self._send_home()
        return StageAnswer(paused=True, counts=counts)

    async def _send_home(self) -> None:
        self._guests = self._load = None
        await self._guests_closers.aclose()


class _Readers:
    """Every lane's camera or scanner, as guests use them."""

    def __init__(self, by_lane: Mapping[str, CameraServer | ScannerServer]) -> None:
        self.by_lane = by_lane

    def show(self, lane_id: str, scene: Scene | FaceScene | None) -> None:
        """See `sim.guests.Readers`."""
        self.by_lane[lane_id].show(lane_id, scene)

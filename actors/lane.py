"""The lane actor: hosts one lane by default, several of one gate where the site says so.

Promise: every outcome is in the ledger before the next guest is granted entry; after a kill, a restart recovers from the
ledger and the turnstile's counters, and no pulse is ever sent twice. Callers use only `order_mode`, `report` and `ping`;
all are idempotent. Nothing here may be retried by Ray (`max_task_retries=0`).
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import msgspec
import ray
from ray.exceptions import RayError

from actors.collecting import collect_seldom
from actors.gate_links import GateLink, RayJournal, spool_path
from actors.lane_face_parts import lane_faces
from actors.lane_height import HeightNotes, lane_heights
from actors.lane_ledger import LaneLedger
from actors.lane_report import LaneReport, camera_state
from actors.lane_results import LaneResults, NoResults, lane_results
from actors.lane_runtime import LaneRuntime
from actors.ledger_links import GateOrders, Handover, HomeGate, Route
from actors.names import NAMESPACE, gate_name
from actors.spool_keeper import SpoolKeeper
from actors.tasks import lifelong
from actors.unguarded import ledger_under, spool_under, turnstile_under
from devices.code_source import code_source
from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import open_turnstile
from resort.access.lane_messages import ConfirmFace, LaneMode, RejectFace, StaffOrder, StaffOutcome, ViewFace
from resort.access.lane_settings import lane_settings
from resort.access.rules import NOBODY_ELSE
from resort.clock import SystemClock
from resort.errors import Busy, SpoolFull
from resort.guards import Guards
from resort.ids import GateId, LaneId, RandomIds
from resort.lane_looks import LiveLook
from resort.ports import CodeSource, Turnstile
from resort.site import GateSite, LaneClass, LaneSite, Site
from storage.key_holders import KeyHolder
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger
from storage.spool import Spool

REPORT_S = 1.0
FIRST_REPORT_S = 3.0
SPOOL_AGAIN_S = 0.05
_log = logging.getLogger("snowgate.lane")


class LaneHosting(msgspec.Struct, frozen=True):
    """Which lanes an actor hosts, and where its parts are."""

    site: Site
    gate_id: str
    lane_ids: tuple[str, ...]
    redis_url: str
    key_file: str
    site_name: str
    spools: str  # the folder of the lanes' spools
    guards: Guards = Guards()
    phrases: str = ""  # the folder of the site's spoken phrases


class LaneActor:
    """Hosts lanes. `start` is the only boot path, after a kill as on the first day."""

    def __init__(self, hosting: LaneHosting) -> None:
        self._hosting = hosting
        self._clock = SystemClock()
        self._ids = RandomIds()
        self._lanes: dict[str, LaneRuntime] = {}
        self._sources: dict[str, CodeSource] = {}
        self._buses = BusRegistry()
        self._closing: list[LaneResults | NoResults | HeightNotes] = []  # behind the lanes
        self._reporter: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect the devices and run the lanes."""
        hosting = self._hosting
        self._keys = KeyHolder(Path(hosting.key_file), f"lane {hosting.lane_ids[0]}")
        keys = self._keys.keys
        orders = await self._ask_orders([])
        modes = orders.modes if orders is not None else {}
        parts = [(gate, lane, await self._open_turnstile(lane)) for gate, lane in self._sites()]
        ledger = ledger_under(hosting.guards, await self._open_ledger())
        for gate, lane, turnstile in parts:
            source = self._sources[lane.id] = code_source(lane.camera, hosting.site.lane_limits, self._clock)
            settings = lane_settings(hosting.site, gate, lane)
            # Closed until the gate has said otherwise, which it does within a second: staff may be working on that arm.
            mode = modes.get(lane.id, "closed")
            results = lane_results(hosting.site, lane, Path(hosting.phrases), self._buses, self._clock)
            heights = lane_heights(hosting.site, lane, self._clock)
            self._closing += [results, heights]
            runtime = LaneRuntime(
                settings, mode, keys, ledger, turnstile, source, self._clock, self._ids, self._end_process, results,
                lane_faces(hosting.site, gate, lane, source, self._clock), heights,
            )  # fmt: skip
            self._lanes[lane.id] = runtime
            if orders is not None and lane.id in orders.policies:
                runtime.order_policy(orders.policies[lane.id])
            await runtime.start()
        self._reporter = lifelong(self._report_for_ever(), "lane reports")
        collect_seldom()

    async def ping(self) -> int:
        """The process id, as proof of life."""
        return os.getpid()

    async def order_mode(self, lane_id: str, mode: LaneMode) -> None:
        """Order a hosted lane open or closed."""
        self._lanes[lane_id].order_mode(mode)

    async def order_policy(self, lane_id: str, admits: frozenset[LaneClass]) -> None:
        """Order whose tickets a hosted lane admits besides its own."""
        self._lanes[lane_id].order_policy(admits)

    async def order_staff(self, lane_id: str, order: StaffOrder) -> StaffOutcome:
        """Carry out what staff order at a hosted lane; idempotent by its id. Raises Busy, Unavailable."""
        lane = self._lanes[lane_id]
        outcome = await lane.order(order)
        if lane.faces is not None and isinstance(order, ConfirmFace | RejectFace) and outcome.outcome == "ok":
            lane.faces.close_look(order.scan_id)
        return outcome

    async def view_face(self, lane_id: str, order: ViewFace) -> LiveLook:
        """The picture of an open look, once it is journaled who sees it. Raises Busy, Unavailable."""
        lane = self._lanes[lane_id]
        outcome = await lane.order(order)
        seen = lane.faces is not None and outcome.outcome == "ok"
        return LiveLook(outcome, lane.faces.picture(order.scan_id) if seen and lane.faces is not None else None)

    async def report(self) -> list[LaneReport]:
        """How the hosted lanes stand now."""
        own = {"pid": os.getpid(), "spool_percent": self._spool.percent_used}
        return [
            msgspec.structs.replace(lane.report(), **own, camera=camera_state(self._sources[lane_id]))
            for lane_id, lane in self._lanes.items()
        ]

    async def close(self) -> None:
        """Take no more codes, wait for open grants, free the devices."""
        if self._reporter is not None:
            self._reporter.cancel()
            await asyncio.gather(self._reporter, return_exceptions=True)
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))
        await asyncio.gather(*(part.close() for part in self._closing))
        await self._ledger.close()
        await self._spool.close()
        await self._central.close()
        self._keys.close()

    # ---- the ledger: see the link `HostedLanes`

    async def fence_ledger(self, term: int, tick_ns: int) -> Handover:
        """Decide no more on the ledger."""
        return await self._ledger.fence(term, tick_ns)

    async def hold_ledger(self, term: int, tick_ns: int) -> Handover:
        """Decide nowhere."""
        return await self._ledger.hold(term, tick_ns)

    async def resume_ledger(self, term: int, whole: int) -> None:
        """Decide on the ledger again."""
        self._ledger.resume(term, whole)

    async def take_route(self, route: Route, tick_ns: int) -> None:
        """Decide there."""
        self._ledger.take_order(route, tick_ns)

    async def ledger_route(self) -> Route:
        """Where the lanes decide."""
        return self._ledger.route

    # ---- inside

    async def _open_turnstile(self, lane: LaneSite) -> Turnstile:
        opened = await open_turnstile(self._buses, lane.turnstile, load_profile(lane.turnstile.profile))
        return turnstile_under(self._hosting.guards, opened)

    async def _open_ledger(self) -> LaneLedger:
        """The way to the ledger. Late in the start, as this process answers nobody before its end: who asks meanwhile what is
        in the spool reads the file, as long as this process has not taken it."""
        hosting = self._hosting
        self._central = RedisLedger(connect(hosting.redis_url), hosting.site_name)
        self._spool = await self._open_spool()
        gates: dict[GateId, HomeGate] = {gate.id: GateLink(gate.id) for gate in hosting.site.gates}
        # Nowhere until the gate says where: the ledger may be lost, or have been while this process was away.
        self._ledger = LaneLedger(self._central, self._spool, gates, GateId(hosting.gate_id), self._clock, Route("held", 0))
        self._spool.start()
        return self._ledger

    async def _open_spool(self) -> SpoolKeeper:
        """The spool of this process; one that was killed a moment ago may still be letting go of it."""
        hosting = self._hosting
        path = spool_path(hosting.spools, hosting.lane_ids[0])
        while True:
            try:
                spool = Spool.open(path, hosting.site.offline.spool_mb * 1024 * 1024)
                break
            except (Busy, SpoolFull) as error:
                _log.warning("lane actor %s waits for its spool: %s", ",".join(hosting.lane_ids), error)
                await asyncio.sleep(SPOOL_AGAIN_S)
        lanes = [LaneId(lane_id) for lane_id in hosting.lane_ids]
        disk = spool_under(hosting.guards, spool)
        return SpoolKeeper(disk, lanes, self._central, RayJournal(), self._clock, self._decides_at_ledger)

    def _decides_at_ledger(self) -> bool:
        return self._ledger.route.kind == "ledger"

    def _sites(self) -> list[tuple[GateSite, LaneSite]]:
        return [(gate, lane) for gate, lane in self._hosting.site.lanes() if lane.id in self._hosting.lane_ids]

    async def _report_for_ever(self) -> None:
        """Tell the gate once a second how the lanes stand; its answer are the modes and policies that are wanted, so what was
        ordered while this process was away is taken up within a second. Keys that were changed are taken up with it."""
        while True:
            self._reload_keys()
            asked_on = self._ledger.route
            orders = await self._ask_orders(await self.report())
            if orders is not None:
                self._ledger.take_answer(asked_on, orders.route)
                for lane_id, lane in self._lanes.items():
                    self._carry_out(lane, orders.modes.get(lane_id), orders.policies.get(lane_id, NOBODY_ELSE))
            await asyncio.sleep(REPORT_S)

    def _carry_out(self, lane: LaneRuntime, mode: LaneMode | None, admits: frozenset[LaneClass]) -> None:
        if mode is not None and lane.machine.mode != mode:
            lane.order_mode(mode)
        if lane.machine.admits != admits:
            lane.order_policy(admits)

    def _reload_keys(self) -> None:
        keys = self._keys.changed()
        if keys is not None:
            for lane in self._lanes.values():
                lane.machine.use_keys(keys)
            self._keys.tell_used()

    async def _ask_orders(self, reports: list[LaneReport]) -> GateOrders | None:
        """What the gate wants; None when its actor is away: lanes then go on as they are."""
        with contextlib.suppress(RayError, ValueError, TimeoutError):
            gate = ray.get_actor(gate_name(self._hosting.gate_id), namespace=NAMESPACE)
            async with asyncio.timeout(FIRST_REPORT_S):
                answer: GateOrders = await gate.take_reports.remote(reports)
            return answer
        return None

    def _end_process(self, error: BaseException) -> None:
        """A lane's task failed in a way nobody foresaw: end the process, so that the restart recovers all of it cleanly."""
        _log.critical("lane actor %s ends after %s", ",".join(self._hosting.lane_ids), type(error).__name__)
        os._exit(70)

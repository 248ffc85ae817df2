"""The gate actor: the wanted modes of its lanes (kept in SQL), what it last heard of them, and its part of the tickets.

Promise: a mode is durable before `order_mode` returns, and every lane has it within a second, also one that is restarting.
Rebuilds itself from SQL, or from its own file of orders while SQL is away; reports come again within a second. While the
central ledger is lost it decides on the tickets that it is the home of (`actors/gate_ledger.py`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import ray
from ray.exceptions import RayError

from actors.calls import actor, ask
from actors.gate_ledger import GateLedger
from actors.gate_links import GateLink, LanesLink, RayJournal, spool_path
from actors.lane_report import LaneReport
from actors.ledger_links import GateOrders, Handover, PeerGate, Route, Standing
from actors.names import NAMESPACE, lane_name
from actors.replay import replay
from actors.spared_lanes import SparedLanes, lane_kind, serving_state
from actors.tasks import lifelong
from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_messages import LaneMode, StaffOrder, StaffOutcome, ViewFace
from resort.clock import Clock, SystemClock
from resort.crowd import BY_ORCHESTRATOR
from resort.errors import DatabaseUnavailable, NotFound, WrongState
from resort.guards import Guards
from resort.ids import EventId, GateId, LaneId, RandomIds, TicketId
from resort.lane_looks import LiveLook
from resort.messages import StaffActed, TicketChanged, TicketEvent
from resort.ports import Conflict, LaneMemory
from resort.site import LaneClass, Site
from resort.site_board import UNSERVED
from storage.database import Database
from storage.lane_orders import KeptLaneOrders, LaneOrders
from storage.lane_policies import policy_outcome
from storage.ledger_books import LedgerBooks
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger
from storage.replica_source import ReplicaSource

SILENT_MS = 3_000
REREAD_S = 1.0
ORDER_S = 4.0  # less than what asks gates waits for: its caller hears that the lane does not answer, not that the gate does not
_log = logging.getLogger("snowgate.gate")


class LaneStanding(msgspec.Struct, frozen=True):
    """What the gate knows of a lane. `state` is "unserved" when nothing was heard for `SILENT_MS`."""

    lane_id: str
    state: str
    detail: str
    mode: str
    waiting: int | None
    pid: int
    tamper: bool | None = None
    lasting: str = ""  # the state behind a guest's grant, or `state`
    reader_silent_s: float | None = None
    clock_skew_ms: float | None = None  # the lane's clock less the gate's, when the lane reported
    spool_percent: float | None = None
    camera: str = ""  # how its camera sees, see `LaneReport`
    route: str = ""  # where the gate lets its lanes decide (`RouteKind`)
    busy: bool = False  # a guest is being served
    spared: bool = False  # closed by the orchestrator, for now; `mode` is what the lane obeys
    wanted: str = "open"  # what staff want
    orders: str = "open"  # what the gate asks of it: what staff want, but for a spared lane
    admits: frozenset[LaneClass] = frozenset()  # whose tickets it admits besides its own


class GateHosting(msgspec.Struct, frozen=True):
    """Which gate an actor is, and where its parts are. `hosts`: each lane's actor, named by the first lane it hosts."""

    site: Site
    gate_id: GateId
    hosts: dict[str, str]
    redis_url: str
    database_url: str
    site_name: str
    spools: str  # the folder of the lanes' spools
    guards: Guards = Guards()


class GateActor:
    """One gate."""

    def __init__(self, hosting: GateHosting, clock: Clock | None = None) -> None:
        self._hosting = hosting
        self._gate_id = hosting.gate_id
        self._hosts = hosting.hosts
        self._clock = clock or SystemClock()
        self._heard: dict[str, tuple[LaneReport, int]] = {}  # with the tick at which it came
        self._skews: dict[str, float] = {}  # ms by lane
        self._wanted: dict[str, LaneMode] = {}
        self._admits: dict[str, frozenset[LaneClass]] = {}
        self._ids = RandomIds()
        site_lanes = [lane for gate in hosting.site.gates if gate.id == hosting.gate_id for lane in gate.lanes]
        self._reversible = {str(lane.id) for lane in site_lanes if lane.reversible}
        self._spared = SparedLanes({str(lane.id): lane_kind(lane) for lane in site_lanes if lane.direction == "entry"})
        self._unwritten: list[StaffActed] = []  # lanes that opened by themselves, not in SQL yet

    async def start(self) -> None:
        """Load the wanted modes, find out how the ledger stands."""
        hosting = self._hosting
        self._database = Database(hosting.database_url)
        self._orders = KeptLaneOrders(self._database, Path(hosting.spools) / f"{hosting.gate_id}.orders")
        self._take_orders(await self._orders.load())
        self._rereading = lifelong(self._reread_orders(), f"gate {hosting.gate_id} orders")
        lane_ids = [lane.id for _, lane in hosting.site.lanes()]
        self._central = RedisLedger(connect(hosting.redis_url), hosting.site_name)
        source = ReplicaSource(
            hosting.site_name,
            connect(hosting.redis_url),
            connect(hosting.redis_url),
            LedgerBooks(self._database),
            lane_ids,
        )
        peers: dict[GateId, PeerGate] = {
            gate.id: GateLink(gate.id) for gate in hosting.site.gates if gate.id != hosting.gate_id
        }
        lanes = [LanesLink(LaneId(first), spool_path(hosting.spools, first)) for first in sorted(set(self._hosts.values()))]
        self._ledger = GateLedger(
            hosting.site,
            hosting.gate_id,
            source,
            peers,
            lanes,
            RayJournal(),
            lambda events: replay(self._central, events),
            self._clock,
            handover=hosting.guards.handover,
        )
        self._ledger.start()

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def take_reports(self, reports: list[LaneReport]) -> GateOrders:
        """Take what lanes report; answers what is wanted of all lanes of the gate."""
        now = self._clock.now()
        for report in reports:
            self._heard[report.lane_id] = (report, now.tick_ns)
            if report.at is not None:
                self._skews[report.lane_id] = (report.at - now.at).total_seconds() * 1000
        for lane_id, reason in self._spared.lapsed(now.tick_ns, self._states(now.tick_ns)).items():
            _log.info("gate %s: lane %s opens again: %s", self._gate_id, lane_id, reason)
            self._unwritten.append(self._acted(lane_id, BY_ORCHESTRATOR, "mode", reason, "open"))
        return GateOrders(self._modes(), self._ledger.route, self._admits)

    async def standings(self) -> list[LaneStanding]:
        """What the gate knows of its lanes."""
        tick = self._clock.now().tick_ns
        return [self._standing(lane_id, tick) for lane_id in self._hosts]

    async def order_mode(self, lane_id: str, mode: LaneMode, ordered_by: str, note: str = "") -> None:
        """Store the wanted mode, then tell the lane. Raises NotFound, DatabaseUnavailable, WrongState: it cannot lead out."""
        self._check_lane(lane_id)
        self._check_way(lane_id, mode)
        acted = self._acted(lane_id, ordered_by, "mode", note, mode)
        await self._orders.set_mode(lane_id, mode, ordered_by, acted.at, acted)
        self._wanted[lane_id] = mode
        self._spared.free(lane_id)
        await self._tell_lane(lane_id, "order_mode", mode)

    async def spare_lane(self, lane_id: str, note: str, mode: LaneMode = "closed") -> None:
        """Keep a lane closed for the orchestrator (`exit`: let it lead out), as long as `renew_spared` names it at least once a
        minute; what staff want stays as it is. Raises NotFound, DatabaseUnavailable, or WrongState: not the last open lane of
        its kind, nor with a guest in it, nor out where it is not reversible."""
        self._check_lane(lane_id)
        self._check_way(lane_id, mode)
        now = self._clock.now()
        report = self._heard[lane_id][0] if lane_id in self._heard else None
        busy = report is None or report.busy or bool(report.waiting)
        why = self._spared.why_not(lane_id, self._states(now.tick_ns), busy=busy)
        if why:
            raise WrongState(f"lane {lane_id}", f"not to be spared ({why})", "close")
        self._spared.spare(lane_id, now.tick_ns, mode)  # before anything is awaited: nobody else may count on this lane now
        try:
            await self._orders.note(self._acted(lane_id, BY_ORCHESTRATOR, "mode", note, mode))
        except DatabaseUnavailable:
            self._spared.free(lane_id)
            raise
        if lane_id in self._spared:
            await self._tell_lane(lane_id, "order_mode", mode)

    async def open_spared(self, lane_id: str, note: str) -> None:
        """Open a lane that was spared; one that was not stays as it is. Needs no SQL: the journal hears of it once it can."""
        self._check_lane(lane_id)
        if self._spared.free(lane_id):
            self._unwritten.append(self._acted(lane_id, BY_ORCHESTRATOR, "mode", note, "open"))
            await self._tell_lane(lane_id, "order_mode", self._wanted[lane_id])

    async def renew_spared(self, lane_ids: frozenset[str]) -> None:
        """The orchestrator still does without these lanes."""
        self._spared.renew(lane_ids, self._clock.now().tick_ns)

    async def order_policy(self, lane_id: str, admits: frozenset[LaneClass], ordered_by: str, note: str) -> None:
        """Store whose tickets the lane is to admit besides its own, then tell it. Raises NotFound, DatabaseUnavailable."""
        self._check_lane(lane_id)
        acted = self._acted(lane_id, ordered_by, "policy", note, policy_outcome(admits))
        await self._orders.set_policy(lane_id, admits, ordered_by, acted.at, acted)
        self._admits[lane_id] = admits
        await self._tell_lane(lane_id, "order_policy", admits)

    async def order_staff(self, lane_id: str, order: StaffOrder) -> StaffOutcome:
        """Pass an order of staff on to its lane; idempotent by its id. Raises NotFound, Busy, or Unavailable: ask again."""
        self._check_lane(lane_id)
        lane = actor(lane_name(self._hosts[lane_id]), "The lane")
        outcome: StaffOutcome = await ask(lane.order_staff.remote(lane_id, order), "The lane", ORDER_S)
        return outcome

    async def view_face(self, lane_id: str, order: ViewFace) -> LiveLook:
        """Likewise, for the picture of an open look."""
        self._check_lane(lane_id)
        lane = actor(lane_name(self._hosts[lane_id]), "The lane")
        look: LiveLook = await ask(lane.view_face.remote(lane_id, order), "The lane", ORDER_S)
        return look

    async def close(self) -> None:
        """Free the stores."""
        self._rereading.cancel()
        await asyncio.gather(self._rereading, return_exceptions=True)
        await self._ledger.close()
        await self._central.close()
        await self._database.dispose()

    # ---- the ledger: see the links `HomeGate` and `PeerGate`

    async def ledger_standing(self) -> Standing:
        """How the gate stands with the ledger."""
        return self._ledger.standing()

    async def ledger_lost(self, route: Route) -> Route:
        """Lanes tell that the ledger does not answer."""
        return await self._ledger.lost(route)

    async def ledger_route(self, asker: GateId | None = None) -> Route:
        """Where its lanes decide."""
        return self._ledger.tell_route(asker)

    async def home_find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands here."""
        return await self._ledger.find(route, ticket_id)

    async def home_commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set here."""
        return await self._ledger.commit(route, event, expected, usage)

    async def home_memory(self, lane_id: LaneId) -> LaneMemory:
        """What is known here of a lane."""
        return await self._ledger.memory(lane_id)

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        """Fence the lanes, hand over what they did."""
        return await self._ledger.collect(term, home, least)

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        """Hold the lanes still, hand over what they did."""
        return await self._ledger.hold(term, without)

    async def resume(self, term: int, whole: int) -> None:
        """Back to the ledger."""
        await self._ledger.resume(term, whole)

    async def keep(self, term: int) -> None:
        """Go on holding still."""
        await self._ledger.keep(term)

    async def release(self, term: int) -> None:
        """Not back to the ledger after all."""
        await self._ledger.release(term)

    async def take_changes(self, changes: list[TicketChanged]) -> None:
        """New states of tickets, told directly while the ledger is away."""
        self._ledger.change(changes)

    # ---- inside

    def _take_orders(self, orders: LaneOrders) -> None:
        self._wanted = {lane_id: self._kept_mode(lane_id, orders.modes.get(lane_id)) for lane_id in self._hosts}
        self._admits = {lane_id: orders.policies[lane_id] for lane_id in self._hosts if lane_id in orders.policies}

    async def _reread_orders(self) -> None:
        """Until SQL has told them: those of the file may lack the last one. Then what SQL has not been told yet."""
        while True:
            await asyncio.sleep(REREAD_S)
            with contextlib.suppress(DatabaseUnavailable):
                if not self._orders.current:
                    self._take_orders(await self._orders.load())
                while self._unwritten:
                    await self._orders.note(self._unwritten[0])
                    del self._unwritten[0]

    def _modes(self) -> dict[str, LaneMode]:
        """What lanes are to do: what staff want, but for spared lanes."""
        return {lane_id: self._spared.mode(lane_id) or mode for lane_id, mode in self._wanted.items()}

    def _kept_mode(self, lane_id: str, mode: str | None) -> LaneMode:
        """A mode that was stored: a lane that is reversible no more is an entry again."""
        if mode == "exit" and lane_id in self._reversible:
            return "exit"
        return "closed" if mode == "closed" else "open"

    def _states(self, tick_ns: int) -> dict[str, str]:
        """The lanes' states as far as they may be counted on."""
        modes = self._modes()
        return {lane_id: serving_state(self._standing(lane_id, tick_ns).state, modes[lane_id]) for lane_id in self._hosts}

    def _check_lane(self, lane_id: str) -> None:
        if lane_id not in self._hosts:
            raise NotFound("lane", lane_id)

    def _check_way(self, lane_id: str, mode: LaneMode) -> None:
        if mode == "exit" and lane_id not in self._reversible:
            raise WrongState(f"lane {lane_id}", "not reversible", "lead out")

    async def _tell_lane(self, lane_id: str, method: str, wanted: object) -> None:
        try:
            lane = ray.get_actor(lane_name(self._hosts[lane_id]), namespace=NAMESPACE)
            async with asyncio.timeout(1.0):
                await getattr(lane, method).remote(lane_id, wanted)
        except (RayError, ValueError, TimeoutError):
            _log.warning("gate %s: lane %s is away and takes its orders with its next report", self._gate_id, lane_id)

    def _acted(self, lane_id: str, by: str, action: str, note: str, outcome: str) -> StaffActed:
        return StaffActed(
            event_id=EventId(self._ids.new("order")),
            caused_by=by,
            at=self._clock.now().at,
            gate_id=self._gate_id,
            lane_id=LaneId(lane_id),
            by=by,
            action=action,
            note=note,
            outcome=outcome,
        )

    def _standing(self, lane_id: str, tick_ns: int) -> LaneStanding:
        report, heard_ns = self._heard.get(lane_id, (None, 0))
        if report is None:
            return LaneStanding(lane_id, UNSERVED, "never heard of", self._wanted[lane_id], None, 0)
        age_ms = (tick_ns - heard_ns) / 1e6
        if age_ms > SILENT_MS:
            return LaneStanding(lane_id, UNSERVED, f"silent for {age_ms / 1000:.0f} s", report.mode, None, report.pid)
        return LaneStanding(
            lane_id,
            report.state,
            report.detail,
            report.mode,
            report.waiting,
            report.pid,
            tamper=report.tamper,
            lasting=report.lasting,
            reader_silent_s=report.reader_silent_s,
            clock_skew_ms=self._skews.get(lane_id),
            spool_percent=report.spool_percent,
            camera=report.camera,
            route=self._ledger.route.kind,
            busy=report.busy,
            spared=lane_id in self._spared,
            wanted=self._wanted[lane_id],
            orders=self._spared.mode(lane_id) or self._wanted[lane_id],
            admits=self._admits.get(lane_id, frozenset()),
        )

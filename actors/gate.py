"""The gate actor: the wanted modes of its lanes (kept in SQL) and what it last heard of them.

Promise: a mode is durable before `order_mode` returns, and every lane has it within a second, also one that is restarting.
Rebuilds itself from SQL; reports come again within a second.
"""

import asyncio
import logging

import msgspec
import ray
from ray.exceptions import RayError

from actors.lane_runtime import LaneReport
from actors.names import NAMESPACE, lane_name
from resort.access.lane_messages import LaneMode
from resort.clock import Clock, SystemClock
from resort.errors import NotFound
from resort.site_board import UNSERVED
from storage.database import Database
from storage.lane_modes import LaneModes

SILENT_MS = 3_000
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
    reader_silent_s: float | None = None
    clock_skew_ms: float | None = None  # the lane's clock less the gate's, when the lane reported
    spool_percent: float | None = None
    route: str = ""  # where the gate lets its lanes decide (`RouteKind`)


class GateActor:
    """One gate. `hosts` maps each lane to the first lane of the actor that hosts it."""

    def __init__(self, gate_id: str, hosts: dict[str, str], database_url: str, clock: Clock | None = None) -> None:
        self._gate_id = gate_id
        self._hosts = hosts
        self._database_url = database_url
        self._clock = clock or SystemClock()
        self._heard: dict[str, tuple[LaneReport, int]] = {}  # with the tick at which it came
        self._skews: dict[str, float] = {}  # ms by lane
        self._wanted: dict[str, LaneMode] = {}

    async def start(self) -> None:
        """Load the wanted modes."""
        self._database = Database(self._database_url)
        self._modes = LaneModes(self._database)
        stored = await self._modes.get_all()
        self._wanted = {lane_id: "closed" if stored.get(lane_id) == "closed" else "open" for lane_id in self._hosts}

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def take_reports(self, reports: list[LaneReport]) -> dict[str, LaneMode]:
        """Take what lanes report; answers all wanted modes of the gate."""
        now = self._clock.now()
        for report in reports:
            self._heard[report.lane_id] = (report, now.tick_ns)
            if report.at is not None:
                self._skews[report.lane_id] = (report.at - now.at).total_seconds() * 1000
        return self._wanted

    async def standings(self) -> list[LaneStanding]:
        """What the gate knows of its lanes."""
        tick = self._clock.now().tick_ns
        return [self._standing(lane_id, tick) for lane_id in self._hosts]

    async def order_mode(self, lane_id: str, mode: LaneMode, ordered_by: str) -> None:
        """Store the wanted mode, then tell the lane. Raises NotFound, DatabaseUnavailable."""
        if lane_id not in self._hosts:
            raise NotFound("lane", lane_id)
        await self._modes.set(lane_id, mode, ordered_by, self._clock.now().at)
        self._wanted[lane_id] = mode
        try:
            lane = ray.get_actor(lane_name(self._hosts[lane_id]), namespace=NAMESPACE)
            async with asyncio.timeout(1.0):
                await lane.order_mode.remote(lane_id, mode)
        except (RayError, ValueError, TimeoutError):
            _log.warning("gate %s: lane %s is away and takes its mode with its next report", self._gate_id, lane_id)

    async def close(self) -> None:
        """Free the database."""
        await self._database.dispose()

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
            reader_silent_s=report.reader_silent_s,
            clock_skew_ms=self._skews.get(lane_id),
            spool_percent=report.spool_percent,
        )

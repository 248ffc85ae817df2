"""The orchestrator actor: each second it looks at gates, lanes, ledger and journal, raises alarms, and ends what hangs.

Beside that the crowd brain makes its rounds (`orchestrator/crowd_round.py`). It reconciles and remembers nothing: after a
restart it learns from the journal (`orchestrator/alarm_desk.py`). Gates and lanes never wait for it.
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
from actors.names import JOURNAL, NAMESPACE, lane_name
from actors.tasks import lifelong
from orchestrator.alarm_desk import AlarmDesk
from orchestrator.crowd_round import CrowdRound
from orchestrator.hung import HungActors, watched_actors
from orchestrator.sights import SeenGate, journal_problem, see_gate
from resort.alarm_levels import LaneSight, SensorSight, SiteSight
from resort.clock import SystemClock
from resort.crowd import ActView, CrowdMode, CrowdView
from resort.errors import DatabaseUnavailable, Unavailable
from resort.ids import RandomIds
from resort.messages import AlarmEvent
from resort.site import Site
from resort.site_board import UNSERVED
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger

TICK_S = 1.0
RETRY_S = 0.5
JOURNAL_S = 2.0
HUNG_TICKS = 6  # ticks after which a lane that its gate calls unserved is restarted
GRACE_TICKS = 10  # a site that is just opening is not full of alarms
OFFLINE = ("home", "held")  # routes of gates that have lost the ledger
_log = logging.getLogger("snowgate.orchestrator")


class OrchestratorActor:
    """One per site."""

    def __init__(
        self, site: Site, redis_url: str, database_url: str, site_name: str, hosts: dict[str, str], models: str = ""
    ) -> None:
        """`hosts`: the first lane of the actor that hosts a lane, by lane. `models`: the folder of the resort's own models."""
        self._models = Path(models)
        self._hosts = hosts
        self._unserved_ticks: dict[str, int] = {}
        self._site = site
        self._redis_url = redis_url
        self._database_url = database_url
        self._site_name = site_name
        self._clock = SystemClock()
        self._hung = HungActors(watched_actors(site), self._clock)
        self._served: set[str] = set()  # lanes that were served once since this process began
        self._ticks = 0
        self._sensors: list[SensorSight] = []
        self._begun = False
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch."""
        redis = connect(self._redis_url)
        self._ledger = RedisLedger(redis, self._site_name)
        self._database = Database(self._database_url)
        store = JournalStore(self._database)
        ways = (self._ledger.append, self._tell_sql)
        self._crowd = CrowdRound(self._site, self._database, store, self._clock, RandomIds(), self._models)
        stream, crowd = JournalStream(redis, self._site_name), self._crowd.desk
        self._desk = AlarmDesk(self._site, stream, store, ways, self._clock, RandomIds(), crowd.take)
        self._tasks = [lifelong(self._watch_for_ever(), "orchestrator watch")]

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        """See the port `AlarmControl`."""
        self._check_begun()
        await self._desk.acknowledge(alarm_key, by, note)

    async def see_sensors(self, sensors: Sequence[SensorSight]) -> None:
        """Take how the people sensors stand; whoever opened the site tells it each second."""
        self._sensors = list(sensors)
        self._crowd.see_sensors(sensors)

    async def crowd(self) -> CrowdView:
        """See the port `CrowdControl`, for this and what follows."""
        models = [self._crowd.model_view, self._desk.scans.model_view]
        return msgspec.structs.replace(self._crowd.desk.view(), models=models)

    async def set_crowd_mode(self, mode: CrowdMode, by: str) -> None:
        """Likewise."""
        self._check_begun()
        await self._crowd.desk.set_mode(mode, by)

    async def accept_proposal(self, proposal_id: str, by: str) -> ActView:
        """Likewise."""
        self._check_begun()
        return await self._crowd.desk.accept(proposal_id, by)

    async def order_sign(self, sign_id: str, gate_id: str | None, minutes: int, by: str) -> None:
        """Likewise."""
        self._check_begun()
        await self._crowd.desk.order_sign(sign_id, gate_id, minutes, by)

    async def decline_proposal(self, proposal_id: str, by: str) -> ActView:
        """Likewise."""
        self._check_begun()
        return await self._crowd.desk.decline(proposal_id, by)

    async def close(self) -> None:
        """Stop watching and free the stores."""
        # Not cancelled: what is under way in SQL or the stream ends by itself, in bounded time.
        self._closing.set()
        self._crowd.close()
        self._desk.tail.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._crowd.blank()
        await self._ledger.close()
        await self._database.dispose()

    async def _watch_for_ever(self) -> None:
        if not await self._begin():
            return
        tail = self._desk.tail
        self._tasks.append(lifelong(tail.follow_stream(), "orchestrator stream"))
        self._tasks.append(lifelong(tail.follow_sql(), "orchestrator journal"))
        self._tasks.append(lifelong(self._crowd.run(), "orchestrator crowd"))
        self._tasks.append(lifelong(self._crowd.foresee(), "orchestrator outlook"))
        self._begun = True
        while not self._closing.is_set():
            looking = asyncio.create_task(self._hung.look(), name="orchestrator pings")
            gates = await asyncio.gather(*(see_gate(gate.id) for gate in self._site.gates))
            problem = await journal_problem()
            offline = [seen.gate.gate_id for seen in gates if seen.gate.route in OFFLINE]
            detail = f"gates that decide without it: {', '.join(offline)}" if offline else ""
            sight = SiteSight(tail.stream_away_since is None and not offline, problem, detail)
            await self._desk.look([self._judged(seen) for seen in gates if seen.gate.answers or not self._opening], sight,
                                  self._sensors, self._crowd.desk.areas)  # fmt: skip
            self._sensors = []  # who is not told of again cannot be seen
            await looking
            self._ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._closing.wait()

    async def _begin(self) -> bool:
        """Learn from the journal, as soon as SQL answers; False when closed before."""
        while not self._closing.is_set():
            try:
                await self._desk.begin()
                await self._crowd.begin()
            except DatabaseUnavailable as error:
                _log.warning("the watch waits for SQL: %s", error.detail)
                await asyncio.sleep(RETRY_S)
            else:
                return True
        return False

    def _check_begun(self) -> None:
        if not self._begun:
            raise Unavailable("The watch", "it is still reading the journal")

    @property
    def _opening(self) -> bool:
        return self._ticks < GRACE_TICKS

    def _judged(self, seen: SeenGate) -> SeenGate:
        """The gate with those lanes of which something can be said now; a lane that hangs is restarted."""
        lanes = []
        for lane in seen.lanes:
            self._restart_if_hung(lane)
            if lane.state != UNSERVED:
                self._served.add(lane.lane_id)
            elif lane.lane_id not in self._served and self._opening:
                continue
            lanes.append(lane)
        return SeenGate(seen.gate, lanes)

    def _restart_if_hung(self, lane: LaneSight) -> None:
        """Ray restarts a process that ended; one that hangs has to be ended first."""
        lane_id = lane.lane_id
        if lane.state != UNSERVED or lane_id not in self._served:
            self._unserved_ticks[lane_id] = 0
            return
        self._unserved_ticks[lane_id] += 1
        if self._unserved_ticks[lane_id] % HUNG_TICKS == 0:
            _log.error("lane %s is silent (%s): its process is ended and started again", lane_id, lane.detail)
            with contextlib.suppress(RayError, ValueError):
                ray.kill(ray.get_actor(lane_name(self._hosts[lane_id]), namespace=NAMESPACE), no_restart=False)

    async def _tell_sql(self, events: Sequence[AlarmEvent]) -> None:
        """Past the ledger, as lanes do with their spools while it is away."""
        await ask(actor(JOURNAL, "The journal").take_spooled.remote(list(events)), "The journal", JOURNAL_S)

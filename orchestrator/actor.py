"""The orchestrator actor: each second it compares what the site should be with what its gates see, and raises alarms.

It reconciles and remembers nothing: after a restart it takes the open alarms from the feed. Gates and lanes never wait for it.
"""

import asyncio
import contextlib
import logging

import ray
from ray.exceptions import RayError

from actors.gate import LaneStanding
from actors.journal import JournalStanding
from actors.names import FEED, JOURNAL, NAMESPACE, gate_name, lane_name
from actors.tasks import lifelong
from orchestrator.watch import AlarmBook, Cause, gate_silent, journal_stuck, lane_cause
from resort.clock import SystemClock
from resort.errors import LedgerUnavailable
from resort.feed import FeedFrame, Snapshot
from resort.ids import RandomIds
from resort.messages import JournalEvent
from resort.site import Site
from storage.redis_ledger import RedisLedger, connect

TICK_S = 1.0
ANSWER_S = 2.0
HUNG_TICKS = 6  # ticks after which a lane that its gate calls unserved is restarted
GRACE_TICKS = 10  # a site that is just opening is not full of alarms
_log = logging.getLogger("snowgate.orchestrator")


class OrchestratorActor:
    """One per site."""

    def __init__(self, site: Site, redis_url: str, site_name: str, hosts: dict[str, str]) -> None:
        """`hosts`: the first lane of the actor that hosts a lane, by lane."""
        self._hosts = hosts
        self._unserved_ticks: dict[str, int] = {}
        self._site = site
        self._redis_url = redis_url
        self._site_name = site_name
        self._clock = SystemClock()
        self._ids = RandomIds()
        self._served: set[str] = set()  # lanes that were served once since this process began
        self._ticks = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._ledger = RedisLedger(connect(self._redis_url), self._site_name)
        self._task = lifelong(self._watch_for_ever(), "orchestrator watch")

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._ledger.close()

    async def _watch_for_ever(self) -> None:
        book = AlarmBook(self._ids, await self._open_alarms())
        pending: list[JournalEvent] = []
        while True:
            causes = await self._causes()
            pending += book.observe(causes, self._clock.now())
            try:
                await self._ledger.append(pending)
                pending = []
            except LedgerUnavailable as error:
                _log.warning("alarms wait for the ledger: %s", error.detail)
            self._ticks += 1
            await asyncio.sleep(TICK_S)

    async def _causes(self) -> list[Cause]:
        causes: list[Cause] = []
        answers = await asyncio.gather(*(self._standings(gate.id) for gate in self._site.gates))
        for gate, standings in zip(self._site.gates, answers, strict=True):
            if standings is None:
                if self._ticks >= GRACE_TICKS:
                    causes.append(gate_silent(gate.id))
                continue
            for standing in standings:
                self._restart_if_hung(standing)
                if standing.state != "unserved":
                    self._served.add(standing.lane_id)
                elif standing.lane_id not in self._served and self._ticks < GRACE_TICKS:
                    continue
                cause = lane_cause(gate.id, standing.lane_id, standing.state)
                if cause is not None:
                    causes.append(cause)
        if await self._journal_is_stuck():
            causes.append(journal_stuck())
        return causes

    def _restart_if_hung(self, standing: LaneStanding) -> None:
        """Ray restarts a process that ended; one that hangs has to be ended first."""
        lane_id = standing.lane_id
        if standing.state != "unserved" or lane_id not in self._served:
            self._unserved_ticks[lane_id] = 0
            return
        self._unserved_ticks[lane_id] += 1
        if self._unserved_ticks[lane_id] % HUNG_TICKS == 0:
            _log.error("lane %s is silent (%s): its process is ended and started again", lane_id, standing.detail)
            with contextlib.suppress(RayError, ValueError):
                ray.kill(ray.get_actor(lane_name(self._hosts[lane_id]), namespace=NAMESPACE), no_restart=False)

    async def _standings(self, gate_id: str) -> list[LaneStanding] | None:
        with contextlib.suppress(RayError, ValueError, TimeoutError):
            gate = ray.get_actor(gate_name(gate_id), namespace=NAMESPACE)
            async with asyncio.timeout(ANSWER_S):
                answer: list[LaneStanding] = await gate.standings.remote()
            return answer
        return None

    async def _journal_is_stuck(self) -> bool:
        with contextlib.suppress(RayError, ValueError, TimeoutError, LedgerUnavailable):
            journal = ray.get_actor(JOURNAL, namespace=NAMESPACE)
            async with asyncio.timeout(ANSWER_S):
                standing: JournalStanding = await journal.standing.remote()
            return bool(standing.problem)
        return False

    async def _open_alarms(self) -> list[tuple[str, str, str]]:
        """The alarms that stand on the feed's board."""
        for _ in range(GRACE_TICKS):
            with contextlib.suppress(RayError, ValueError, TimeoutError):
                feed = ray.get_actor(FEED, namespace=NAMESPACE)
                async with asyncio.timeout(ANSWER_S):
                    frame: FeedFrame = await feed.next_frame.remote(None)
                if isinstance(frame, Snapshot):
                    return [(alarm.alarm_key, alarm.gate_id, alarm.lane_id) for alarm in frame.alarms]
            await asyncio.sleep(TICK_S)
        return []

"""What a passage costs in processor time, whole and part by part, over real Modbus TCP: lanes, Valkey and the turnstiles'
controllers in processes of their own.

The whole is running lanes; the parts are the same calls that a lane makes, in bare loops with as many under way at once: one
for the ratio that counts, as then both sides pay for every waking of every process, and ten besides. Ten bare loops of one
part run in step and share round trips, disk writes and wakings; ten lanes, each at another point of its passage, share few.
What the whole costs beyond the sum of its parts is the lane itself: its machine, its tasks, and its waiting.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import msgspec

from actors.collecting import collect_seldom
from benchmarks.gate_ledger import BenchLedger
from benchmarks.gate_stand import GATE, LIFT, PATIENCE_S, RULES, SITE, ZONE, bench_lane
from benchmarks.instant_lane import CodeQueue, WatchedArm
from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile, open_turnstile
from resort.access.codes import CodeReading, SiteKeys, read_code
from resort.access.decision import decide, scan_at
from resort.access.entitlement import TicketRecord, Usage
from resort.access.usage import use
from resort.clock import SystemClock
from resort.ids import EventId, GrantId, LaneId, RandomIds, ScanId, TicketId
from resort.messages import GrantIssued, PassageConfirmed
from resort.site import TurnstileSite
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

PROFILE = "pulse_coil"
FOR_LANES, FOR_PARTS = 1, 2  # units behind each port
PURE_STEPS = 50  # between two looks at the clock
Sold = list[tuple[TicketId, str]]
Step = Callable[[int], Awaitable[object]]


class WillingArm(SimTurnstile):
    """Steel with a guest who pushes the moment it unlocks."""

    def pulse_entry(self) -> None:
        """Unlock and turn."""
        super().pulse_entry()
        self.push_in()


class SteelProcess:
    """Hosts simulated controllers, one port each; made remote by the bench."""

    async def start(self, number: int) -> list[int]:
        """Open that many ports; answers them."""
        profile, clock = load_profile(PROFILE), SystemClock()
        self._servers = []
        for _ in range(number):
            arms: dict[int, SimTurnstile] = {
                unit: WillingArm(profile.timings.open_window_ms, clock) for unit in (FOR_LANES, FOR_PARTS)
            }
            server = TurnstileServer(arms, profile)
            await server.start()
            self._servers.append(server)
        return [server.port for server in self._servers]

    async def pid(self) -> int:
        """The process id."""
        return os.getpid()

    async def stop(self) -> None:
        """Close the ports."""
        await asyncio.gather(*(server.stop() for server in self._servers))


class CycleProcess:
    """Hosts the lanes of the whole, and the bare loops of the parts; made remote by the bench."""

    def __init__(self, redis_url: str, keys: SiteKeys, ports: list[int], sold: Sold, spools: Path) -> None:
        """The first tickets of `sold` are for the parts, one for each port; the others are shown to the lanes."""
        self._keys, self._ports = keys, ports
        self._tickets = [ticket_id for ticket_id, _ in sold[: len(ports)]]
        self._part_codes = [code for _, code in sold[: len(ports)]]
        self._codes = cycle([code for _, code in sold[len(ports) :]])
        self._clock, self._ids = SystemClock(), RandomIds()
        self._redis_url, self._spools = redis_url, spools
        self._buses = BusRegistry()
        self._lane_arms: list[ModbusTurnstile] = []
        self._part_arms: list[ModbusTurnstile] = []
        self._records: list[TicketRecord] = []
        self._grants: list[GrantIssued] = []
        self._seq = 0

    @staticmethod
    def lanes(number: int) -> tuple[list[str], list[str]]:
        """Lanes whose events the ledger has, and those whose events are only spooled."""
        stored = [f"{kind}-{index}" for kind in ("cycle", "part") for index in range(number)]
        return stored, [f"spool-{index}" for index in range(number)]

    async def start(self) -> int:
        """Connect everything; answers the process id."""
        stored, spooled = self.lanes(len(self._ports))
        spool = self._spools / "cycle.spool"
        self._ledgers = BenchLedger(self._redis_url, PATIENCE_S, SITE, GATE, spool, stored + spooled)
        self._ledger = self._ledgers.central
        profile = load_profile(PROFILE)
        for port in self._ports:
            for unit, arms in ((FOR_LANES, self._lane_arms), (FOR_PARTS, self._part_arms)):
                site = TurnstileSite(f"tcp://127.0.0.1:{port}", unit, PROFILE)
                arms.append(await open_turnstile(self._buses, site, profile))
        for index, ticket_id in enumerate(self._tickets):
            record = await self._ledger.find(ticket_id)
            assert record is not None
            self._records.append(record)
            self._grants.append(self._grant(index))
        collect_seldom()  # as lane actors do
        return os.getpid()

    async def whole(self, at_once: int, seconds: float) -> int:
        """Run that many lanes; answers passages. Every code is of a ticket that may pass."""
        queues, runtimes = [], []
        for index, turnstile in enumerate(self._lane_arms[:at_once]):
            arm = WatchedArm(turnstile)
            queue = CodeQueue(self._codes, arm, self._clock)
            queues.append(queue)
            runtimes.append(bench_lane(f"cycle-{index}", self._keys, self._ledgers.lanes, arm, queue))
        await asyncio.gather(*(runtime.start() for runtime in runtimes))
        await asyncio.sleep(seconds)
        await asyncio.gather(*(runtime.stop(PATIENCE_S) for runtime in runtimes))
        return sum(queue.shown for queue in queues)

    async def part(self, name: str, at_once: int, seconds: float) -> int:
        """Run one part again and again, `at_once` of it under way; answers how often."""
        pure: dict[str, Callable[[int], object]] = {"verify": self._verify, "decide": self._decide}
        if name in pure:
            return self._repeat_pure(pure[name], seconds)
        steps: dict[str, Step] = {
            "find": lambda index: self._ledger.find(self._tickets[index]),
            "grant": self._commit,
            "spool": self._spool,
            "pulse": lambda index: self._part_arms[index].pulse_entry(),
            "lamp": lambda index: self._part_arms[index].show("go"),
            "rotation": lambda index: self._part_arms[index].status(),
            "passage": self._settle,
        }
        return await self._repeat(steps[name], at_once, seconds)

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(arm.close() for arm in self._lane_arms + self._part_arms))
        await self._ledgers.close()

    # ---- parts

    def _repeat_pure(self, step: Callable[[int], object], seconds: float) -> int:
        done, began = 0, self._clock.now()
        while self._clock.now().ms_since(began) < seconds * 1000:
            for _ in range(PURE_STEPS):
                step(done % len(self._tickets))
                done += 1
        return done

    async def _repeat(self, step: Step, at_once: int, seconds: float) -> int:
        began = self._clock.now()

        async def again(index: int) -> int:
            done = 0
            while self._clock.now().ms_since(began) < seconds * 1000:
                await step(index)
                done += 1
            return done

        return sum(await asyncio.gather(*(again(index) for index in range(at_once))))

    def _verify(self, index: int) -> None:
        assert isinstance(read_code(self._part_codes[index], self._keys, self._clock.now().at), CodeReading)

    def _decide(self, index: int) -> None:
        record = TicketRecord(1, self._records[index].entitlement, Usage())
        assert decide(scan_at(RULES, "standard", self._clock.now().at), record, RULES).admitted

    async def _commit(self, index: int) -> None:
        grant, record = self._grant(index), self._records[index]
        usage = use(record.usage, grant)
        assert await self._ledger.commit_grant(grant, record, usage) is None
        self._grants[index] = grant
        self._records[index] = TicketRecord(record.version + 1, record.entitlement, usage)

    async def _spool(self, index: int) -> None:
        self._seq += 1
        event = msgspec.structs.replace(self._grants[index], lane_id=LaneId(f"spool-{index}"), lane_seq=self._seq)
        await self._ledgers.spool.append([event])

    async def _settle(self, index: int) -> None:
        grant, record = self._grants[index], self._records[index]
        self._seq += 1
        passage = PassageConfirmed(
            event_id=EventId(f"{grant.event_id}:outcome:{self._seq}"),
            caused_by=grant.event_id,
            at=self._clock.now().at,
            gate_id=GATE,
            lane_id=LaneId(f"part-{index}"),
            lane_seq=self._seq,
            grant_id=GrantId(grant.event_id),
            ticket_id=grant.ticket_id,
            counter_in=grant.counter_in + 1,
            decision_ms=1.0,
            open_ms=1.0,
        )
        assert await self._ledger.settle(passage, record, use(record.usage, passage)) is None
        # The grant stays open here, so that the next round has the same work.
        self._records[index] = TicketRecord(record.version + 1, record.entitlement, record.usage)

    def _grant(self, index: int) -> GrantIssued:
        self._seq += 1
        scan_id, now = self._ids.new("scan"), self._clock.now()
        return GrantIssued(
            event_id=EventId(self._ids.new("grant")),
            caused_by=scan_id,
            at=now.at,
            gate_id=GATE,
            lane_id=LaneId(f"part-{index}"),
            lane_seq=self._seq,
            ticket_id=self._tickets[index],
            scan_id=ScanId(scan_id),
            product="day",
            unit="adult",
            counter_in=self._seq,
            day=now.at.date(),
            zone=ZONE,
            lift=LIFT,
            medium="printed",
        )

"""What one tick of the running crowd brain costs with 60 lanes: news, scans, estimates, plan, rules and proposals.

The same `CrowdDesk` that the orchestrator's actor runs, on a made-up site of 10 gates, 10 signs and 60 lanes with about one
passage in three seconds at each; only the calls to the gates' actors are left out.
"""

import asyncio
from time import process_time

import msgspec
import numpy as np

from orchestrator.crowd_desk import CrowdDesk
from orchestrator.gate_sense import LaneNews
from resort.clock import Clock, ManualClock
from resort.crowd import CrowdMode, CrowdSite, SignSite
from resort.ids import EventId, GateId, GrantId, LaneId, SeededIds
from resort.messages import PassageConfirmed, StaffActed
from resort.site import CameraSite, GateSite, LaneClass, LaneSite, Site, TariffSite, TurnstileSite
from resort.texts import Text

GATES, LANES = 10, 6
TICKS = 200
TICK_S = 15
NAME = Text("门", "Gate")


class _NoGates:
    """Obeys and does nothing."""

    async def spare(self, lane_id: str, note: str, *, leads_out: bool = False) -> None:
        """Nothing."""

    async def open(self, lane_id: str, note: str, *, spared: bool) -> None:
        """Nothing."""

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], note: str) -> None:
        """Nothing."""

    async def renew(self, gate_id: str, lane_ids: frozenset[str]) -> None:
        """Nothing."""


async def wired_tick(clock: Clock) -> dict[str, float]:
    """Figures of ticks in the mode `automatic`, which does the most: `wired_tick_60_lanes_*_ms`, measured by `clock`."""
    site, day = _site(), ManualClock(clock.now().at)
    desk = CrowdDesk(site, _NoGates(), day, SeededIds("tick"), _keep, _tell)
    dice = np.random.default_rng(7)
    lanes = {
        str(gate.id): [LaneNews(str(lane.id), lane.lane_class, True, False, False, False, None) for lane in gate.lanes]
        for gate in site.gates
    }
    took, cpu_s = [], 0.0
    for tick in range(TICKS):
        for second in range(TICK_S):
            for gate, lane in site.lanes():
                if dice.random() < 0.3:
                    desk.take(_passage(gate.id, lane.id, tick * TICK_S + second, day), day.now())
            day.advance_ms(1_000)
        began, spent_s = clock.now(), process_time()
        await desk.tick(lanes, [])
        took.append(clock.now().ms_since(began))
        cpu_s += process_time() - spent_s
        await asyncio.sleep(0)
    return {
        "wired_tick_60_lanes_cpu_ms": 1_000 * cpu_s / TICKS,
        "wired_tick_60_lanes_p50_ms": float(np.percentile(took, 50)),
        "wired_tick_60_lanes_p99_ms": float(np.percentile(took, 99)),
    }


async def _keep(mode: CrowdMode) -> None:
    """No mode is chosen here."""


async def _tell(event: StaffActed) -> None:
    """Nor told."""


def _passage(gate_id: GateId, lane_id: LaneId, number: int, day: ManualClock) -> PassageConfirmed:
    event_id = EventId(f"{lane_id}-{number}")
    return PassageConfirmed(
        event_id=event_id, caused_by="bench", at=day.now().at, gate_id=gate_id, lane_id=lane_id, grant_id=GrantId("g"),
        ticket_id=None, counter_in=number,
    )  # fmt: skip


def _site() -> Site:
    dice = np.random.default_rng(5)
    steel = TurnstileSite("simulated", 1)
    gates = []
    for number in range(GATES):
        lanes = [
            LaneSite(LaneId(f"g{number}-{lane}"), NAME, "standard" if lane else "fast", steel, CameraSite("simulated"))
            for lane in range(LANES)
        ]
        gates.append(GateSite(GateId(f"g{number}"), NAME, lanes))
    signs = [
        SignSite(f"s{number}", NAME, {gate.id: int(dice.integers(100, 900)) for gate in gates}, share=0.1)
        for number in range(GATES)
    ]
    crowd = CrowdSite(mode="automatic", tick_s=TICK_S, signs=signs)
    site = Site(NAME, "UTC", gates, [], TariffSite("bench"))
    return msgspec.structs.replace(site, crowd=crowd)

"""What the orchestrator sees of the site each second: gates, their lanes, the journal, by Ray calls with a time limit."""

import asyncio
import contextlib
from typing import NamedTuple

import ray
from ray.exceptions import RayError

from actors.gate import LaneStanding
from actors.journal import JournalStanding
from actors.names import JOURNAL, NAMESPACE, gate_name
from resort.alarm_levels import GateSight, LaneSight

ANSWER_S = 2.0


class SeenGate(NamedTuple):
    """One gate with its lanes; no lanes when it does not answer."""

    gate: GateSight
    lanes: list[LaneSight]


async def see_gate(gate_id: str) -> SeenGate:
    """Ask a gate how its lanes stand."""
    standings: list[LaneStanding] | None = None
    with contextlib.suppress(RayError, ValueError, TimeoutError):
        gate = ray.get_actor(gate_name(gate_id), namespace=NAMESPACE)
        async with asyncio.timeout(ANSWER_S):
            standings = await gate.standings.remote()
    if standings is None:
        return SeenGate(GateSight(gate_id, answers=False), [])
    route = next((standing.route for standing in standings if standing.route), "")  # lanes that are unserved tell none
    return SeenGate(GateSight(gate_id, answers=True, route=route), [lane_sight(gate_id, standing) for standing in standings])


async def journal_problem() -> str | None:
    """Why nothing reaches SQL, "" when it does by the stream or past it; None when the journal's actor does not answer."""
    with contextlib.suppress(RayError, ValueError, TimeoutError):
        journal = ray.get_actor(JOURNAL, namespace=NAMESPACE)
        async with asyncio.timeout(ANSWER_S):
            standing: JournalStanding = await journal.standing.remote()
        return standing.problem or "the database cannot be written" if standing.stuck else ""
    return None


def lane_sight(gate_id: str, standing: LaneStanding) -> LaneSight:
    """What a gate tells of a lane, as the alarms take it."""
    return LaneSight(
        gate_id,
        standing.lane_id,
        standing.lasting or standing.state,  # an arm that fell silent under a guest's grant is faulted all the same
        standing.detail,
        standing.tamper,
        standing.reader_silent_s,
        standing.clock_skew_ms,
        standing.spool_percent,
        standing.camera,
    )

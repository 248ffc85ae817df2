"""What the orchestrator sees of the site each second: gates, their lanes, the journal, by Ray calls with a time limit."""

import asyncio
import contextlib
from typing import NamedTuple

import ray
from ray.exceptions import RayError

from actors.gate import LaneStanding
from actors.journal import JournalStanding
from actors.names import JOURNAL, NAMESPACE, gate_name
from actors.spared_lanes import SERVING
from orchestrator.gate_sense import LaneNews
from resort.alarm_levels import GateSight, LaneSight
from resort.site import Site

ANSWER_S = 2.0


class SeenGate(NamedTuple):
    """One gate with its lanes; no lanes when it does not answer."""

    gate: GateSight
    lanes: list[LaneSight]


async def ask_gate(gate_id: str) -> list[LaneStanding] | None:
    """How a gate's lanes stand; None when it does not answer."""
    with contextlib.suppress(RayError, ValueError, TimeoutError):
        gate = ray.get_actor(gate_name(gate_id), namespace=NAMESPACE)
        async with asyncio.timeout(ANSWER_S):
            standings: list[LaneStanding] = await gate.standings.remote()
        return standings
    return None


async def see_gate(gate_id: str) -> SeenGate:
    """Ask a gate how its lanes stand."""
    standings = await ask_gate(gate_id)
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


async def lane_news(site: Site) -> dict[str, list[LaneNews]]:
    """What every gate that answers tells of its lanes, as the crowd brain takes it."""
    gate_ids = [str(gate.id) for gate in site.gates]
    classes = {str(lane.id): lane.lane_class for _, lane in site.lanes()}
    answers = await asyncio.gather(*(ask_gate(gate_id) for gate_id in gate_ids))
    return {
        gate_id: [lane_told(standing, classes[standing.lane_id]) for standing in standings]
        for gate_id, standings in zip(gate_ids, answers, strict=True)
        if standings is not None
    }


def lane_told(standing: LaneStanding, lane_class: str) -> LaneNews:
    """A lane that was ordered closed does not serve any more, whatever its last report says."""
    leads_out = standing.orders == "exit"
    closed = (standing.spared or standing.wanted == "closed") and not leads_out
    serving = standing.state in SERVING and not closed and not leads_out
    busy = standing.busy or standing.state == "awaiting_passage"
    admits = frozenset[str](standing.admits)
    return LaneNews(standing.lane_id, lane_class, serving, closed, standing.spared, busy, standing.waiting, admits,
                    leads_out, standing.state == "exit")  # fmt: skip

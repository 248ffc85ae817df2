"""What the public is told of gates and lifts: state, wait, and what signs say. Pure; no person and no lane is named.

States are those of liftie (https://github.com/pirxpilot/liftie): `open`, `hold`, `scheduled`, `closed`. Queues have the form
of the themeparks API (https://github.com/themeparks/parksapi): `STANDBY` for everybody, `PAID_STANDBY` for fast lanes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Literal

import msgspec

from resort.crowd import CrowdGateView, CrowdView
from resort.feed import LaneView, Snapshot
from resort.site import GateSite, HoursSite, Site
from resort.texts import Text

LiftState = Literal["open", "hold", "scheduled", "closed"]
STATES: tuple[LiftState, ...] = ("open", "hold", "scheduled", "closed")  # the first of a lift's gates holds for the lift
THEMEPARKS = {"open": "OPERATING", "hold": "DOWN", "scheduled": "CLOSED", "closed": "CLOSED"}
SERVING = frozenset({"ready", "awaiting_passage"})
OLD_S = 180.0  # a wait that is older is not told


class QueueStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One kind of queue. `waitTime`: whole minutes, null while it is not known."""

    wait_time: int | None


class GateStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One gate, as a themeparks entity with liftie's state beside."""

    id: str
    name: Text
    lift: str
    entity_type: str
    state: LiftState
    status: str
    queue: dict[str, QueueStatus]
    last_updated: datetime


class LiftStates(msgspec.Struct, frozen=True):
    """Lifts as liftie tells them."""

    status: dict[str, LiftState]
    stats: dict[str, int]


class SignStatus(msgspec.Struct, frozen=True):
    """Which gate a sign names now."""

    id: str
    name: Text
    gate: str


class PublicStatus(msgspec.Struct, frozen=True):
    """Everything that is told to anybody."""

    site: Text
    at: datetime
    lifts: LiftStates
    gates: list[GateStatus]
    signs: list[SignStatus]


def public_status(site: Site, board: Snapshot, crowd: CrowdView | None, now: datetime) -> PublicStatus:
    """The status of now. `crowd`: None while it does not answer, which leaves waits and signs out."""
    local = now.astimezone(site.zone)
    fresh = crowd is not None and not crowd.fault
    views = {view.gate_id: view for view in crowd.gates} if crowd is not None and fresh else {}
    gates = []
    lifts: dict[str, LiftState] = {}
    for gate in site.gates:
        entries = {str(lane.id) for lane in gate.lanes if lane.direction == "entry"}
        lanes = [lane for lane in board.lanes if lane.lane_id in entries]
        state = gate_state([lane.state for lane in lanes], gate.hours, local)
        queue = _queues(gate, lanes, state, views.get(str(gate.id)))
        lift = gate.lift or str(gate.id)
        gates.append(GateStatus(str(gate.id), gate.name, lift, "ATTRACTION", state, THEMEPARKS[state], queue, board.at))
        lifts[lift] = min(state, lifts.get(lift, state), key=STATES.index)
    stats: dict[str, int] = {state: sum(one == state for one in lifts.values()) for state in STATES}
    signs = [SignStatus(sign.sign_id, sign.name, sign.gate_id) for sign in crowd.signs] if crowd is not None and fresh else []
    return PublicStatus(site.name, now, LiftStates(lifts, stats), gates, signs)


def gate_state(lanes: Iterable[str], hours: HoursSite | None, local: datetime) -> LiftState:
    """A gate by its entry lanes' states: open while one serves, on hold while those that should serve cannot."""
    states = list(lanes)
    if any(state in SERVING for state in states):
        return "open"
    if any(state != "closed" for state in states) and not (hours is not None and _outside(hours, local)):
        return "hold"
    if hours is not None and local.time() < hours.opens and (hours.opens < hours.closes or local.time() >= hours.closes):
        return "scheduled"
    return "closed"


def _outside(hours: HoursSite, local: datetime) -> bool:
    now = local.time()
    if hours.opens < hours.closes:
        return not hours.opens <= now < hours.closes
    return hours.closes <= now < hours.opens  # past midnight


def _queues(gate: GateSite, lanes: Sequence[LaneView], state: LiftState, view: CrowdGateView | None) -> dict[str, QueueStatus]:
    known = view is not None and not view.blind and view.age_s is not None and view.age_s <= OLD_S
    wait_s = view.wait_s if view is not None and known and state == "open" else None
    queues = {"STANDBY": QueueStatus(None if wait_s is None else ceil(wait_s / 60))}
    if any(lane.lane_class != "standard" for lane in gate.lanes):
        # Fast lanes have no estimate of their own; one where nobody stands has no wait.
        fast = [lane.queue for lane in lanes if lane.lane_class != "standard" and lane.state in SERVING]
        queues["PAID_STANDBY"] = QueueStatus(0 if fast and all(waiting == 0 for waiting in fast) else None)
    return queues

"""Lanes that the orchestrator keeps closed because fewer do, or lets lead out: a lease that lapses by itself, beside what staff
ordered. Pure.

A spared lane opens again when nobody renews the lease, when no other lane of its kind serves at the gate, when staff order
anything of it, and when the gate restarts, which remembers none. So the orchestrator's loss costs guests nothing.
"""

from collections.abc import Mapping

from resort.access.lane_messages import LaneMode
from resort.site import LaneSite
from resort.site_board import UNSERVED

LEASE_MS = 60_000
SERVING = frozenset({"ready", "awaiting_passage"})


class SparedLanes:
    """Which lanes of one gate are spared, and until when. `kinds`: what each entry lane of the gate is good for, as
    `lane_kind` tells it."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = dict(kinds)
        self._renewed_ns: dict[str, int] = {}
        self._modes: dict[str, LaneMode] = {}

    def __contains__(self, lane_id: str) -> bool:
        return lane_id in self._renewed_ns

    def why_not(self, lane_id: str, states: Mapping[str, str], *, busy: bool) -> str:
        """Why this lane cannot be spared now; "" when it can. `states` of all lanes, as `serving_state` tells them."""
        if lane_id not in self._kinds:
            return "it is no entry lane"
        if states.get(lane_id) not in SERVING:
            return "it does not serve"
        if busy or states[lane_id] != "ready":
            return "a guest is in it"
        if not self._others(lane_id, states):
            return "no other lane of its kind serves at this gate"
        return ""

    def spare(self, lane_id: str, tick_ns: int, mode: LaneMode = "closed") -> None:
        """From now on, as long as it is renewed; `exit`: it leads out."""
        self._renewed_ns[lane_id], self._modes[lane_id] = tick_ns, mode

    def mode(self, lane_id: str) -> LaneMode | None:
        """What a spared lane does; None for one that is not."""
        return self._modes[lane_id] if lane_id in self._renewed_ns else None

    def renew(self, lane_ids: frozenset[str], tick_ns: int) -> None:
        """These are still not needed; others lapse."""
        for lane_id in lane_ids & set(self._renewed_ns):
            self._renewed_ns[lane_id] = tick_ns

    def free(self, lane_id: str) -> bool:
        """Spared no more; False when it was not."""
        return self._renewed_ns.pop(lane_id, None) is not None

    def lapsed(self, tick_ns: int, states: Mapping[str, str]) -> dict[str, str]:
        """Lanes whose lease is over now, with the reason; they are spared no more."""
        over: dict[str, str] = {}
        for lane_id, renewed_ns in list(self._renewed_ns.items()):
            if tick_ns - renewed_ns > LEASE_MS * 1_000_000:
                over[lane_id] = "the orchestrator does not ask for it any more"
            elif not self._others(lane_id, states):
                over[lane_id] = "no other lane of its kind serves at this gate"
        for lane_id in over:
            del self._renewed_ns[lane_id]
        return over

    def _others(self, lane_id: str, states: Mapping[str, str]) -> bool:
        own = self._kinds[lane_id]
        return any(
            state in SERVING and other != lane_id and other not in self._renewed_ns and self._kinds.get(other) == own
            for other, state in states.items()
        )


def lane_kind(lane: LaneSite) -> str:
    """What a lane is good for: whose tickets it admits and what it can read. Lanes of one kind stand in for each other."""
    reads = "card" if lane.camera.uid is not None else "code"
    return f"{lane.lane_class} {reads} face-{lane.faces}"


def serving_state(state: str, wanted: str) -> str:
    """A lane's state as far as it may be counted on: one that was just ordered closed is not, whatever it still says."""
    return state if wanted == "open" else ("closed" if state != UNSERVED else UNSERVED)

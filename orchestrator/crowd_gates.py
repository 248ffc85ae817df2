"""`CrowdGates` over Ray: what the crowd brain orders, carried to the gates' actors in its own name."""

from typing import Any

from actors.calls import actor, ask
from actors.names import gate_name
from resort.crowd import BY_ORCHESTRATOR
from resort.errors import NotFound
from resort.site import LaneClass, Site

WHAT = "The gate"


class RayCrowdGates:
    """The gate actors. Every method raises Unavailable while a gate is away; see `CrowdGates`."""

    def __init__(self, site: Site) -> None:
        self._gate_of = {str(lane.id): str(gate.id) for gate, lane in site.lanes()}

    async def spare(self, lane_id: str, note: str, *, leads_out: bool = False) -> None:
        """See `CrowdGates`."""
        await ask(self._gate(lane_id).spare_lane.remote(lane_id, note, "exit" if leads_out else "closed"), WHAT)

    async def open(self, lane_id: str, note: str, *, spared: bool) -> None:
        """See `CrowdGates`. A lane that staff closed opens by an order like theirs, which is kept."""
        gate = self._gate(lane_id)
        await ask(gate.open_spared.remote(lane_id, note), WHAT)
        if not spared:
            await ask(gate.order_mode.remote(lane_id, "open", BY_ORCHESTRATOR, note), WHAT)

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], note: str) -> None:
        """See `CrowdGates`."""
        await ask(self._gate(lane_id).order_policy.remote(lane_id, admits, BY_ORCHESTRATOR, note), WHAT)

    async def renew(self, gate_id: str, lane_ids: frozenset[str]) -> None:
        """See `CrowdGates`."""
        await ask(actor(gate_name(gate_id), WHAT).renew_spared.remote(lane_ids), WHAT)

    def _gate(self, lane_id: str) -> Any:
        gate_id = self._gate_of.get(lane_id)
        if gate_id is None:
            raise NotFound("lane", lane_id)
        return actor(gate_name(gate_id), WHAT)

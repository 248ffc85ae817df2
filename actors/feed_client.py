"""`FeedSource` and `GateControl` over Ray."""

from typing import get_args

from actors.calls import actor, ask
from actors.names import FEED, gate_name
from resort.access.lane_messages import LaneMode
from resort.errors import Invalid, NotFound
from resort.feed import FeedFrame
from resort.figures import SiteFigures
from resort.site import Site


class RayFeed:
    """The feed actor as a `FeedSource`."""

    async def next_frame(self, since: int | None) -> FeedFrame:
        """See the port."""
        frame: FeedFrame = await ask(actor(FEED, "The live feed").next_frame.remote(since), "The live feed")
        return frame

    async def figures(self) -> SiteFigures:
        """See the port."""
        figures: SiteFigures = await ask(actor(FEED, "The live feed").figures.remote(), "The live feed")
        return figures


class RayGates:
    """The gate actors as a `GateControl`."""

    def __init__(self, site: Site) -> None:
        self._gate_of = {str(lane.id): str(gate.id) for gate, lane in site.lanes()}

    async def set_mode(self, lane_id: str, mode: str, ordered_by: str) -> None:
        """See the port."""
        gate_id = self._gate_of.get(lane_id)
        if gate_id is None:
            raise NotFound("lane", lane_id)
        if mode not in get_args(LaneMode):
            raise Invalid("mode", "must be open or closed")
        await ask(actor(gate_name(gate_id), "The gate").order_mode.remote(lane_id, mode, ordered_by), "The gate")

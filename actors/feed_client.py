"""`FeedSource`, `GateControl` and `LookControl` over Ray."""

from typing import Any, get_args

from actors.calls import actor, ask
from actors.names import FEED, gate_name
from resort.access.lane_messages import (
    AdmitByHand,
    AnnulLast,
    ConfirmFace,
    LaneMode,
    RejectFace,
    StaffOrder,
    StaffOutcome,
    TestScan,
    ViewFace,
)
from resort.errors import Invalid, NotFound
from resort.feed import FeedFrame
from resort.figures import SiteFigures
from resort.ids import ScanId
from resort.lane_looks import LiveLook
from resort.site import LaneClass, Site


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
    """The gate actors as a `GateControl` and a `LookControl`."""

    def __init__(self, site: Site) -> None:
        self._gate_of = {str(lane.id): str(gate.id) for gate, lane in site.lanes()}

    async def set_mode(self, lane_id: str, mode: str, ordered_by: str) -> None:
        """See the port."""
        gate = self._gate(lane_id)
        if mode not in get_args(LaneMode):
            raise Invalid("mode", "must be open or closed")
        await ask(gate.order_mode.remote(lane_id, mode, ordered_by), "The gate")

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], ordered_by: str, note: str) -> None:
        """See the port."""
        await ask(self._gate(lane_id).order_policy.remote(lane_id, admits, ordered_by, note), "The gate")

    async def admit(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        """See the port."""
        return await self._order(lane_id, AdmitByHand(request_id, by, note))

    async def annul(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        """See the port."""
        return await self._order(lane_id, AnnulLast(request_id, by, note))

    async def test_scan(self, lane_id: str, request_id: str, by: str, code: str) -> StaffOutcome:
        """See the port."""
        return await self._order(lane_id, TestScan(request_id, by, code))

    async def view_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> LiveLook:
        """See the port."""
        order = ViewFace(request_id, by, ScanId(scan_id))
        look: LiveLook = await ask(self._gate(lane_id).view_face.remote(lane_id, order), "The lane")
        return look

    async def confirm_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        """See the port."""
        return await self._order(lane_id, ConfirmFace(request_id, by, ScanId(scan_id)))

    async def reject_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        """See the port."""
        return await self._order(lane_id, RejectFace(request_id, by, ScanId(scan_id)))

    async def _order(self, lane_id: str, order: StaffOrder) -> StaffOutcome:
        outcome: StaffOutcome = await ask(self._gate(lane_id).order_staff.remote(lane_id, order), "The lane")
        return outcome

    def _gate(self, lane_id: str) -> Any:
        gate_id = self._gate_of.get(lane_id)
        if gate_id is None:
            raise NotFound("lane", lane_id)
        return actor(gate_name(gate_id), "The gate")
